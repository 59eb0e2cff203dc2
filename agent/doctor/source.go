package doctor

import (
	"context"

	"lessor.dk/portalsync/agent/mainsystem"
	"lessor.dk/portalsync/agent/plan"
)

// mainSystem holds the plan against the live database: every planned table, its columns, types and
// tracking, and the values of its first rows.
func (d *Doctor) mainSystem(ctx context.Context, p *plan.Plan, yield func(Finding)) {
	const check = "main system"
	name := mainsystem.Name(d.cfg)
	src, err := mainsystem.Open(d.cfg, p)
	if err != nil {
		yield(wrong(check, CodeSource, "The main system's database %s cannot be read as the plan says: %v: check main_system in %s, and the plan.", name, err, d.cfg.File))
		return
	}
	defer src.Close()
	found, err := plan.Check(ctx, p, src)
	if err != nil {
		yield(wrong(check, CodeSource, "The main system's database %s cannot be read: %v: check main_system in %s and that the agent's account may read it.", name, err, d.cfg.File))
		return
	}
	stopped := 0
	for _, f := range found {
		if f.Stop {
			stopped++
			yield(wrong("plan", CodeDrift, "%s:%d: %s: %s.", p.Name, f.Line, f.Key, f.Text))
			continue
		}
		yield(ok("plan", "Note on %s:%d: %s: %s.", p.Name, f.Line, f.Key, f.Text))
	}
	if stopped == 0 {
		yield(ok(check, "%s can be read as the plan says.", name))
	}
}

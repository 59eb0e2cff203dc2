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
	if !d.survey(ctx, p, yield) {
		return // what it tells keeps the plan from being held against the database
	}
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

// survey looks at the main system's server. It reports whether nothing is wrong there.
func (d *Doctor) survey(ctx context.Context, p *plan.Plan, yield func(Finding)) bool {
	good := true
	err := mainsystem.Survey(ctx, d.cfg, p, func(f mainsystem.Finding) {
		good = good && (f.Code == "" || f.Note)
		yield(Finding{Check: f.Check, Code: f.Code, Note: f.Note, Sentence: f.Sentence, Statement: f.Statement})
	})
	if err != nil {
		yield(wrong("main system", CodeSettings, "%v.", err))
		return false
	}
	return good
}

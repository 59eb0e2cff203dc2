package doctor

import (
	"context"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlite"
)

// mainSystem holds the plan against the live database: every planned table, its columns, types and tracking.
func (d *Doctor) mainSystem(ctx context.Context, p *plan.Plan, yield func(Finding)) {
	const check = "main system"
	file := d.cfg.MainSystem.SQLite
	src, err := sqlite.Open(file, p, sqlite.Config{})
	if err != nil {
		yield(wrong(check, CodeSource, "The plan cannot be used on %s: %v.", file, err))
		return
	}
	defer src.Close()
	tx, err := src.Begin(ctx)
	if err != nil {
		yield(wrong(check, CodeSource, "The main system's database %s cannot be read: %v: check main_system in %s and that the agent's account may read it.", file, err, d.cfg.File))
		return
	}
	defer tx.Close()
	state := tx.State()
	bad := 0
	for _, k := range p.Kinds {
		s := state.Kinds[k.Record.Name]
		if s.Err != nil {
			bad++
			yield(wrong(k.Record.Name, CodeDrift, "%v.", s.Err))
			continue
		}
		yield(ok(k.Record.Name, "About %d rows of table %s; changes are tracked since position %d.", s.Estimate, k.Table, s.MinValid))
	}
	if bad == 0 {
		yield(ok(check, "%s can be read; it is at position %d.", file, state.Position))
	}
}

package writer

import (
	"context"
	"slices"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// isolate writes a section of which the database refuses at least one row: it halves the rows, each try in a
// savepoint, until the refused ones stand alone. Those become dead letters; the others are written.
func (a *applying) isolate(ctx context.Context, s *section) error {
	var rows []*protocol.DecodedRow
	again := &prepared{task: a.p.task, encoded: a.p.encoded}
	err := a.w.decode(ctx, again, func(at *section, r *protocol.DecodedRow) error {
		if at.number == s.number {
			own := *r
			own.Values = slices.Clone(r.Values)
			rows = append(rows, &own)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.halve(ctx, s, rows)
}

func (a *applying) halve(ctx context.Context, s *section, rows []*protocol.DecodedRow) error {
	st := a.w.store.NewStage(s.schema.SectionSchema)
	staged := rows[:0:0]
	for _, r := range rows {
		if add(st, r) == nil { // else it is among the section's letters
			staged = append(staged, r)
		}
	}
	if len(staged) == 0 {
		return nil
	}
	before := a.total
	err := a.tx.Attempt(ctx, func() error { return a.write(ctx, st) })
	if err == nil || !a.w.store.Unfit(err) {
		return err
	}
	a.total = before
	if len(staged) == 1 {
		return a.refused(ctx, s, staged[0])
	}
	if err := a.halve(ctx, s, staged[:len(staged)/2]); err != nil {
		return err
	}
	return a.halve(ctx, s, staged[len(staged)/2:])
}

func (a *applying) refused(ctx context.Context, s *section, r *protocol.DecodedRow) error {
	var l store.DeadLetter
	l, err := a.w.letter(a.p, s, r, "is refused by the portal's database")
	if err != nil {
		return err
	}
	return a.setAside(ctx, l)
}

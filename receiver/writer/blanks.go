package writer

import (
	"context"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// checkBlanks holds the rows of the cut that empty a filled field against the limit. Sections are compared with the
// table only if the cut could go over it.
func (a *applying) checkBlanks(ctx context.Context, s *section) (stopped bool, err error) {
	k := a.kinds[s.schema.Kind]
	if a.p.header.Chunk != nil || s.empties == 0 || !guarded(k) || a.keepsFilled(k.Kind) {
		return false, nil
	}
	cut := a.guard.cut
	most := cut.Empties[k.Kind] + int64(s.empties)
	if !a.p.header.Last {
		most += cutRows
	}
	could, err := a.overLimit(ctx, k.Kind, most)
	if err != nil {
		return false, err
	}
	blanked := cut.Blanked[k.Kind]
	if could {
		n, err := a.tx.BlankedBy(ctx, s.stage)
		if err != nil {
			return false, err
		}
		blanked += n
		over, err := a.overLimit(ctx, k.Kind, blanked)
		if err != nil {
			return false, err
		}
		if over {
			cause := store.Cause{Code: store.CauseEmpties, Rows: blanked}
			if err := a.stop(ctx, k, cause); err != nil {
				return true, err
			}
			return true, a.tx.HoldBlanks(ctx, k.Kind, cause)
		}
	}
	cut.Empties[k.Kind] += int64(s.empties)
	cut.Blanked[k.Kind] = blanked
	return false, nil
}

// keepsFilled reports whether rows that would empty a filled field are not written at first: those of a kind that is held
// for such rows, and those that come while it is read in full, which are judged when they were counted.
func (a *applying) keepsFilled(kind string) bool {
	hold, _ := a.tx.Blanks(kind)
	return hold == store.HoldBlanks || hold != store.HoldPassed && a.kinds[kind].State == protocol.KindRunning
}

// kept decides about rows of a stage that were not written. Up to the limit, counted over the whole snapshot, they are
// written after all. Beyond it the kind is held: they wait for a person, as do all that follow.
func (a *applying) kept(ctx context.Context, st *store.Stage, o store.ApplyOptions, got store.Applied) (store.Applied, error) {
	hold, blanked := a.tx.Blanks(st.Kind())
	if hold != store.HoldBlanks {
		blanked += got.Kept
		over, err := a.overLimit(ctx, st.Kind(), blanked)
		if err == nil && !over {
			return a.applyKept(ctx, st, o, got)
		}
		if err == nil {
			err = a.holdBlanks(ctx, st.Kind(), store.Cause{Code: store.CauseLostFields, Rows: blanked})
		}
		if err != nil {
			return store.Applied{}, err
		}
	}
	return got, a.tx.AddBlanked(ctx, st.Kind(), got.Kept)
}

func (a *applying) applyKept(ctx context.Context, st *store.Stage, o store.ApplyOptions, got store.Applied) (store.Applied, error) {
	o.KeepFilled = false
	more, err := a.tx.Apply(ctx, st, o)
	if err != nil {
		return store.Applied{}, err
	}
	total := store.Applied{Changed: got.Changed + more.Changed, Unchanged: got.Unchanged - more.Changed, Deleted: got.Deleted}
	return total, a.tx.AddBlanked(ctx, st.Kind(), got.Kept)
}

// holdBlanks holds a kind in the middle of its snapshot, which goes on.
func (a *applying) holdBlanks(ctx context.Context, kind string, cause store.Cause) error {
	a.tell(ctx, kind, cause)
	k := a.kinds[kind]
	k.Held = true
	a.kinds[kind] = k
	return a.tx.HoldBlanks(ctx, kind, cause)
}

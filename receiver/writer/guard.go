package writer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// guard is what the delete and blanking guard knows of a stream.
type guard struct {
	cut      soFar
	judged   bool             // the cut's deletes were, with its first batch
	atLeast  map[string]int64 // rows that a kind is known to have; losing it costs a second look
	forgetAt time.Time        // of atLeast
}

// soFar is what a cut did with the batches that are applied. It is kept in the stream's row and moves with them: a
// writer that goes on with the cut of one that died judges the whole of it.
type soFar struct {
	Empties map[string]int64 `json:"empties"` // rows, per kind, that might blank a field
	Blanked map[string]int64 `json:"blanked"` // of those, rows that do
}

// cutRows is more than a cut has rows after any of its batches: it fits the agent's window of four.
const cutRows = 4 * protocol.MaxBatchRows

// remembered is how long a count of rows is believed.
const remembered = time.Minute

// guardOf returns what is known when a batch is tried. It is a copy, kept only when the batch was applied: a try that
// was rolled back counts for nothing.
func (s *shard) guardOf(p *prepared) guard {
	now := s.w.cfg.Now()
	g := s.guards[p.task.entry.Stream]
	g.atLeast = maps.Clone(g.atLeast)
	if g.atLeast == nil || now.After(g.forgetAt) {
		g.atLeast, g.forgetAt = map[string]int64{}, now.Add(remembered)
	}
	return g
}

// recall takes over what the cut's earlier batches wrote down; between cuts that is nothing.
func (g *guard) recall(halfCut string) error {
	g.judged, g.cut = halfCut != "", soFar{}
	if g.judged {
		if err := json.Unmarshal([]byte(halfCut), &g.cut); err != nil {
			return fmt.Errorf("read what a cut did so far: %w", err)
		}
	}
	if g.cut.Empties == nil {
		g.cut = soFar{Empties: map[string]int64{}, Blanked: map[string]int64{}}
	}
	return nil
}

// note writes down what the cut did so far.
func (g *guard) note() (string, error) {
	text, err := json.Marshal(g.cut)
	if err != nil {
		return "", fmt.Errorf("note what a cut did so far: %w", err)
	}
	return string(text), nil
}

// guarded reports whether the guard watches a kind. While a snapshot runs, rows are deleted by its sweep only, which
// is judged when it begins.
func guarded(k protocol.KindStatus) bool {
	return k.State == protocol.KindOK || k.State == protocol.KindSweeping
}

// checkDeletes holds the deletes of the whole cut against the limit, before its first row is written. The header
// gives an upper bound, which counts keys that the portal never had; most cuts are within the limit by it alone.
//
// Of a cut of one batch that is not, the rows that it would delete are counted. Of a cut of several batches most keys
// are still to come: the kind is read anew, and the sweep at the end of that is judged by the rows it would delete. A
// later batch finds the kind needed, or a bound that was within the limit.
func (a *applying) checkDeletes(ctx context.Context) error {
	if a.guard.judged {
		return nil
	}
	for _, d := range a.p.header.Deletes {
		k, ok := a.kinds[d.Kind]
		if !ok || !guarded(k) || !a.takes(d.Kind) {
			continue
		}
		over, err := a.overLimit(ctx, d.Kind, d.Count)
		if err == nil && over && a.p.header.Last {
			err = a.checkStored(ctx, k)
		} else if err == nil && over {
			err = a.readAnew(ctx, k, d.Count)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkStored stops a kind if the batch deletes more stored rows of it than the limit.
func (a *applying) checkStored(ctx context.Context, k protocol.KindStatus) error {
	var total int64
	for i := range a.p.sections {
		if s := &a.p.sections[i]; s.schema.Kind == k.Kind {
			n, err := a.tx.DeletedBy(ctx, s.stage)
			if err != nil {
				return err
			}
			total += n
		}
	}
	over, err := a.overLimit(ctx, k.Kind, total)
	if err != nil || !over {
		return err
	}
	return a.stop(ctx, k, store.Cause{Code: store.CauseDeletes, Rows: total})
}

// readAnew ignores the kind's rows of the cut and has the agent read it again. No person is asked before the sweep.
func (a *applying) readAnew(ctx context.Context, k protocol.KindStatus, most int64) error {
	a.w.log.InfoContext(ctx, "read anew", "tenant", a.p.task.entry.Tenant, "stream", a.p.task.entry.Stream, "kind", k.Kind,
		"cause", fmt.Sprintf("one change in the main system deletes up to %d rows", most))
	return a.move(ctx, protocol.KindStatus{Kind: k.Kind, State: protocol.KindNeeded, Held: k.Held})
}

// overLimit reports whether n rows are more than the guard lets a cut delete or blank of a kind: more than
// GuardRows, and more than GuardPercent of what the tenant has.
func (a *applying) overLimit(ctx context.Context, kind string, n int64) (bool, error) {
	if n <= a.w.cfg.GuardRows {
		return false, nil
	}
	enough := (n*100 + int64(a.w.cfg.GuardPercent) - 1) / int64(a.w.cfg.GuardPercent) // so many rows and n is within the limit
	if a.guard.atLeast[kind] >= enough {
		return false, nil
	}
	rows, err := a.tx.CountRows(ctx, kind, enough)
	if err != nil {
		return false, err
	}
	a.guard.atLeast[kind] = rows
	return rows < enough, nil
}

// stop keeps the kind as it is: its rows of the cut are ignored, it will be read anew, and the sweep at the end of
// that waits for a person. The stream goes on.
func (a *applying) stop(ctx context.Context, k protocol.KindStatus, cause store.Cause) error {
	a.tell(ctx, k.Kind, cause)
	needed := protocol.KindStatus{Kind: k.Kind, State: protocol.KindNeeded, Held: true}
	if hold, _ := a.tx.Blanks(k.Kind); hold == store.HoldBlanks {
		return a.move(ctx, needed)
	}
	return a.set(ctx, needed, cause)
}

func (a *applying) tell(ctx context.Context, kind string, cause store.Cause) {
	a.w.log.WarnContext(ctx, "delete guard", "tenant", a.p.task.entry.Tenant, "stream", a.p.task.entry.Stream, "kind", kind, "cause", cause)
	a.w.metrics.guarded.Inc()
}

// end lets the sweep begin, unless it would delete more than the limit: then it waits for a person, as does one that
// was held before. Whoever decides is told how many rows it deletes.
func (a *applying) end(ctx context.Context, k protocol.KindStatus) error {
	k.State, k.LastKey = protocol.KindSweeping, nil
	if hold, _ := a.tx.Blanks(k.Kind); hold == store.HoldBlanks {
		return a.move(ctx, k) // it is read again before anything is deleted
	}
	n, err := a.tx.CountSweep(ctx, k.Kind, k.Snapshot)
	if err != nil {
		return err
	}
	if k.Held {
		cause := a.tx.KindCause(k.Kind)
		cause.Sweep = n
		return a.set(ctx, k, cause)
	}
	over, err := a.overLimit(ctx, k.Kind, n)
	if err != nil {
		return err
	}
	if over {
		a.w.metrics.guarded.Inc()
		k.Held = true
		return a.set(ctx, k, store.Cause{Code: store.CauseGone, Rows: n, Sweep: n})
	}
	a.ended = append(a.ended, k.Kind)
	if err := a.set(ctx, k, store.Cause{}); err != nil || n > 0 {
		return err
	}
	return a.tx.SkipRows(ctx, k.Kind)
}

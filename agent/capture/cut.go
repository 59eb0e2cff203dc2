package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// hopeless is how many times the window's rows a kind's changes must be counted before reading them is
// not even tried. The count is an upper bound, so what is a little over may still fit.
const hopeless = 4

// cut reads everything that changed since the last cut, at one state of the source, and puts it into the
// window. ● A cut that does not fit the window is not sent: the largest kinds leave it and begin a
// snapshot. One that fits, but not now, waits until the window is empty. It reports whether the
// session moved; a cut without rows, begins and ends is dropped unless the checkpoint must advance.
//
// After a change of lineage (rebase) no change since an earlier position means anything: the cut covers
// nothing and only places the checkpoint, and every kind begins with it or becomes needed through it.
func (c *Capture) cut(ctx context.Context, tx source.Tx, st source.State, rebase bool) (bool, error) {
	s := c.session
	counts, err := c.count(ctx, tx, rebase)
	if err != nil {
		return false, err
	}
	for _, k := range s.kinds {
		if counts[k] > hopeless*windowBatches*int64(c.maxRows) {
			k.need()
		}
	}
	for {
		p, err := c.encodeCut(ctx, tx, st, counts, rebase)
		if err == nil {
			return c.keep(p, st, counts, rebase)
		}
		if !errors.Is(err, errNoRoom) {
			return false, err
		}
		if !s.window.empty() {
			s.drain = true
			return false, nil
		}
		largest := s.largest(p.sizes, counts)
		if largest == nil {
			return false, fmt.Errorf("read changes after %d: a cut of no kind does not fit the window", s.read)
		}
		c.log.InfoContext(ctx, "too large for a cut", "kind", largest.name(), "changes", counts[largest])
		largest.need()
	}
}

// count returns an upper bound of each covered kind's changes.
func (c *Capture) count(ctx context.Context, tx source.Tx, rebase bool) (map[*kind]int64, error) {
	s := c.session
	counts := map[*kind]int64{}
	for _, k := range s.kinds {
		if rebase || !k.covered() {
			continue
		}
		n, err := tx.CountChanges(ctx, k.name(), s.read)
		if err != nil {
			return nil, &sourceError{fmt.Errorf("count changes of %s: %w", k.name(), err)}
		}
		counts[k] = n + int64(len(k.extras))
	}
	return counts, nil
}

// largest returns the covered kind that fills most of a cut that did not fit.
func (s *session) largest(sizes map[*kind]int, counts map[*kind]int64) *kind {
	var largest *kind
	for _, k := range s.kinds {
		if !k.covered() || sizes[k] == 0 && counts[k] == 0 {
			continue
		}
		if largest == nil || counts[k] > counts[largest] || counts[k] == counts[largest] && sizes[k] > sizes[largest] {
			largest = k
		}
	}
	return largest
}

// encodeCut reads the covered kinds. ● Upserts go before deletes, so that a moved key never leaves a
// kind empty in between; parents go before children, and their deletes after.
func (c *Capture) encodeCut(ctx context.Context, tx source.Tx, st source.State, counts map[*kind]int64, rebase bool) (*packer, error) {
	s := c.session
	batches, bytes := s.window.room()
	p := c.pack(st, batches, bytes)
	if rebase {
		p.head.From = st.Position
	}
	var covered []*kind
	for _, k := range s.kinds {
		if rebase || !k.covered() {
			continue
		}
		covered = append(covered, k)
		p.head.Covers = append(p.head.Covers, k.name())
		if counts[k] == 0 {
			continue
		}
		n, err := c.countDeletes(ctx, tx, k)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			p.head.Deletes = append(p.head.Deletes, protocol.KindCount{Kind: k.name(), Count: n})
		}
	}
	for _, k := range covered {
		if counts[k] == 0 {
			continue
		}
		if err := tx.Upserts(ctx, k.name(), s.read, p.yield(ctx, k)); err != nil {
			return p, p.fault(err, "read changes of", k.name())
		}
		if err := k.extraRows(ctx, tx, false, p.yield(ctx, k)); err != nil {
			return p, p.fault(err, "read again", k.name())
		}
	}
	slices.Reverse(covered)
	for _, k := range covered {
		if counts[k] == 0 {
			continue
		}
		if err := tx.Deletes(ctx, k.name(), s.read, p.yield(ctx, k)); err != nil {
			return p, p.fault(err, "read deletes of", k.name())
		}
		if err := k.extraRows(ctx, tx, true, p.yield(ctx, k)); err != nil {
			return p, p.fault(err, "read again", k.name())
		}
	}
	return p, nil
}

// countDeletes counts a kind's deletes: the delete guard must know them with the cut's first batch.
func (c *Capture) countDeletes(ctx context.Context, tx source.Tx, k *kind) (n int64, err error) {
	count := func(*protocol.Row) error { n++; return nil }
	if err = tx.Deletes(ctx, k.name(), c.session.read, count); err == nil {
		err = k.extraRows(ctx, tx, true, count)
	}
	if err != nil {
		return 0, &sourceError{fmt.Errorf("count deletes of %s: %w", k.name(), err)}
	}
	return n, nil
}

// keep finishes a cut: ● its last batch, and only that, moves the position and carries begins and ends.
func (c *Capture) keep(p *packer, st source.State, counts map[*kind]int64, rebase bool) (bool, error) {
	s := c.session
	var ended []*kind
	for _, k := range s.kinds {
		if k.phase == ending {
			ended = append(ended, k)
			p.head.End = append(p.head.End, protocol.End{Kind: k.name(), Snapshot: k.snapshot})
		}
	}
	begun := s.toBegin()
	if begun != nil {
		p.head.Begin = []protocol.Begin{{
			Kind:     begun.name(),
			Snapshot: protocol.NewSnapshotID(s.gen, s.snapshots),
			Epoch:    st.Kinds[begun.name()].Epoch,
		}}
	}
	force := s.comparing != nil && s.comparing.stage == placing
	for _, k := range s.kinds {
		if k.covered() {
			k.extras = nil
		}
	}
	scanned := false
	for _, n := range counts {
		scanned = scanned || n > 0
	}
	if begun == nil && len(ended) == 0 && !rebase && !force && len(p.made) == 0 && p.rows == 0 && !c.mustAdvance(st, scanned) {
		return false, nil
	}
	p.head.Last = true
	if err := p.finish(); err != nil {
		return false, err
	}
	last := p.head.Seq - 1
	for _, k := range ended {
		k.phase, k.sentSeq = following, last
	}
	for _, k := range s.kinds {
		if k.phase == needed {
			k.sentSeq = last
		}
	}
	if begun != nil {
		c.status.recount(begun.name())
		begun.phase, begun.snapshot, begun.epoch = running, p.head.Begin[0].Snapshot, p.head.Begin[0].Epoch
		begun.lastKey, begun.rows = nil, 0
		s.snapshots++
	}
	now := time.Now()
	for i, k := range s.kinds {
		c.polls[i] = now.Add(c.interval(k.Kind))
	}
	s.lineage, s.read, s.lastCut = st.Lineage, st.Position, now
	s.add(p.made)
	return true, nil
}

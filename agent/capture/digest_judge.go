package capture

import (
	"context"
	"fmt"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// named goes on when every candidate has a key, but for those that the portal no longer holds. A kind that is followed
// by comparisons has its candidates sent with the next cut; a verification makes sure of them first. It reports whether
// there is more to do.
func (c *Capture) named(ctx context.Context, m *comparison) bool {
	known := m.candidates[:0]
	for _, x := range m.candidates {
		if x.key == nil {
			x.key = m.named[x.hash].key
		}
		if x.key != nil {
			known = append(known, x)
		}
	}
	m.candidates = known
	switch {
	case m.run == nil && m.tooBig:
		c.reload(ctx, m)
		return true
	case len(m.candidates) == 0:
		c.decide(m)
		return false
	case m.run == nil:
		c.send(ctx, m)
		c.end(m)
		return true
	}
	m.stage = placing
	return true
}

// send has the next cut carry the candidates, read by key: its deletes are judged like those of any cut.
func (c *Capture) send(ctx context.Context, m *comparison) {
	futile := map[uint64]uint64{}
	for _, x := range m.candidates {
		key, err := recordKey(m.k, x.key)
		if err != nil {
			c.log.WarnContext(ctx, "key of a digest is damaged", "kind", m.k.name(), "err", err)
			continue
		}
		m.k.extras = append(m.k.extras, key)
		futile[x.hash] = x.have
	}
	if m.run == nil {
		for hash, have := range m.k.futile {
			if _, again := futile[hash]; !again && len(futile) < maxCandidates {
				futile[hash] = have
			}
		}
		m.k.futile = futile
	}
}

// reload has the kind read anew: more of it differs than is worth naming. A kind that differs as much after that is not
// read again and again.
func (c *Capture) reload(ctx context.Context, m *comparison) {
	k := m.k
	c.end(m)
	if time.Since(k.reloaded) < reloadRest {
		return
	}
	c.log.InfoContext(ctx, "too much differs to name it", "kind", k.name())
	k.reloaded = time.Now()
	k.need()
}

// readCandidates reads the candidates by key, and returns what is there by the key's bytes: the portal may have named a key
// under a hash that is not the key's.
func (c *Capture) readCandidates(ctx context.Context, tx source.Tx, m *comparison) (map[string]candidate, error) {
	keys := make([][]protocol.Value, 0, len(m.candidates))
	for _, x := range m.candidates {
		key, err := recordKey(m.k, x.key)
		if err != nil {
			c.log.WarnContext(ctx, "key of a digest is damaged", "kind", m.k.name(), "err", err)
			continue
		}
		keys = append(keys, key)
	}
	now := map[string]candidate{}
	var failure error
	err := tx.ByKey(ctx, m.k.name(), keys, func(r *protocol.Row) error {
		p, keep, ok, err := c.pair(m, r)
		if failure = err; err != nil || !ok {
			return err
		}
		x := candidate{key: protocol.KeyBytes(m.k.Schema, r.Values), keep: keep, there: r.Op != protocol.Delete}
		if x.there && !keep {
			x.have = p.Row
		}
		now[string(x.key)] = x
		return nil
	})
	if failure != nil {
		return nil, failure
	}
	if err != nil {
		return nil, &sourceError{fmt.Errorf("compare %s: %w", m.k.name(), err)}
	}
	return now, nil
}

// place reads the candidates in the transaction of a cut that is sent: once it is applied, the portal is past this state.
func (c *Capture) place(ctx context.Context, tx source.Tx) {
	s := c.session
	m := s.comparing
	switch {
	case m == nil || m.stage != placing || s.drain || s.read != tx.State().Position:
		return
	case m.k.phase != following || m.k.out:
		c.giveUp(ctx, m, isReadAnew)
		return
	}
	now, err := c.readCandidates(ctx, tx, m)
	if err != nil {
		c.giveUp(ctx, m, err.Error())
		return
	}
	found := m.candidates[:0]
	for _, x := range m.candidates {
		if y, ok := now[string(x.key)]; ok {
			y.hash = x.hash
			found = append(found, y)
		}
	}
	m.candidates = found
	m.stage, m.after = waiting, s.next-1
}

// judgeCandidates reads the candidates a second time, after the portal has said what it holds of them. ● A row that was
// the same before and after, and that the portal held otherwise in between, differs. One that moved is looked at again.
func (c *Capture) judgeCandidates(ctx context.Context, tx source.Tx, m *comparison) (bool, error) {
	now, err := c.readCandidates(ctx, tx, m)
	if err != nil {
		return false, err
	}
	var differ, moved []candidate
	for _, x := range m.candidates {
		y, ok := now[string(x.key)]
		y.hash = x.hash
		has, held := m.named[x.hash]
		switch {
		case !ok || y.keep:
		case x.there != y.there || x.have != y.have || x.keep != y.keep:
			moved = append(moved, y)
		case y.there != held || y.there && has.row != y.have:
			differ = append(differ, y)
		}
	}
	m.differ = append(m.differ, differ...)
	if m.rounds++; len(moved) > 0 && m.rounds < confirmRounds {
		m.candidates, m.stage = moved, placing
		return true, nil
	}
	c.decide(m)
	return true, nil
}

// decide ends a comparison, or has the rows that differ mended and looks at them once more.
func (c *Capture) decide(m *comparison) {
	if m.mended {
		m.mended = len(m.differ) == 0
		c.end(m)
		return
	}
	m.found = int64(len(m.differ))
	switch {
	case m.run == nil, !m.run.repair, m.tooBig && m.run.before > 0, m.found == 0 && !m.tooBig:
		c.end(m)
	case m.found == 0:
		c.readAnew(m)
	default:
		m.candidates, m.differ, m.rounds, m.from = m.differ, nil, 0, 0
		m.stage = mending
	}
}

// readAnew has the kind read anew because more differs than was named. Its verification goes on when that is done: only
// then does it know whether the portal was mended.
func (c *Capture) readAnew(m *comparison) {
	m.run.before = max(1, m.found)
	c.session.comparing = nil
	m.k.need()
}

// mend goes on when the portal has forgotten the hashes that were wrong.
func (c *Capture) mend(ctx context.Context, m *comparison) {
	if m.tooBig {
		c.readAnew(m)
		return
	}
	c.send(ctx, m)
	m.mended, m.stage = true, placing
}

// extraRows yields, of the rows that comparisons have asked for, those that are there or those that are gone.
func (k *kind) extraRows(ctx context.Context, tx source.Tx, gone bool, yield func(*protocol.Row) error) error {
	if len(k.extras) == 0 {
		return nil
	}
	return tx.ByKey(ctx, k.name(), k.extras, func(r *protocol.Row) error {
		if r.Op == protocol.Keep || gone != (r.Op == protocol.Delete) {
			return nil
		}
		return yield(r)
	})
}

// compares reports whether a comparison waits for a cut.
func (s *session) compares() bool {
	if m := s.comparing; m != nil && m.stage == placing {
		return true
	}
	for _, k := range s.kinds {
		if len(k.extras) > 0 && k.covered() {
			return true
		}
	}
	return false
}

package capture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"lessor.dk/portalsync/agent/source"
)

// read does one unit of reading, in one source transaction: a cut when a snapshot begins or ends or
// something changed in a kind that is due, else the answer to rereads, else a chunk. It reports whether
// the session moved. The caller has seen that the window has room.
func (c *Capture) read(ctx context.Context, due func(order int) bool) (worked bool, err error) {
	tx, err := c.begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		if cerr := tx.Close(); err == nil && cerr != nil {
			err = &sourceError{fmt.Errorf("end the look at the main system: %w", cerr)}
		}
	}()
	defer func() { _ = c.uploads.wait() }() // documents of rows that were given up
	st := tx.State()
	rebase, err := c.judge(ctx, st)
	if err != nil {
		return false, err
	}
	c.status.clear(areaSource)
	s := c.session
	scanned := false
	if !rebase && !s.mustCut() {
		if scanned, err = c.changed(ctx, tx, st, due); err != nil {
			return false, err
		}
	}
	if rebase || s.mustCut() || scanned || c.mustAdvance(st, false) {
		worked, err = c.cut(ctx, tx, st, rebase)
	}
	if worked && err == nil {
		c.place(ctx, tx)
	}
	if !worked && err == nil && !s.drain && len(s.rereads) > 0 {
		worked, err = c.reread(ctx, tx, st)
	}
	if k := s.toLoad(); !worked && err == nil && !s.drain && k != nil {
		worked, err = c.chunk(ctx, tx, st, k)
	}
	if !worked && err == nil && !s.drain {
		worked = c.compare(ctx, tx, st)
	}
	if err == nil {
		c.leftOut(ctx, tx.Bad())
	}
	return worked, err
}

// mustCut reports whether a cut is due whatever changed: it carries a begin or an end.
func (s *session) mustCut() bool {
	for _, k := range s.kinds {
		if k.phase == ending {
			return true
		}
	}
	return s.toBegin() != nil || s.compares()
}

// changed reports whether something may have changed in a covered kind that is due.
func (c *Capture) changed(ctx context.Context, tx source.Tx, st source.State, due func(int) bool) (bool, error) {
	s := c.session
	found := false
	for i, k := range s.kinds {
		if !due(i) {
			continue
		}
		c.polls[i] = time.Now().Add(c.interval(k.Kind))
		if found || !k.covered() || st.Position == s.read {
			continue
		}
		n, err := tx.CountChanges(ctx, k.name(), s.read)
		if err != nil {
			return false, &sourceError{fmt.Errorf("count changes of %s: %w", k.name(), err)}
		}
		found = n > 0
	}
	return found, nil
}

// interval returns the time to the next look at a kind, ± 10 % so that agents spread out.
func (c *Capture) interval(k source.Kind) time.Duration {
	d := k.Poll
	if d <= 0 {
		d = c.cfg.Poll
	}
	return spread(d)
}

// spread returns a time within a tenth of d.
func spread(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// readable reports whether the next read may be done: the window has room and nothing is waited for.
func (s *session) readable() bool { return !s.drain && !s.window.full() }

// busy reports whether there is something to read beside changes.
func (s *session) busy() bool {
	return len(s.rereads) > 0 || s.mustCut() || s.toLoad() != nil || s.comparing != nil && !s.comparing.k.resting() && s.comparing.looks(s)
}

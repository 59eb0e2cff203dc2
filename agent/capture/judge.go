package capture

import (
	"context"
	"fmt"
	"time"

	"lessor.dk/portalsync/agent/source"
)

// judge holds the source's state, read in the transaction that is open, against what the session
// rests on. ● It is done in every transaction: a restore, a truncated table or expired change data
// must never go unnoticed between two reads.
//
// It returns whether the lineage changed, so that every kind must begin.
func (c *Capture) judge(ctx context.Context, st source.State) (rebase bool, err error) {
	s := c.session
	if st.Lineage != c.lost {
		c.lost = ""
	}
	rebase = st.Lineage != s.lineage
	if !rebase && st.Position < s.read {
		c.lost = st.Lineage
	}
	if c.lost != "" && st.Lineage == c.lost {
		return false, fmt.Errorf("the main system is at position %d, the portal was brought to %d: %w; "+
			"it was restored from a backup without a new lineage: set its change tracking up again, then everything is read anew",
			st.Position, s.read, errRegressed)
	}
	var drift []string
	for _, k := range s.kinds {
		now, ok := st.Kinds[k.name()]
		k.out = !ok || now.Err != nil
		if now.Err != nil {
			drift = append(drift, now.Err.Error())
		}
		k.total = now.Estimate
		switch {
		case rebase || k.out:
			k.need()
		case k.phase != needed && (now.MinValid > s.read || now.Epoch != k.epoch):
			k.need()
		}
	}
	c.drifted(ctx, drift)
	return rebase, nil
}

// advanceSoon is how long after a cut the first empty one may follow.
const advanceSoon = time.Minute

// mustAdvance reports whether a cut without rows is worth its batch. The main system's position moves
// with every transaction in any table, the planned ones or not. A checkpoint that stood still would one
// day be older than the change data that the source keeps, and an idle table would be loaded again
// for nothing. So an empty cut is sent
//
//   - after a minute, if the checkpoint stands in the older half of what the source still holds, or if
//     changes had to be read to find that none matters (scanned);
//   - after Config.Advance in any case.
//
// A main system in which nothing at all happens costs no batch.
func (c *Capture) mustAdvance(st source.State, scanned bool) bool {
	s := c.session
	if st.Position == s.read {
		return false
	}
	quiet := time.Since(s.lastCut)
	if quiet >= c.cfg.Advance {
		return true
	}
	if quiet < min(advanceSoon, c.cfg.Advance) {
		return false
	}
	for _, k := range s.kinds {
		if k.covered() && s.read-st.Kinds[k.name()].MinValid < st.Position-s.read {
			return true
		}
	}
	return scanned
}

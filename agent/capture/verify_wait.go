package capture

import "time"

// What a verification may wait for.
const (
	WaitsForPortal     = "portal"
	WaitsForMainSystem = "main system"
)

// silentFor is how long a verification tells nothing before it says what it waits for, and how often it says so.
const silentFor = 3 * time.Second

// noteWait notes whether a verification that makes no progress waits for the portal.
func (c *Capture) noteWait() {
	waits := true
	if s := c.session; s != nil {
		switch {
		case s.comparing != nil:
			waits = !s.comparing.looks(s)
		default:
			waits = s.window.full() || s.toLoad() == nil && s.known+1 != s.next
		}
	}
	c.verifier.waits.Store(waits)
}

// silent says why nothing was heard of a verification since a moment, if it is time to say so.
func (c *Capture) silent(since time.Time) (n VerifyNews, ok bool) {
	if time.Since(since) < silentFor {
		return n, false
	}
	st := c.Status()
	switch {
	case st.State == stateFailing, st.State == stateUpgrading:
		return VerifyNews{WaitsFor: WaitsForMainSystem, Since: st.Since}, true
	case c.verifier.waits.Load():
		return VerifyNews{WaitsFor: WaitsForPortal, Since: since.UnixMilli()}, true
	case len(st.Loading) > 0:
		return VerifyNews{Kind: st.Loading[0].Kind, Rows: st.Loading[0].Rows, Total: st.Loading[0].Total, Anew: true}, true
	}
	return n, false
}

// abandon ends a verification that nobody waits for, so that the next can begin.
func (c *Capture) abandon(run *verifyRun) {
	v := &c.verifier
	run.abandoned.Store(true)
	v.mu.Lock()
	if v.run == run {
		v.run = nil
	}
	v.mu.Unlock()
	v.wake()
}

// dropAbandoned ends the comparison of a verification that nobody waits for.
func (c *Capture) dropAbandoned() {
	if m := c.session.comparing; m != nil && m.run != nil && m.run.abandoned.Load() {
		c.session.comparing = nil
	}
}

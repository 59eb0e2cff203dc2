package push

import (
	"sync"
	"time"

	"lessor.dk/portalsync/protocol"
)

// sameStretch is how soon a trouble that comes back belongs to the one that was over: no call waits longer
// between two attempts.
const sameStretch = maxWait

// way knows how the way to the receiver is: which calls are in trouble now, and the last stretch of trouble.
type way struct {
	mu          sync.Mutex
	stuck       map[*call]struct{}
	last        trouble   // of the stretch; no code before the first
	since       time.Time // when its reason began
	from, until time.Time // of the stretch

	longest trouble // of the reasons before the last one
	lasted  time.Duration
}

// note tells a failed attempt. c is nil for what is no attempt. One stretch of trouble may change its reason: a
// certificate refused for hours, and a connection refused while it is mended. What the receiver itself asked for, and
// what keeps the agent from it, are two stretches.
func (w *way) note(c *call, t trouble, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	over := !w.until.IsZero() && now.Sub(w.until) > sameStretch
	switch {
	case w.last.code == "" || over || w.last.signed != t.signed:
		w.from, w.since, w.lasted = now, now, 0
	case w.last.code != t.code:
		if lasted := now.Sub(w.since); lasted > w.lasted {
			w.longest, w.lasted = w.last, lasted
		}
		w.since = now
	}
	w.last, w.until = t, time.Time{}
	if c == nil {
		return
	}
	if w.stuck == nil {
		w.stuck = map[*call]struct{}{}
	}
	w.stuck[c] = struct{}{}
}

// clear tells a signed answer to c. It reports whether that ends the trouble, which another call may still be in.
func (w *way) clear(c *call, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.stuck, c)
	if len(w.stuck) > 0 || w.last.code == "" || !w.until.IsZero() {
		return false
	}
	w.until = now
	return true
}

// leave forgets a call that ends. A trouble that it leaves behind lasts until the next signed answer.
func (w *way) leave(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.stuck, c)
}

// Trouble returns the last trouble on the way to the receiver, in the receiver's time; nil if there was none.
// Its Until is 0 while it lasts; afterwards its reason is the one that lasted longest.
func (c *Client) Trouble() *protocol.Trouble {
	return c.way.told(time.Time{}, nil, c.ClockOffset())
}

// told is the last trouble with its times moved by offset. by is a call about to be sent: whoever reads it knows
// that its own trouble is over then, at now.
func (w *way) told(now time.Time, by *call, offset time.Duration) *protocol.Trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last.code == "" {
		return nil
	}
	others := len(w.stuck)
	if _, stuck := w.stuck[by]; stuck {
		others--
	}
	until := w.until
	if until.IsZero() && others == 0 {
		until = now
	}
	why := w.last
	if w.lasted > until.Sub(w.since) && !until.IsZero() {
		why = w.longest
	}
	t := &protocol.Trouble{Code: why.code, Sentence: why.sentence, From: w.from.Add(offset).UnixMilli()}
	if !until.IsZero() {
		t.Until = until.Add(offset).UnixMilli()
	}
	return t
}

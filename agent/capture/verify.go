package capture

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lessor.dk/portalsync/protocol"
)

// ErrVerifying reports that a verification runs already.
var ErrVerifying = errors.New("a verification runs already: wait for its end")

// verifyAttempts is how often the verification of one kind is begun.
const verifyAttempts = 3

// Window is a time of day, as durations since midnight of the system's zone. To may be on the next day. The zero Window
// is no time at all.
type Window struct{ From, To time.Duration }

// length is how long the window is open; From equal to To is a whole day.
func (w Window) length() time.Duration {
	length := w.To - w.From
	if length <= 0 {
		length += 24 * time.Hour
	}
	return length
}

// next returns a moment of the window after now, at random, so that a thousand agents spread out. The zero Window has none.
func (w Window) next(now time.Time) time.Time {
	if w == (Window{}) {
		return time.Time{}
	}
	year, month, day := now.Date()
	at := time.Date(year, month, day, 0, 0, 0, 0, now.Location()).Add(w.From + rand.N(w.length()))
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}

// VerifyNews is how far a verification is, what it waits for, or the outcome of one of its kinds.
type VerifyNews struct {
	Kind     string                 `json:"kind"`                // "" while it waits
	Rows     int64                  `json:"rows"`                // read in this pass
	Total    int64                  `json:"total"`               // about; 0 unknown
	Second   bool                   `json:"second,omitempty"`    // the second pass: something differs
	Anew     bool                   `json:"anew,omitempty"`      // the kind is being sent in full
	WaitsFor string                 `json:"waits_for,omitempty"` // [WaitsForPortal] or [WaitsForMainSystem]
	Since    int64                  `json:"since,omitempty"`     // of the waiting; unix ms
	Outcome  *protocol.Verification `json:"outcome,omitempty"`   // nil while it is being verified
}

// verifyRun is one verification of all kinds. Only the owner of the session looks at kinds and attempts.
type verifyRun struct {
	repair    bool
	kinds     []string // still to verify
	attempts  int      // of the first of them
	before    int64    // differences of the first of them, before it was read anew to mend them; 0 when it was not
	news      chan VerifyNews
	abandoned atomic.Bool
}

// progressRoom is how much unread news of progress a verification keeps; outcomes have room beside it.
const progressRoom = 16

// tell passes on how far the run is, unless nobody keeps up with it. Outcomes always fit.
func (r *verifyRun) tell(n VerifyNews) {
	if n.Outcome == nil && len(r.news) >= progressRoom {
		return
	}
	r.news <- n
}

// verifier hands verifications to the owner of the session.
type verifier struct {
	mu    sync.Mutex
	run   *verifyRun
	at    time.Time     // when the next one begins by itself; zero is never
	nudge chan struct{} // wakes the owner
	waits atomic.Bool   // whatever comes next is the portal's to say
}

// wake has the owner look what there is to do.
func (v *verifier) wake() {
	select {
	case v.nudge <- struct{}{}:
	default:
	}
}

// Verify holds every planned kind of the portal against the main system and calls tell with progress and outcomes; with
// repair, rows that differ are sent again. It says so when it waits. It returns when all kinds have an outcome, or with
// ctx, and then the next may begin. It may be called from any goroutine while Run runs. One verification runs at a time:
// a second is [ErrVerifying].
func (c *Capture) Verify(ctx context.Context, repair bool, tell func(VerifyNews)) error {
	run, err := c.beginVerify(repair)
	if err != nil {
		return err
	}
	heard, silence := time.Now(), time.NewTicker(silentFor)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			c.abandon(run)
			return ctx.Err()
		case n, more := <-run.news:
			if !more {
				return nil
			}
			heard = time.Now()
			tell(n)
		case <-silence.C:
			if n, ok := c.silent(heard); ok {
				tell(n)
			}
		}
	}
}

func (c *Capture) beginVerify(repair bool) (*verifyRun, error) {
	v := &c.verifier
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.run != nil {
		return nil, ErrVerifying
	}
	v.run = &verifyRun{repair: repair, news: make(chan VerifyNews, progressRoom+len(c.planned))}
	for _, k := range c.planned {
		v.run.kinds = append(v.run.kinds, k.Record.Name)
	}
	v.wake()
	return v.run, nil
}

// verifying returns the verification that is under way, beginning the scheduled one when it is due, or nil.
func (c *Capture) verifying() *verifyRun {
	v := &c.verifier
	v.mu.Lock()
	run, due := v.run, !v.at.IsZero() && !time.Now().Before(v.at)
	if due {
		v.at = c.cfg.Verify.next(time.Now().Add(c.cfg.Verify.length())) // not twice in one night
	}
	v.mu.Unlock()
	if run == nil && due {
		run, _ = c.beginVerify(true) // one that was asked for at this very moment is taken up next
	}
	return run
}

// busy reports whether there is something to read beside changes.
func (c *Capture) busy() bool {
	return c.session.busy() || c.session.comparing == nil && c.session.known+1 == c.session.next && c.verifying() != nil
}

// nextToVerify returns the kind that the verification under way comes to next, if it can be compared now.
func (c *Capture) nextToVerify() (*kind, *verifyRun) {
	run := c.verifying()
	for run != nil && len(run.kinds) > 0 {
		i := slices.IndexFunc(c.session.kinds, func(k *kind) bool { return k.name() == run.kinds[0] })
		k := c.session.kinds[i]
		switch {
		case k.out:
			c.verified(run, protocol.Verification{Kind: k.name(), Error: "the main system cannot be read for it just now"})
		case k.resting():
			c.verified(run, protocol.Verification{Kind: k.name(), Error: "the plan has it left alone at this time of day"})
		case k.phase == suspended:
			c.verified(run, protocol.Verification{Kind: k.name(), Error: "it is suspended in the portal until a person releases it"})
		case run.before > 0 && c.session.told.state(k.name()).Held:
			c.verified(run, protocol.Verification{Kind: k.name(), Differences: run.before, AtLeast: true})
		case run.before > 0 && (k.phase != following || c.session.told.state(k.name()).State != protocol.KindOK):
			return nil, nil
		case k.phase != following:
			c.verified(run, protocol.Verification{Kind: k.name(), Error: "it is being read in full just now, which brings the portal up to date"})
		case k.sentSeq > c.session.known || len(k.extras) > 0:
			return nil, nil
		default:
			return k, run
		}
	}
	return nil, nil
}

// verified notes the outcome of the kind that a verification has come to.
func (c *Capture) verified(run *verifyRun, v protocol.Verification) {
	if v.At == 0 {
		v.At, v.Position = c.portalMillis(time.Now()), c.session.read
	}
	run.kinds, run.attempts, run.before = run.kinds[1:], 0, 0
	run.tell(VerifyNews{Kind: v.Kind, Rows: v.Rows, Total: v.Rows, Outcome: &v})
	c.outcomes = append(c.outcomes, v)
	if len(run.kinds) == 0 {
		c.endVerify(run)
	}
}

func (c *Capture) endVerify(run *verifyRun) {
	c.verifier.mu.Lock()
	defer c.verifier.mu.Unlock()
	if c.verifier.run == run { // not one that has begun since this one was abandoned
		c.verifier.run = nil
	}
	close(run.news)
}

// interrupted notes that the verification of a kind could not go on.
func (c *Capture) interrupted(run *verifyRun, why string) {
	if run.attempts++; run.attempts >= verifyAttempts {
		c.verified(run, protocol.Verification{Kind: run.kinds[0], Error: why})
	}
}

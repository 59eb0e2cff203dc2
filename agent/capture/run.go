package capture

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lessor.dk/portalsync/protocol"
)

// watchWait is the longest wait of a check-in while batches are on their way: a queue that lost them
// says nothing by itself.
const watchWait = 5 * time.Second

// idlePause bounds the pause between check-ins that come back early and bring nothing.
const idlePause = 30 * time.Second

// Run captures until ctx is cancelled, and then returns nil once nothing of it runs any more.
func (c *Capture) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &runner{
		c:       c,
		batches: make(chan batchAnswer, 1),
		checked: make(chan checkInAnswer, 1),
		polled:  make(chan struct{}, 1),
		told:    make(chan toldAnswer, 1),
	}
	defer r.wait.Wait()
	defer cancel()
	for ctx.Err() == nil {
		r.follow()
		c.noteWait()
		worked := r.turn(ctx)
		c.noteWait()
		c.status.publish(c.session)
		r.receive(ctx, worked)
	}
	return nil
}

// Retry has Run look at the main system at once instead of waiting after an error: somebody knows that what was in the way
// is gone. It may be called from any goroutine.
func (c *Capture) Retry() {
	select {
	case c.retry <- struct{}{}:
	default: // it will look anyway
	}
}

// runner is the state of Run: what is under way and when what may be tried again.
type runner struct {
	c *Capture

	session    *session           // whose requests are under way
	cancelSend context.CancelFunc // nil before the first
	cancelPoll context.CancelFunc
	cancelAsk  context.CancelFunc

	batches chan batchAnswer
	checked chan checkInAnswer
	polled  chan struct{}
	told    chan toldAnswer
	asked   *question // whose answer is on its way; nil none
	sending bool
	polling bool
	wait    sync.WaitGroup

	openAt, readAt, sendAt, pollAt, askAt     time.Time
	openTries, readTries, pollTries, askTries int

	unseen bool // it is the main system that the last OPEN was held up by
}

type batchAnswer struct {
	asking
	batch  batch
	answer protocol.BatchAnswer
	err    error
}

type checkInAnswer struct {
	asking
	wait   time.Duration // that was asked for
	since  time.Time
	answer protocol.CheckInAnswer
	err    error
}

// follow ends what is under way for a generation that was dropped, and spaces the OPENs of agents that
// drive each other out.
func (r *runner) follow() {
	if r.session == r.c.session {
		return
	}
	for _, cancel := range []context.CancelFunc{r.cancelSend, r.cancelPoll, r.cancelAsk} {
		if cancel != nil {
			cancel()
		}
	}
	if r.c.session == nil && r.session != nil && r.c.opens > 1 {
		r.openAt, r.unseen = time.Now().Add(pause(r.c.opens-2)), false
	}
	r.session = r.c.session
	r.sendAt, r.readAt, r.pollAt, r.askAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	r.readTries, r.pollTries, r.askTries = 0, 0, 0
}

// turn starts or does what can be done now. It reports whether another turn should follow at once.
func (r *runner) turn(ctx context.Context) (worked bool) {
	now := time.Now()
	if !r.polling && !now.Before(r.pollAt) {
		r.poll(ctx)
	}
	s := r.c.session
	if s == nil {
		return !now.Before(r.openAt) && r.open(ctx)
	}
	if !r.sending && s.window.next() != nil && !now.Before(r.sendAt) {
		r.send(ctx)
	}
	r.c.dropAbandoned()
	r.forgo()
	if r.asked == nil && !now.Before(r.askAt) {
		r.ask(ctx)
	}
	r.c.rest(now)
	if s.readable() && !s.idle() && !now.Before(r.readAt) {
		return r.read(ctx, now)
	}
	return false
}

func (r *runner) open(ctx context.Context) bool {
	err := r.c.open(ctx)
	if err != nil {
		r.c.failed(ctx, err)
		r.openAt, r.unseen = time.Now().Add(pauseAfter(err, r.openTries)), errors.As(err, new(*sourceError))
		r.openTries++
		return false
	}
	r.openTries = 0
	return true
}

// retry drops the wait after an error of the main system. What the portal asked to wait for stays.
func (r *runner) retry() {
	r.readAt, r.readTries = time.Time{}, 0
	if r.unseen {
		r.openAt, r.openTries = time.Time{}, 0
	}
}

// send delivers the next batch beside the owner, which reads on meanwhile.
func (r *runner) send(ctx context.Context) {
	c := r.c
	done := batchAnswer{asking: c.asking(), batch: *c.session.window.next()}
	header := c.header(done.batch)
	c.session.window.sent++
	r.sending = true
	ctx, cancel := context.WithCancel(ctx)
	r.cancelSend = cancel
	r.wait.Go(func() {
		defer cancel()
		done.answer, done.err = c.recv.Batch(ctx, header, done.batch.encoded)
		r.batches <- done
	})
}

// poll checks in beside the owner, then hands over the reports that came with the answer. The next check-in
// waits for that, so that what is delivered is not offered again.
func (r *runner) poll(ctx context.Context) {
	c := r.c
	wait := c.cfg.Wait
	if c.session != nil && !c.session.window.empty() {
		wait = min(wait, watchWait)
	}
	done := checkInAnswer{asking: c.asking(), wait: wait, since: time.Now()}
	request := c.checkIn(wait)
	r.polling = true
	asking, cancel := context.WithCancel(ctx)
	r.cancelPoll = cancel
	r.wait.Go(func() {
		defer cancel()
		done.answer, done.err = c.recv.CheckIn(asking, request)
		reports := done.answer.Reports
		r.checked <- done
		if done.err == nil && len(reports) > 0 && c.cfg.Reports != nil {
			c.cfg.Reports(ctx, reports)
		}
		r.polled <- struct{}{}
	})
}

// read looks at the main system if something is due. It reports whether the session moved.
func (r *runner) read(ctx context.Context, now time.Time) bool {
	c := r.c
	due := func(i int) bool { return !now.Before(c.polls[i]) }
	if busy := c.busy(); !busy && now.Before(c.nextPoll()) {
		return false
	}
	comparing := c.session.comparing != nil
	worked, err := c.read(ctx, due)
	comparing = comparing || c.session != nil && c.session.comparing != nil
	switch {
	case err != nil:
		c.failed(ctx, err)
		r.readAt = time.Now().Add(pauseAfter(err, r.readTries))
		r.readTries++
	case !worked && c.busy() && c.session.readable():
		r.readAt = time.Now().Add(shortestPause)
	case comparing: // nobody waits for a comparison: the main system has half of the time to itself
		r.readAt = time.Now().Add(time.Since(now))
	default:
		r.readTries = 0
	}
	return worked
}

// nextPoll returns when the next kind is due.
func (c *Capture) nextPoll() time.Time {
	next := time.Now().Add(c.cfg.Poll)
	for _, at := range c.polls {
		if at.Before(next) {
			next = at
		}
	}
	return next
}

// receive takes the answers that are here. It waits for one until the next thing is due, unless hurry.
func (r *runner) receive(ctx context.Context, hurry bool) {
	var wait time.Duration
	switch {
	case r.here():
		wait = time.Hour // what is here goes before what is due: the next batch must not wait for another read
	case !hurry:
		wait = max(0, time.Until(r.due()))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for first := true; first || r.here(); first = false {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case b := <-r.batches:
			r.sending = false
			r.sendAt = time.Now().Add(r.c.sent(ctx, b.asking, b.batch, b.answer, b.err))
		case a := <-r.checked:
			r.pollAt = time.Now().Add(r.heard(ctx, a))
		case <-r.polled:
			select {
			case a := <-r.checked: // came first, and was passed over by chance
				r.pollAt = time.Now().Add(r.heard(ctx, a))
			default:
			}
			r.polling = false
		case t := <-r.told:
			r.answered(ctx, t)
		case <-r.c.verifier.nudge:
		case <-r.c.retry:
			r.retry()
		}
	}
}

// here reports whether an answer waits to be taken.
func (r *runner) here() bool {
	return len(r.batches)+len(r.checked)+len(r.polled)+len(r.told) > 0
}

// due returns when a turn is worth doing although no answer came.
func (r *runner) due() time.Time {
	next := time.Now().Add(time.Hour)
	earlier := func(at time.Time) {
		if at.Before(next) {
			next = at
		}
	}
	if !r.polling {
		earlier(r.pollAt)
	}
	s := r.c.session
	if s == nil {
		earlier(r.openAt)
		return next
	}
	if !r.sending && s.window.next() != nil {
		earlier(r.sendAt)
	}
	if r.asked == nil && r.c.ask() != nil {
		earlier(r.askAt)
	}
	switch {
	case s.idle():
		earlier(s.wakes())
	case s.readable():
		at := r.c.nextPoll()
		if r.c.busy() {
			at = time.Now()
		}
		if at.Before(r.readAt) {
			at = r.readAt
		}
		earlier(at)
	}
	return next
}

// heard takes the answer to a check-in and returns how long to wait before the next one.
func (r *runner) heard(ctx context.Context, a checkInAnswer) time.Duration {
	c := r.c
	if a.session != c.session {
		return 0
	}
	if a.err != nil {
		c.failed(ctx, fmt.Errorf("check in: %w", a.err))
		if errors.Is(a.err, &protocol.Reject{Code: protocol.CodeReopen}) {
			c.close(ctx, string(protocol.CodeReopen))
		}
		r.pollTries++
		return pauseAfter(a.err, r.pollTries-1)
	}
	news := c.checkedIn(ctx, a.asking, a.answer)
	if news || time.Since(a.since) > a.wait/2 {
		r.pollTries = 0
		return 0
	}
	r.pollTries++
	return min(pause(r.pollTries-1), idlePause)
}

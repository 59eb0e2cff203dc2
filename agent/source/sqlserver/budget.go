package sqlserver

import (
	"context"
	"sync"
	"time"
)

// budget keeps the time that reads take of the database within so much a minute. Time is counted from our side, from a
// request to its last row, which is never less than what the server worked. A read is not broken off; one that took
// longer is paid for by waiting before the next.
type budget struct {
	perMinute time.Duration

	mu    sync.Mutex
	left  time.Duration // what may still be taken; negative after a long read
	at    time.Time     // when left was computed
	spent time.Duration // since the source was opened
	waits time.Duration // since the source was opened
}

func newBudget(perMinute time.Duration) *budget {
	return &budget{perMinute: perMinute, left: perMinute, at: time.Now()}
}

// refill adds what the time since the last look allows. The lock is held.
func (b *budget) refill(now time.Time) {
	earned := time.Duration(float64(b.perMinute) * now.Sub(b.at).Minutes())
	b.left, b.at = min(b.left+earned, b.perMinute), now
}

// wait returns when something is left of the budget, or the context's error.
func (b *budget) wait(ctx context.Context) error {
	if b.perMinute == 0 {
		return nil
	}
	b.mu.Lock()
	b.refill(time.Now())
	need := -b.left
	b.mu.Unlock()
	if need < 0 {
		return nil
	}
	pause := time.Duration(float64(need)/float64(b.perMinute)*float64(time.Minute)) + time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	b.mu.Lock()
	b.waits += pause
	b.mu.Unlock()
	return nil
}

// spend takes the time since began from the budget.
func (b *budget) spend(began time.Time) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent += now.Sub(began)
	if b.perMinute > 0 {
		b.refill(now)
		b.left -= now.Sub(began)
	}
}

// Load tells what the reads cost the database since the source was opened.
type Load struct {
	Spent  time.Duration // from requests to their last row
	Waited time.Duration // for the budget
	Budget time.Duration // per minute; 0 is no limit
}

// Load returns the cost of reading so far.
func (s *Source) Load() Load {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return Load{Spent: s.budget.spent, Waited: s.budget.waits, Budget: s.budget.perMinute}
}

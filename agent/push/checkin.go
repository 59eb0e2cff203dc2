package push

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"lessor.dk/portalsync/protocol"
)

const (
	cutsToPoll  = 2                // waits cut short in a row that end long polling
	cutAfter    = 3 * time.Second  // an attempt that failed sooner was not cut, it failed
	shortestGap = 30 * time.Second // between polls that do not wait; at most twice that
	probeAfter  = 24 * time.Hour   // when waiting is tried again
)

// longPolls knows whether something on the way kills requests that wait.
type longPolls struct {
	mu    sync.Mutex
	cuts  int
	until time.Time // no waiting until then
}

func (l *longPolls) allowed(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !now.Before(l.until)
}

// kept notes a wait that ended in a signed answer.
func (l *longPolls) kept() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts = 0
}

// cut notes a wait that was cut short. After a day's pause a single cut is enough.
func (l *longPolls) cut(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cuts++; l.cuts >= cutsToPoll {
		l.cuts, l.until = cutsToPoll-1, now.Add(probeAfter)
	}
}

// CheckIn tells how the agent is and asks what is new; the receiver may wait r.WaitMillis for news.
// Where waits are cut short on the way, the agent waits 30 to 60 s on its own side instead and
// tries again after a day. Every attempt says anew what was wrong on the way, so that the one that gets
// through tells what kept the others; the instants of r.Status become the receiver's time.
func (c *Client) CheckIn(ctx context.Context, r protocol.CheckInRequest) (protocol.CheckInAnswer, error) {
	var a protocol.CheckInAnswer
	send := &call{
		client: c, method: http.MethodPost, path: protocol.PathCheckIn, media: protocol.MediaJSON,
		wait: time.Duration(r.WaitMillis) * time.Millisecond,
	}
	send.compose = func(wait time.Duration) ([]byte, error) {
		now := r
		now.WaitMillis, now.Status = wait.Milliseconds(), send.told(r.Status)
		body, err := json.Marshal(now)
		if err != nil {
			return nil, fmt.Errorf("encode check-in: %w", err)
		}
		return body, nil
	}
	if send.wait > 0 && !c.longPolls.allowed(c.cfg.Now()) {
		if err := pause(ctx, shortestGap+rand.N(shortestGap)); err != nil {
			return a, fmt.Errorf("check in: %w", err)
		}
		send.wait = 0
	}
	var err error
	if send.body, err = send.compose(send.wait); err != nil {
		return a, err
	}
	if err := send.do(ctx, &a); err != nil {
		return protocol.CheckInAnswer{}, err
	}
	c.renew(ctx, a.Keyset)
	return a, nil
}

// told is a status with what only the way knows: its last trouble, and the receiver's time.
func (c *call) told(s protocol.AgentStatus) protocol.AgentStatus {
	offset := c.client.ClockOffset()
	s.LastTrouble, s.ClockOff = c.client.way.told(c.client.cfg.Now(), c, offset), offset.Milliseconds()
	for _, at := range []*int64{&s.Since, &s.SourceAt, &s.Unsent} {
		if *at != 0 {
			*at += s.ClockOff
		}
	}
	if s.ReportsWait != nil {
		wait := *s.ReportsWait
		wait.Since += s.ClockOff
		s.ReportsWait = &wait
	}
	return s
}

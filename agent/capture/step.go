package capture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

// Step does the next unit of work at once and returns when it is done: OPEN, one batch sent, one cut or
// chunk read, or one check-in that does not wait. It knows neither poll intervals nor back-off: those are
// Run's. It reports whether anything moved; a Capture whose steps move nothing has nothing to do until
// the main system or the portal changes. Step and Run must not be called together.
func (c *Capture) Step(ctx context.Context) (worked bool, err error) {
	defer func() {
		if err != nil {
			c.failed(ctx, err)
		}
		c.status.publish(c.session)
	}()
	c.stepping = true
	s := c.session
	if s == nil {
		err := c.open(ctx)
		return err == nil, err
	}
	if b := s.window.next(); b != nil {
		return c.stepSend(ctx, *b)
	}
	if q := c.ask(); q != nil {
		a, err := c.answer(ctx, q)
		c.answered(ctx, s, q, a, err)
		if q.verified != nil {
			return err == nil, err
		}
		return true, nil
	}
	if s.readable() {
		worked, err := c.read(ctx, func(int) bool { return true })
		if worked || err != nil {
			return worked, err
		}
	}
	return c.stepCheckIn(ctx)
}

func (c *Capture) stepSend(ctx context.Context, b batch) (bool, error) {
	q := c.asking()
	c.session.window.sent++
	a, err := c.recv.Batch(ctx, c.header(b), b.encoded)
	c.sent(ctx, q, b, a, err)
	var reject *protocol.Reject
	if err != nil && !errors.As(err, &reject) {
		return false, err
	}
	return true, nil
}

func (c *Capture) stepCheckIn(ctx context.Context) (bool, error) {
	q := c.asking()
	a, err := c.recv.CheckIn(ctx, c.checkIn(0))
	if err != nil {
		return false, fmt.Errorf("check in: %w", err)
	}
	news := c.checkedIn(ctx, q, a)
	if len(a.Reports) > 0 && c.cfg.Reports != nil {
		c.cfg.Reports(ctx, a.Reports)
	}
	return news, nil
}

func (c *Capture) header(b batch) protocol.StreamHeader {
	return protocol.StreamHeader{Tenant: c.cfg.Tenant, Stream: c.cfg.Stream, Gen: c.session.gen, Seq: b.seq}
}

// checkIn returns a check-in that waits so long for news.
func (c *Capture) checkIn(wait time.Duration) protocol.CheckInRequest {
	r := protocol.CheckInRequest{Stream: c.cfg.Stream, WaitMillis: wait.Milliseconds(), Status: c.Status()}
	if s := c.session; s != nil {
		r.Gen, r.AppliedSeq, r.KindsHash = s.gen, s.known, protocol.HashKinds(s.told.kinds)
	}
	return r
}

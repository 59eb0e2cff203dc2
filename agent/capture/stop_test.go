package capture_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// unhurried is a main system that takes its time to begin a read.
type unhurried struct{ *mainSystem }

func (m unhurried) Begin(ctx context.Context) (source.Tx, error) {
	<-time.After(time.Second)
	return m.mainSystem.Begin(ctx)
}

// curt is a portal that answers the first check-in at once, and has the capture stopped when it is asked again.
type curt struct {
	*portal

	asked bool
	stop  context.CancelFunc
}

func (p *curt) CheckIn(ctx context.Context, _ protocol.CheckInRequest) (protocol.CheckInAnswer, error) {
	if !p.asked {
		p.asked = true
		return protocol.CheckInAnswer{}, nil
	}
	p.stop()
	return protocol.CheckInAnswer{}, ctx.Err()
}

// ● The answer of a check-in is heard before the next one is asked for: two answers that nobody hears any more
// would keep a capture that was told to stop from ending. What is ready first is up to chance, hence the rounds.
func TestACaptureToldToStopEndsWhateverIsOnItsWay(t *testing.T) {
	for range 64 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, "department")
			b.src.put("department", "Løn", "D1")
			ctx, stop := context.WithCancel(t.Context())
			c := capture.New(unhurried{b.src}, &curt{portal: b.to, stop: stop}, capture.Config{Tenant: tenant, Stream: stream})
			if err := c.Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
}

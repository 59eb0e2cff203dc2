package capture_test

import (
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/agent/capture"
)

// On a computer whose clock is an hour fast, data is as old as it is by the receiver's clock. The status stays in the
// computer's own time: whoever sends it corrects all of it.
func TestDataIsDatedByTheReceiversClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department")
		b.c = capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream,
			ClockOffset: func() time.Duration { return -time.Hour }})
		b.src.put("department", "Løn", "D1")
		b.settle()
		for _, h := range b.to.headers {
			if want := time.Now().Add(-time.Hour).UnixMilli(); h.CapturedAt != want {
				t.Errorf("batch %d is dated %d, want %d", h.Seq, h.CapturedAt, want)
			}
		}
		b.src.put("department", "Bogholderi", "D2")
		b.step(1)
		if got := b.c.Status().Unsent; got != time.Now().UnixMilli() {
			t.Errorf("unsent since %d, want %d", got, time.Now().UnixMilli())
		}
	})
}

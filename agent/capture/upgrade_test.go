package capture_test

import (
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
)

func TestAnUpgradeIsToldSinceItsBeginAndWaitedFor(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		b.src.put("employee", "Astrid", "E1")
		b.pass(time.Minute)
		begun := time.Now().Add(-20 * time.Minute)
		b.src.mu.Lock()
		b.src.err = &source.UpgradeError{Begun: begun}
		b.src.mu.Unlock()
		b.pass(3 * time.Hour)
		if s := b.c.Status(); s.State != "upgrading" || s.Code != "upgrade" || s.Since != begun.UnixMilli() {
			t.Errorf("status = %+v, want an upgrade since %d", s, begun.UnixMilli())
		}
		if last := b.to.checkIns[len(b.to.checkIns)-1]; last.Status.State != "upgrading" {
			t.Errorf("the portal was told %+v", last.Status)
		}
		b.src.mu.Lock()
		b.src.err = nil
		b.src.mu.Unlock()
		b.src.put("employee", "Birgit", "E2")
		b.pass(6 * time.Minute)
		b.equal()
		if s := b.c.Status(); s.State != "following" || s.Code != "" {
			t.Errorf("status = %+v", s)
		}
	})
}

func TestWhoeverEndedAnUpgradeNeedNotWait(t *testing.T) {
	tests := map[string]struct{ before time.Duration }{
		"a stream that is open reads on":             {time.Minute},
		"a stream that never was is opened and read": {0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "department", "employee")
				b.src.put("employee", "Aase", "E1")
				b.c = capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream})
				upgrade := func(err error) {
					b.src.mu.Lock()
					defer b.src.mu.Unlock()
					b.src.err = err
				}
				if tt.before == 0 {
					upgrade(&source.UpgradeError{Begun: time.Now()})
				}
				stop := b.running()
				defer stop()
				b.pass(tt.before)
				upgrade(&source.UpgradeError{Begun: time.Now()})
				b.pass(3 * time.Hour)
				upgrade(nil)
				b.src.put("employee", "Birgit", "E2")
				b.c.Retry()
				b.c.Retry() // said twice is said once
				b.pass(3 * time.Second)
				b.equal()
				if s := b.c.Status(); s.State != "following" || s.Code != "" {
					t.Errorf("status = %+v", s)
				}
			})
		})
	}
}

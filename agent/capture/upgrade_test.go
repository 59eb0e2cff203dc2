package capture_test

import (
	"testing"
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

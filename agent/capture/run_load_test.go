package capture_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/protocol"
)

// The portal still calls a kind needed while the cut that begins it is on its way: no reason to wait.
func TestALoadDoesNotWaitForItsBeginToBeApplied(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		b.to.with(func() { b.to.lazy = true })
		b.src.put("employee", "Birgit", keysOf(40_000)...)
		b.src.truncate("department") // the check-in after this answers that department is still ok
		b.pass(30 * time.Second)
		if got := len(b.to.queue); got != 4 {
			t.Errorf("batches on their way = %d, want a full window", got)
		}
	})
}

// late is a portal whose check-ins take their time on the way back.
type late struct {
	*portal
	wait time.Duration
}

func (p *late) CheckIn(ctx context.Context, r protocol.CheckInRequest) (protocol.CheckInAnswer, error) {
	a, err := p.portal.CheckIn(ctx, r)
	<-time.After(p.wait)
	return a, err
}

// An answer that is older than a batch's acceptance says nothing of that batch.
func TestALateAnswerIsNotAStallAndNotARegress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department")
		b.src.put("department", "Løn", "D1")
		b.c = capture.New(b.src, &late{portal: b.to, wait: 3 * time.Second}, capture.Config{Tenant: tenant, Stream: stream, Wait: time.Second})
		defer b.running()()
		for i := range 100 {
			b.src.put("department", fmt.Sprint(i), "D1", "D2")
			b.pass(500 * time.Millisecond)
			b.to.with(func() { b.to.lazy = i%4 != 0 })
			if i%4 == 0 {
				b.to.apply()
			}
		}
		b.to.with(func() { b.to.lazy = false })
		b.to.apply()
		b.pass(time.Minute)
		b.equal()
		if got := len(b.to.opens); got != 1 {
			t.Errorf("opens = %d, want 1", got)
		}
	})
}

// ● An answer that a begin has overtaken says that the kind is still ok: it is neither adopted nor a regress.
func TestALateAnswerSaysNothingOfANewSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department")
		b.src.put("department", "Løn", "D1")
		b.c = capture.New(b.src, &late{portal: b.to, wait: 3 * time.Second}, capture.Config{Tenant: tenant, Stream: stream, Wait: time.Second, BatchRows: 100})
		defer b.running()()
		b.pass(10 * time.Second)
		b.src.read = func(string) { <-time.After(200 * time.Millisecond) }
		for i := range 8 {
			b.src.truncate("department")
			b.src.put("department", fmt.Sprint(i), keysOf(3000)...)
			b.pass(20*time.Second + time.Duration(i)*700*time.Millisecond)
		}
		b.equal()
		if opens, begins := len(b.to.opens), len(b.begins("department")); opens != 1 || begins != 9 {
			t.Errorf("opens = %d, snapshots = %d, want 1 and 9", opens, begins)
		}
	})
}

// ● Chunks never move the position: what changes behind the cursor between two looks comes with the next cut.
func TestRowsChangeBehindTheCursorOfALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "employee")
		b.src.put("employee", "Aase", keysOf(50_000)...)
		n := 0
		b.src.read = func(string) {
			<-time.After(100 * time.Millisecond)
			b.src.put("employee", fmt.Sprint(n), "K00001", "K25000", "K49999")
			b.src.remove("employee", fmt.Sprintf("K%05d", n))
			n++
		}
		b.restart()
		defer b.running()()
		b.pass(10 * time.Second)
		b.equal()
	})
}

// slowPortal takes its time to answer a batch.
type slowPortal struct {
	*portal
	wait time.Duration
}

func (p *slowPortal) Batch(ctx context.Context, h protocol.StreamHeader, encoded []byte) (protocol.BatchAnswer, error) {
	<-time.After(p.wait)
	return p.portal.Batch(ctx, h, encoded)
}

// Reading the next batch overlaps with sending the last: a load takes as long as the slower of the two.
func TestReadingOverlapsSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "employee")
		b.src.put("employee", "Aase", keysOf(50_000)...)
		b.src.read = func(string) { <-time.After(time.Second) }
		b.c = capture.New(b.src, &slowPortal{portal: b.to, wait: 900 * time.Millisecond}, capture.Config{Tenant: tenant, Stream: stream})
		begun := time.Now()
		defer b.running()()
		for b.to.state("employee") != protocol.KindOK {
			b.pass(100 * time.Millisecond)
		}
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("ten chunks of 1 s reading and 0.9 s sending took %v, want about 12 s", took)
		}
		b.equal()
	})
}

// Reports are handed over once per offer, and an offer that stays is not asked for in a circle.
func TestReportsAreHandedOver(t *testing.T) {
	var mu sync.Mutex
	var got []protocol.ReportID
	cfg := capture.Config{Reports: func(_ context.Context, reports []protocol.SealedReport) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range reports {
			got = append(got, r.ID)
		}
	}}
	inBubble(t, cfg, func(b *bench) {
		t := b.t
		b.to.with(func() { b.to.reports = []protocol.SealedReport{{ID: "r1"}} })
		b.pass(time.Second)
		mu.Lock()
		if len(got) == 0 || got[0] != "r1" {
			t.Errorf("reports = %v, want r1 at once", got)
		}
		mu.Unlock()
		b.pass(10 * time.Minute)
		mu.Lock()
		if len(got) > 60 {
			t.Errorf("an unacknowledged report was offered %d times in ten minutes", len(got))
		}
		mu.Unlock()
	})
}

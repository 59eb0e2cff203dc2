package capture_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// running runs the bench's capture inside a bubble until the returned function is called.
func (b *bench) running() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := b.c.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// pass lets time pass and everything settle.
func pass(d time.Duration) {
	<-time.After(d) // of the bubble's clock
	synctest.Wait()
}

// inBubble runs f with a bench of a department and an employee whose capture runs.
func inBubble(t *testing.T, cfg capture.Config, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department", "employee")
		b.src.put("department", "Løn", "D1")
		b.src.put("employee", "Aase", "E1")
		cfg.Tenant, cfg.Stream = tenant, stream
		b.c = capture.New(b.src, b.to, cfg)
		stop := b.running()
		defer stop()
		pass(10 * time.Second)
		b.equal()
		f(b)
	})
}

func TestRunFollows(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		b.src.put("employee", "Birgit", "E1", "E2")
		pass(3 * time.Second)
		b.equal()
		if s := b.c.Status(); s.State != "following" || s.BatchesOut != 0 || s.Unsent != 0 {
			t.Errorf("status = %+v", s)
		}
	})
}

func TestRunLooksAtEachKindWhenItIsDue(t *testing.T) {
	tests := map[string]struct {
		poll time.Duration // of the setting
		plan time.Duration // of both kinds in the plan
		want int           // looks in five minutes, ± 10 %
	}{
		"by default every two seconds": {want: 150},
		"as often as the setting says": {poll: 10 * time.Second, want: 30},
		"as often as the plan says":    {plan: 30 * time.Second, want: 10},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "department")
				b.src.planned[0].Poll = tt.plan
				b.c = capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream, Poll: tt.poll})
				defer b.running()()
				pass(time.Minute)
				before := len(b.src.begins)
				pass(5 * time.Minute)
				got := len(b.src.begins) - before
				if got < tt.want*9/10-1 || got > tt.want*11/10+1 {
					t.Errorf("looks = %d, want about %d", got, tt.want)
				}
				var gaps []time.Duration
				for i := before + 1; i < len(b.src.begins); i++ {
					gaps = append(gaps, b.src.begins[i].Sub(b.src.begins[i-1]))
				}
				if slices.Min(gaps) == slices.Max(gaps) {
					t.Error("the looks come like clockwork: agents would not spread out")
				}
			})
		})
	}
}

func TestAKindIsFollowedAtItsOwnPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department", "employee")
		b.src.planned[0].Poll, b.src.planned[1].Poll = time.Minute, time.Second
		b.restart()
		defer b.running()()
		pass(10 * time.Second)
		b.src.put("employee", "Birgit", "E1")
		pass(1200 * time.Millisecond)
		if got := b.to.names("employee")["E1"]; got != "Birgit" {
			t.Error("the change of the fast kind waits")
		}
		pass(time.Minute)
		b.src.put("department", "Løn", "D1")
		pass(67 * time.Second)
		b.equal()
	})
}

func TestAChangeIsPushedWithinOnePoll(t *testing.T) {
	inBubble(t, capture.Config{Poll: time.Second}, func(b *bench) {
		t := b.t
		for i := range 20 {
			b.src.put("employee", fmt.Sprint(i), "E1")
			committed := time.Now()
			n := len(b.to.arrived)
			pass(1500 * time.Millisecond)
			if len(b.to.arrived) == n {
				t.Fatal("the change was not pushed")
			}
			if lag := b.to.arrived[n].Sub(committed); lag > 1100*time.Millisecond {
				t.Errorf("pushed after %v, want at most a poll and its jitter", lag)
			}
		}
	})
}

func TestIdleRunSendsNoBatchAndFewCheckIns(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		batches, checkIns := len(b.to.headers), len(b.to.checkIns)
		pass(time.Hour)
		if got := len(b.to.headers) - batches; got != 0 {
			t.Errorf("batches = %d in an idle hour, want none", got)
		}
		if got := len(b.to.checkIns) - checkIns; got > 145 {
			t.Errorf("check-ins = %d in an idle hour, want at most one per 25 s", got)
		}
	})
}

// An idle stream keeps its validity although other tables move the position and change data expires.
func TestAnIdleStreamNeverExpires(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		batches := len(b.to.headers)
		for range 48 { // two days; the source keeps an hour
			kept := b.src.position
			for range 12 {
				b.src.elsewhere(100)
				pass(5 * time.Minute)
			}
			b.src.kinds["employee"].minValid, b.src.kinds["department"].minValid = kept, kept
		}
		pass(time.Minute)
		b.equal()
		if got := len(b.begins("employee")) + len(b.begins("department")); got != 2 {
			t.Errorf("snapshots = %d, want the two first loads", got)
		}
		if got := len(b.to.headers) - batches; got > 48*12 {
			t.Errorf("empty cuts = %d in two days, want at most one per five minutes", got)
		}
	})
}

func TestAnIdleStreamAdvancesAtMostOnceAMinute(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		b.src.countless = true // every look finds changes that do not matter
		batches := len(b.to.headers)
		for range 600 {
			b.src.elsewhere(1)
			pass(time.Second)
		}
		if got := len(b.to.headers) - batches; got < 8 || got > 10 {
			t.Errorf("empty cuts = %d in ten minutes, want one a minute", got)
		}
	})
}

// ● Stall, noticed by the check-ins alone.
func TestRunNoticesThatTheQueueLostABatch(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		b.to.with(func() { b.to.lazy = true })
		b.src.put("employee", "Birgit", "E2")
		pass(3 * time.Second)
		b.to.with(func() { b.to.queueGen, b.to.enqueued, b.to.queue, b.to.lazy = 0, 0, nil, false })
		pass(35 * time.Second)
		b.equal()
	})
}

// ● Also after ten minutes in any case: the receiver says that something waits, and is wrong.
func TestRunOpensAfterTenMinutesWithoutProgress(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		opens := len(b.to.opens)
		b.to.with(func() {
			b.to.onAnswer = func(protocol.StreamHeader) error { b.to.queue = nil; return nil }
			b.to.lazy = true
			b.to.onCheckIn = func(a *protocol.CheckInAnswer) error { a.Queued = 1; return nil }
		})
		b.src.put("employee", "Birgit", "E2")
		pass(9 * time.Minute)
		if got := len(b.to.opens); got != opens {
			t.Fatalf("opens = %d, want %d before ten minutes", got, opens)
		}
		b.to.with(func() { b.to.lazy, b.to.onAnswer = false, nil })
		pass(2 * time.Minute)
		b.equal()
		if got := len(b.to.opens); got != opens+1 {
			t.Errorf("opens = %d, want %d", got, opens+1)
		}
	})
}

// Two agents with one key drive each other out: they must not do so as fast as they can.
func TestTwoAgentsWithOneKeySlowDown(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		opens := len(b.to.opens)
		other := &bench{t: t, src: b.src, to: b.to, c: capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream})}
		stop := other.running()
		pass(30 * time.Minute)
		if got := len(b.to.opens) - opens; got < 4 || got > 80 {
			t.Errorf("opens = %d in half an hour, want few but not none", got)
		}
		stop()
		b.src.put("employee", "Birgit", "E2")
		pass(6 * time.Minute)
		b.equal()
	})
}

func TestASuspendedAgentAsksNowAndThen(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		refusal := &protocol.Reject{Code: protocol.CodeSuspended, Detail: "the agent is suspended"}
		b.to.with(func() {
			b.to.onBatch = func(protocol.StreamHeader) error { return refusal }
			b.to.onOpen = func() error { return refusal }
		})
		b.src.put("employee", "Birgit", "E2")
		opens := len(b.to.opens)
		pass(10 * time.Minute)
		if got := len(b.to.opens) - opens; got < 5 || got > 25 {
			t.Errorf("opens = %d in ten minutes, want one every 30 to 60 s", got)
		}
		if s := b.c.Status(); s.State != "waiting" || s.Code != "suspended" {
			t.Errorf("status = %+v", s)
		}
		b.to.with(func() { b.to.onBatch, b.to.onOpen = nil, nil })
		pass(2 * time.Minute)
		b.equal()
		if s := b.c.Status(); s.State != "following" || s.Code != "" {
			t.Errorf("status = %+v", s)
		}
	})
}

func TestAnUnreachableMainSystemIsToldAndWaitedFor(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		b.src.mu.Lock()
		b.src.err = fmt.Errorf("open payroll.db: %w", source.ErrGone)
		b.src.mu.Unlock()
		pass(time.Hour)
		if s := b.c.Status(); s.State != "failing" || s.Code != "source-gone" || time.Since(time.UnixMilli(s.Since)) < 50*time.Minute {
			t.Errorf("status = %+v", s)
		}
		last := b.to.checkIns[len(b.to.checkIns)-1]
		if last.Status.Code != "source-gone" {
			t.Errorf("the portal was told %+v", last.Status)
		}
		b.src.mu.Lock()
		b.src.err = nil
		b.src.mu.Unlock()
		b.src.put("employee", "Birgit", "E2")
		pass(6 * time.Minute)
		b.equal()
	})
}

// A stream of changes that never pauses must not keep a suspended kind in the cuts, although something of
// ours is always on its way.
func TestAKindIsSuspendedUnderConstantChange(t *testing.T) {
	inBubble(t, capture.Config{Poll: 10 * time.Millisecond}, func(b *bench) {
		t := b.t
		b.to.with(func() {
			b.to.lazy = true
			b.to.kinds["employee"].status = protocol.KindStatus{Kind: "employee", State: protocol.KindSuspended}
		})
		for range 200 {
			b.src.put("department", "Bogholderi", "D2")
			pass(12 * time.Millisecond)
			b.to.with(func() { b.to.applyFirst() })
		}
		if last := b.to.headers[len(b.to.headers)-1]; slices.Contains(last.Covers, "employee") {
			t.Errorf("the last cut covers %v", last.Covers)
		}
	})
}

// The portal still calls a kind needed while the cut that begins it is on its way: no reason to wait.
func TestALoadDoesNotWaitForItsBeginToBeApplied(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		b.to.with(func() { b.to.lazy = true })
		b.src.put("employee", "Birgit", keysOf(40_000)...)
		b.src.truncate("department") // the check-in after this answers that department is still ok
		pass(30 * time.Second)
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
			pass(500 * time.Millisecond)
			b.to.with(func() { b.to.lazy = i%4 != 0 })
			if i%4 == 0 {
				b.to.apply()
			}
		}
		b.to.with(func() { b.to.lazy = false })
		b.to.apply()
		pass(time.Minute)
		b.equal()
		if got := len(b.to.opens); got != 1 {
			t.Errorf("opens = %d, want 1", got)
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
		pass(10 * time.Second)
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
		b.c = capture.New(b.src, &slowPortal{portal: b.to, wait: time.Second}, capture.Config{Tenant: tenant, Stream: stream})
		begun := time.Now()
		defer b.running()()
		for b.to.kinds["employee"] == nil || b.to.state("employee") != protocol.KindOK {
			pass(100 * time.Millisecond)
		}
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("ten chunks of 1 s reading and 1 s sending took %v, want about 12 s", took)
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
		pass(time.Second)
		mu.Lock()
		if len(got) == 0 || got[0] != "r1" {
			t.Errorf("reports = %v, want r1 at once", got)
		}
		mu.Unlock()
		pass(10 * time.Minute)
		mu.Lock()
		if len(got) > 60 {
			t.Errorf("an unacknowledged report was offered %d times in ten minutes", len(got))
		}
		mu.Unlock()
	})
}

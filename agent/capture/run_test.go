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

// pass lets time pass and everything settle. The locks order what the test did before it with what the capture
// does during it.
func (b *bench) pass(d time.Duration) {
	for _, mu := range []*sync.Mutex{&b.src.mu, &b.to.mu} {
		mu.Lock()
		mu.Unlock() //nolint:staticcheck // the order is all that is wanted
	}
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
		b.pass(10 * time.Second)
		b.equal()
		f(b)
	})
}

func TestRunFollows(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		b.src.put("employee", "Birgit", "E1", "E2")
		b.pass(3 * time.Second)
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
				b.pass(time.Minute)
				before := len(b.src.begins)
				b.pass(5 * time.Minute)
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
		b.pass(10 * time.Second)
		b.src.put("employee", "Birgit", "E1")
		b.pass(1200 * time.Millisecond)
		if got := b.to.names("employee")["E1"]; got != "Birgit" {
			t.Error("the change of the fast kind waits")
		}
		b.pass(time.Minute)
		b.src.put("department", "Løn", "D1")
		b.pass(67 * time.Second)
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
			b.pass(1500 * time.Millisecond)
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
		b.pass(time.Hour)
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
	for _, keeps := range []time.Duration{10 * time.Minute, time.Hour} { // the source keeps its change data so long
		t.Run(keeps.String(), func(t *testing.T) {
			inBubble(t, capture.Config{}, func(b *bench) {
				batches := len(b.to.headers)
				var then []protocol.Position
				for range 24 * 12 { // a day
					then = append(then, b.src.position)
					b.src.elsewhere(100)
					b.pass(5 * time.Minute)
					if n := len(then) - int(keeps/(5*time.Minute)); n >= 0 {
						b.src.kinds["employee"].minValid, b.src.kinds["department"].minValid = then[n], then[n]
					}
				}
				b.pass(time.Minute)
				b.equal()
				if got := len(b.begins("employee")) + len(b.begins("department")); got != 2 {
					b.t.Errorf("snapshots = %d, want the two first loads", got)
				}
				if got := len(b.to.headers) - batches; got > 24*12 {
					b.t.Errorf("empty cuts = %d in a day, want at most one per five minutes", got)
				}
			})
		})
	}
}

func TestAnIdleStreamAdvancesAtMostOnceAMinute(t *testing.T) {
	inBubble(t, capture.Config{}, func(b *bench) {
		t := b.t
		b.src.countless = true // every look finds changes that do not matter
		batches := len(b.to.headers)
		for range 600 {
			b.src.elsewhere(1)
			b.pass(time.Second)
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
		b.pass(3 * time.Second)
		b.to.with(func() { b.to.queueGen, b.to.enqueued, b.to.queue, b.to.lazy = 0, 0, nil, false })
		b.pass(35 * time.Second)
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
		b.pass(9 * time.Minute)
		if got := len(b.to.opens); got != opens {
			t.Fatalf("opens = %d, want %d before ten minutes", got, opens)
		}
		b.to.with(func() { b.to.lazy, b.to.onAnswer = false, nil })
		b.pass(2 * time.Minute)
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
		b.pass(30 * time.Minute)
		if got := len(b.to.opens) - opens; got < 4 || got > 80 {
			t.Errorf("opens = %d in half an hour, want few but not none", got)
		}
		stop()
		b.src.put("employee", "Birgit", "E2")
		b.pass(6 * time.Minute)
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
		b.pass(10 * time.Minute)
		if got := len(b.to.opens) - opens; got < 5 || got > 25 {
			t.Errorf("opens = %d in ten minutes, want one every 30 to 60 s", got)
		}
		if s := b.c.Status(); s.State != "waiting" || s.Code != "suspended" {
			t.Errorf("status = %+v", s)
		}
		b.to.with(func() { b.to.onBatch, b.to.onOpen = nil, nil })
		b.pass(2 * time.Minute)
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
		b.pass(time.Hour)
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
		b.pass(6 * time.Minute)
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
			b.pass(12 * time.Millisecond)
			b.to.with(func() { b.to.applyFirst() })
		}
		if last := b.to.headers[len(b.to.headers)-1]; slices.Contains(last.Covers, "employee") {
			t.Errorf("the last cut covers %v", last.Covers)
		}
	})
}

// An answer that arrives after its generation was dropped says nothing of the batches of the next one.
func TestAnAnswerOfADroppedGenerationIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department")
		b.src.put("department", "Løn", "D1")
		to := &slowPortal{portal: b.to}
		b.c = capture.New(b.src, to, capture.Config{Tenant: tenant, Stream: stream})
		defer b.running()()
		b.pass(10 * time.Second)
		to.wait = 20 * time.Second
		b.src.put("department", "Løn", "D2")
		b.pass(3 * time.Second) // the batch is on its way
		other := capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream})
		if _, err := other.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.src.put("department", "Løn", "D3")
		b.pass(3 * time.Minute)
		b.equal()
		if got := len(b.to.opens); got != 3 {
			t.Errorf("opens = %d, want 3: ours, the other agent's, ours", got)
		}
	})
}

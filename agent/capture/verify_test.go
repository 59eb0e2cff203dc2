package capture_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// verify verifies while the bench runs and returns the outcomes by kind.
func (b *bench) verify(repair bool) map[string]protocol.Verification {
	b.t.Helper()
	outcomes := map[string]protocol.Verification{}
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Minute)
	defer cancel()
	err := b.c.Verify(ctx, repair, func(n capture.VerifyNews) {
		if n.Outcome != nil {
			outcomes[n.Kind] = *n.Outcome
		}
	})
	if err != nil {
		b.t.Errorf("verify: %v", err)
	}
	b.pass(time.Second)
	return outcomes
}

// spoil spoils the portal's rows as no protocol can: one other than it was sent, one with another hash, one missing, one
// too many.
func (b *bench) spoil() {
	b.to.with(func() {
		rows := b.to.kinds["employee"].rows
		row := rows["K00001"]
		row.name = "Bodil"
		rows["K00001"] = row
		row = rows["K00002"]
		row.name, row.sent, row.row = "Bodil", "Bodil", row.row+1
		rows["K00002"] = row
		delete(rows, "K00003")
		rows["K9"] = portalRow{name: "never was", wrong: true}
	})
}

func verifying(t *testing.T, d source.Digest, cfg capture.Config, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department", "employee")
		b.src.planned[1].Digest = d
		b.src.put("department", "Løn", "D1")
		b.src.put("employee", "Aase", keysOf(300)...)
		cfg.Tenant, cfg.Stream = tenant, stream
		b.c = capture.New(b.src, b.to, cfg)
		defer b.running()()
		b.pass(10 * time.Second)
		b.equal()
		f(b)
	})
}

func TestVerifyFindsEqualEqual(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		batches := len(b.to.headers)
		got := b.verify(true)
		for _, kind := range []string{"department", "employee"} {
			if v := got[kind]; !v.Equal() || v.At == 0 || v.Position != b.src.position || v.Rows != int64(b.rows(kind)) {
				b.t.Errorf("%s: %+v", kind, v)
			}
		}
		if n := len(b.to.headers) - batches; n != 0 {
			b.t.Errorf("batches = %d, want none", n)
		}
		if len(b.to.digests) != 2 || len(b.to.digests[1].Keys)+len(b.to.digests[1].Buckets) != 0 {
			b.t.Errorf("questions = %+v, want one per kind", b.to.digests)
		}
		if len(b.to.outcomes) != 2 {
			b.t.Errorf("told to operations = %+v, want both", b.to.outcomes)
		}
	})
}

func TestVerifyFindsWhatIsSpoiltAndOnlyRepairMendsIt(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.spoil()
		before := b.to.names("employee")
		if v := b.verify(false)["employee"]; v.Differences != 4 || v.Mended || v.Error != "" {
			b.t.Errorf("outcome = %+v, want 4 differences", v)
		}
		if diff := cmp.Diff(before, b.to.names("employee")); diff != "" {
			b.t.Errorf("verifying changed the portal:\n%s", diff)
		}
		if v := b.verify(true)["employee"]; v.Differences != 4 || !v.Mended {
			b.t.Errorf("outcome = %+v, want 4 differences mended", v)
		}
		b.equal()
		if v := b.verify(false)["employee"]; !v.Equal() {
			b.t.Errorf("outcome = %+v, want equal", v)
		}
		if last := b.to.outcomes[len(b.to.outcomes)-1]; !last.Equal() {
			b.t.Errorf("told to operations = %+v", last)
		}
	})
}

// N1: a row that cannot be sent is no difference, whatever the portal has of it.
func TestVerifyDoesNotCallARowThatCannotBeSentADifference(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.src.put("employee", "Birgit", "K00002")
		b.pass(time.Minute)
		b.src.mu.Lock()
		b.src.fork("employee").bad = map[string]bool{"K00001": true, "K00003": true}
		b.src.mu.Unlock()
		b.src.put("employee", "nul\x00", "K00002")
		b.pass(time.Minute)
		b.to.with(func() { delete(b.to.kinds["employee"].rows, "K00003") })
		batches := len(b.to.headers)
		if v := b.verify(true)["employee"]; !v.Equal() || v.Unreadable != 3 {
			b.t.Errorf("outcome = %+v, want equal and 3 that cannot be sent", v)
		}
		if n := len(b.to.headers) - batches; n != 0 {
			b.t.Errorf("batches = %d, want none", n)
		}
		if got := b.to.names("employee"); got["K00001"] != "Aase" || got["K00002"] != "Birgit" {
			b.t.Errorf("rows = %q, %q; want their last good state", got["K00001"], got["K00002"])
		}
	})
}

// A row that changes while it is looked at is no difference.
func TestVerifyDoesNotCallAMovingRowADifference(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{Poll: 100 * time.Millisecond}, func(b *bench) {
		n := 0
		b.to.with(func() {
			b.to.onDigest = func(protocol.DigestRequest, *protocol.DigestAnswer) error {
				n++
				b.src.put("employee", fmt.Sprint("navn ", n), "K00001", fmt.Sprint("L", n))
				if n > 1 {
					b.src.remove("employee", fmt.Sprint("L", n-1))
				}
				return nil
			}
		})
		for range 5 {
			if v := b.verify(false)["employee"]; !v.Equal() {
				b.t.Errorf("outcome = %+v, want equal", v)
			}
		}
		b.to.with(func() { b.to.onDigest = nil })
		b.pass(time.Minute)
		b.equal()
	})
}

func TestVerifyMendsWhatMovesBesideIt(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{Poll: 100 * time.Millisecond}, func(b *bench) {
		n := 0
		b.to.with(func() {
			b.to.onDigest = func(protocol.DigestRequest, *protocol.DigestAnswer) error {
				n++
				b.src.put("employee", fmt.Sprint("navn ", n), "K00100")
				return nil
			}
		})
		b.spoil()
		if v := b.verify(true)["employee"]; v.Differences != 4 || !v.Mended {
			b.t.Errorf("outcome = %+v, want 4 differences mended", v)
		}
		b.to.with(func() { b.to.onDigest = nil })
		b.pass(time.Minute)
		b.equal()
	})
}

func TestVerifyTellsWhyAKindHasNoOutcome(t *testing.T) {
	tests := map[string]func(b *bench){
		"suspended":  func(b *bench) { b.to.kinds["employee"].status.State = protocol.KindSuspended },
		"unreadable": func(b *bench) { b.src.kinds["employee"].err = errDrift },
		"refused": func(b *bench) {
			b.to.onDigest = func(r protocol.DigestRequest, _ *protocol.DigestAnswer) error {
				if r.Kind == "employee" {
					return &protocol.Reject{Code: protocol.CodeMalformed}
				}
				return nil
			}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
				b.src.mu.Lock()
				b.to.with(func() { spoil(b) })
				b.src.mu.Unlock()
				b.pass(time.Minute)
				got := b.verify(false)
				if v := got["employee"]; v.Error == "" || v.Equal() {
					b.t.Errorf("outcome = %+v, want an error", v)
				}
				if v := got["department"]; !v.Equal() {
					b.t.Errorf("outcome of the other kind = %+v", v)
				}
			})
		})
	}
}

func TestVerifyGoesOnAfterTheGenerationWasDropped(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.spoil()
		dropped := false
		b.to.with(func() {
			b.to.onDigest = func(protocol.DigestRequest, *protocol.DigestAnswer) error {
				if !dropped {
					dropped = true
					b.to.gen++
					return &protocol.Reject{Code: protocol.CodeReopen}
				}
				return nil
			}
		})
		if v := b.verify(true)["employee"]; v.Differences != 4 || !v.Mended {
			b.t.Errorf("outcome = %+v, want 4 differences mended", v)
		}
		b.equal()
	})
}

func TestTheScheduleVerifiesEachDayInItsWindowAndMends(t *testing.T) {
	window := capture.Window{From: 23 * time.Hour, To: 2 * time.Hour}
	verifying(t, source.DigestNone, capture.Config{Verify: window, Poll: 10 * time.Second, Wait: time.Hour}, func(b *bench) {
		b.spoil()
		b.pass(3*24*time.Hour + 12*time.Hour)
		b.equal()
		if n := len(b.to.outcomes); n != 6 {
			b.t.Fatalf("outcomes = %d in three nights of two kinds, want 6", n)
		}
		for _, v := range b.to.outcomes {
			if hour := time.UnixMilli(v.At).Hour(); hour >= 2 && hour < 23 {
				b.t.Errorf("verified at %d h, want within 23 to 2", hour)
			}
		}
	})
}

// Changes are pushed within a poll although the whole of a large kind is being read.
func TestVerifyDoesNotStarveTheChangeStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department", "employee")
		b.src.put("department", "Løn", "D1")
		b.src.put("employee", "Aase", keysOf(60_000)...)
		b.c = capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream, Poll: time.Second})
		defer b.running()()
		b.pass(time.Minute)
		b.equal()
		b.src.mu.Lock()
		b.src.read = func(string) { <-time.After(2 * time.Second) } // a slow main system
		b.src.mu.Unlock()
		go func() { _ = b.c.Verify(t.Context(), false, func(capture.VerifyNews) {}) }()
		b.pass(5 * time.Second)
		for i := range 5 {
			b.src.put("department", fmt.Sprint(i), "D1")
			committed, n := time.Now(), len(b.to.arrived)
			b.pass(7 * time.Second)
			if len(b.to.arrived) == n {
				t.Fatal("the change was not pushed")
			}
			if lag := b.to.arrived[n].Sub(committed); lag > 5500*time.Millisecond {
				t.Errorf("pushed after %v, want at most a poll and one chunk with its rest", lag)
			}
		}
		b.src.mu.Lock()
		b.src.read = nil
		b.src.mu.Unlock()
		b.pass(time.Minute)
	})
}

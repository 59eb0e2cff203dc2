package capture_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// silentPortal is a portal that nothing reaches while it is away.
type silentPortal struct {
	*portal
	back  chan struct{} // closed when it is reached again
	late  error         // of the answer to the question that hangs
	hangs int           // which question is answered only when nobody waits any more; 0 is none
}

func (p *silentPortal) reached(ctx context.Context) error {
	select {
	case <-p.back:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *silentPortal) Digest(ctx context.Context, r protocol.DigestRequest) (protocol.DigestAnswer, error) {
	if p.hangs--; p.hangs == 0 { // and then it answers all the same
		<-ctx.Done()
		return protocol.DigestAnswer{Gen: r.Gen, State: protocol.KindOK, Rows: 7, Buckets: protocol.NewDigest(r.Bits).Bytes()}, p.late
	}
	if err := p.reached(ctx); err != nil {
		return protocol.DigestAnswer{}, err
	}
	return p.portal.Digest(ctx, r)
}

// asked runs a verification and returns what it told until until says that this is enough, and its error.
func (b *bench) asked(repair bool, until func(capture.VerifyNews) bool) (told []capture.VerifyNews, err error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Minute)
	defer cancel()
	err = b.c.Verify(ctx, repair, func(n capture.VerifyNews) {
		if told = append(told, n); until(n) {
			cancel()
		}
	})
	return told, err
}

// A verification that waits for the portal says so, ends when it is told to, and leaves nothing in the next one's way.
func TestVerifySaysThatItWaitsAndEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department", "employee")
		b.src.put("employee", "Aase", keysOf(300)...)
		away := &silentPortal{portal: b.to, back: make(chan struct{})}
		b.c = capture.New(b.src, away, capture.Config{Tenant: tenant, Stream: stream})
		defer b.running()()
		b.pass(10 * time.Second)
		b.equal()
		waits := func(n capture.VerifyNews) bool { return n.WaitsFor == capture.WaitsForPortal }
		for range 3 { // each while the question of the one before is still on its way
			begun := time.Now()
			told, err := b.asked(false, waits)
			if !errors.Is(err, context.Canceled) || len(told) == 0 || !waits(told[len(told)-1]) {
				t.Fatalf("told %+v, ended with %v; want that it waits for the portal", told, err)
			}
			if since := time.UnixMilli(told[len(told)-1].Since).Sub(begun); since < -time.Second || since > time.Second {
				t.Errorf("it waits since %v after its begin, want since its begin", since)
			}
			if took := time.Since(begun); took > 7*time.Second {
				t.Errorf("it took %v to say so", took)
			}
		}
		close(away.back)
		begun := time.Now()
		if v := b.verify(false)["employee"]; !v.Equal() {
			t.Errorf("outcome after three that were abandoned = %+v", v)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %v after three that were abandoned", took)
		}
	})
}

// The next verification does not wait for the answer to a question that nobody asks any more.
func TestAnAbandonedQuestionHoldsUpNothing(t *testing.T) {
	for name, late := range map[string]error{"its answer comes late": nil, "its answer never comes": errLost} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "department", "employee")
				b.src.put("employee", "Aase", keysOf(300)...)
				hanging := &silentPortal{portal: b.to, back: make(chan struct{}), late: late, hangs: 1}
				close(hanging.back)
				b.c = capture.New(b.src, hanging, capture.Config{Tenant: tenant, Stream: stream})
				defer b.running()()
				b.pass(10 * time.Second)
				if _, err := b.asked(false, func(n capture.VerifyNews) bool { return n.WaitsFor != "" }); !errors.Is(err, context.Canceled) {
					t.Fatalf("the first: %v, want cancelled", err)
				}
				begun := time.Now()
				if v := b.verify(false)["employee"]; !v.Equal() || time.Since(begun) > 1400*time.Millisecond {
					t.Errorf("outcome of the next after %v = %+v, want one within a second", time.Since(begun), v)
				}
				if len(b.to.digests) != 2 {
					t.Errorf("questions = %+v, want one for each of two kinds", b.to.digests)
				}
			})
		})
	}
}

// What is read for a verification is read no further when it was abandoned.
func TestAnAbandonedVerificationReadsNoFurther(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.src.put("employee", "Aase", keysOf(4*protocol.MaxBatchRows)...)
		b.pass(time.Minute)
		n := 0
		b.src.mu.Lock()
		b.src.read = func(kind string) {
			if kind == "employee" {
				n++
			}
			<-time.After(time.Second)
		}
		b.src.mu.Unlock()
		_, _ = b.asked(false, func(n capture.VerifyNews) bool { return n.Kind == "employee" })
		b.pass(time.Minute)
		if n > 2 {
			b.t.Errorf("chunks = %d, want none after the end", n)
		}
	})
}

func TestVerifySaysThatItWaitsForTheMainSystem(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.src.mu.Lock()
		b.src.err = source.ErrGone
		b.src.mu.Unlock()
		waits := func(n capture.VerifyNews) bool { return n.WaitsFor == capture.WaitsForMainSystem }
		if told, err := b.asked(false, waits); !errors.Is(err, context.Canceled) || len(told) != 1 {
			b.t.Errorf("told %+v, ended with %v", told, err)
		}
	})
}

func TestOneVerificationAtATime(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		first := make(chan error)
		ctx, cancel := context.WithCancel(b.t.Context())
		b.to.with(func() { b.to.onDigest = func(protocol.DigestRequest, *protocol.DigestAnswer) error { return errLost } })
		go func() { first <- b.c.Verify(ctx, false, func(capture.VerifyNews) {}) }()
		synctest.Wait()
		if err := b.c.Verify(b.t.Context(), false, nil); !errors.Is(err, capture.ErrVerifying) {
			b.t.Errorf("a second verification: %v, want ErrVerifying", err)
		}
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			b.t.Errorf("the first: %v, want cancelled", err)
		}
		b.to.with(func() { b.to.onDigest = nil })
		if v := b.verify(false)["employee"]; !v.Equal() {
			b.t.Errorf("outcome after one that was abandoned = %+v", v)
		}
	})
}

// More than a comparison names has the kind read anew, and only what is verified after that is called mended.
func TestVerifyTellsWhatBecameOfMoreThanItNames(t *testing.T) {
	tests := map[string]struct {
		spoil  func(rows map[string]portalRow, key string)
		rows   int
		mended bool
		loads  int
	}{
		"rows that are gone": {
			spoil: func(rows map[string]portalRow, key string) { delete(rows, key) }, rows: 5000, mended: true, loads: 1,
		},
		"cells behind intact hashes, that a second look mends": {spoil: behind, rows: 5000, mended: true, loads: 1},
		"more cells behind intact hashes than two looks mend":  {spoil: behind, rows: 9000, loads: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
				b.src.put("employee", "Aase", keysOf(10_000)...)
				b.pass(time.Minute)
				b.to.with(func() {
					for _, key := range keysOf(tt.rows) {
						tt.spoil(b.to.kinds["employee"].rows, key)
					}
				})
				if v := b.verify(false)["employee"]; v.Equal() || !v.AtLeast || v.Mended {
					b.t.Errorf("outcome = %+v, want many differences", v)
				}
				begun := len(b.begins("employee"))
				v := b.verify(true)["employee"]
				if v.Mended != tt.mended || !v.AtLeast || v.Differences < protocol.MaxDigestKeys || v.Error != "" {
					b.t.Errorf("outcome = %+v, want mended %v", v, tt.mended)
				}
				if n := len(b.begins("employee")) - begun; n != tt.loads {
					b.t.Errorf("loads = %d, want %d", n, tt.loads)
				}
				if again := b.verify(false)["employee"]; again.Equal() != tt.mended {
					b.t.Errorf("verified again: %+v", again)
				}
			})
		})
	}
}

// behind spoils a cell and leaves its hash.
func behind(rows map[string]portalRow, key string) {
	row := rows[key]
	row.name = "Bodil"
	rows[key] = row
}

// A sweep that the portal goes on with after the kind was read anew is waited for.
func TestVerifyWaitsForTheSweep(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.src.put("employee", "Aase", keysOf(10_000)...)
		b.pass(time.Minute)
		begun, until := len(b.begins("employee")), time.Now().Add(2*time.Minute)
		sweeps := func() bool {
			return len(b.to.headers) > 0 && len(b.begins("employee")) > begun && time.Now().Before(until)
		}
		b.to.with(func() {
			for _, key := range keysOf(5000) {
				delete(b.to.kinds["employee"].rows, key)
			}
			b.to.onCheckIn = func(a *protocol.CheckInAnswer) error {
				for i := range a.Kinds {
					if a.Kinds[i].Kind == "employee" && a.Kinds[i].State == protocol.KindOK && sweeps() {
						a.Kinds[i].State = protocol.KindSweeping
					}
				}
				return nil
			}
			b.to.onDigest = func(r protocol.DigestRequest, a *protocol.DigestAnswer) error {
				if r.Kind == "employee" && sweeps() {
					*a = protocol.DigestAnswer{Gen: a.Gen, State: protocol.KindSweeping}
				}
				return nil
			}
		})
		if v := b.verify(true)["employee"]; v.Error != "" || !v.Mended || time.Now().Before(until) {
			b.t.Errorf("outcome = %+v, want it mended when the sweep has ended", v)
		}
	})
}

// What a person has to release is not waited for.
func TestVerifyDoesNotWaitForAPerson(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.src.put("employee", "Aase", keysOf(10_000)...)
		b.pass(time.Minute)
		b.to.with(func() {
			for _, key := range keysOf(5000) {
				delete(b.to.kinds["employee"].rows, key)
			}
			b.to.kinds["employee"].status.Held = true
		})
		if v := b.verify(true)["employee"]; v.Mended || !v.AtLeast || v.Differences < protocol.MaxDigestKeys {
			b.t.Errorf("outcome = %+v, want differences that are not mended", v)
		}
	})
}

// A kind whose deletes only digests find is read in full no more often than the setting says.
func TestDeletesAreLookedForAtTheirOwnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "employee")
		b.src.planned[0].Digest = source.DigestDeletes
		b.src.put("employee", "Aase", keysOf(300)...)
		b.c = capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream, Deletes: 10 * time.Minute})
		defer b.running()()
		b.pass(time.Minute)
		b.src.remove("employee", "K00001")
		reads := 0
		b.src.mu.Lock()
		b.src.read = func(string) { reads++ }
		b.src.mu.Unlock()
		b.pass(3 * time.Minute)
		if b.rows("employee") != 300 || reads != 0 {
			t.Errorf("rows = %d after %d reads: looked for deletes before it was time", b.rows("employee"), reads)
		}
		b.pass(9 * time.Minute)
		b.equal()
		before := reads
		b.pass(2 * time.Hour)
		if n := reads - before; n < 10 || n > 14 {
			t.Errorf("reads = %d in two hours, want about 12", n)
		}
	})
}

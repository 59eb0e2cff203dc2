package capture_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/protocol"
)

var errLost = errors.New("nothing came back")

// once returns a fault that happens to the n-th call and never again.
func once(n int, err error) func(protocol.StreamHeader) error {
	calls := 0
	return func(protocol.StreamHeader) error {
		if calls++; calls == n {
			return err
		}
		return nil
	}
}

// tries steps until nothing moves, errors included.
func (b *bench) tries() {
	b.t.Helper()
	for range 1000 {
		worked, err := b.c.Step(b.t.Context())
		if !worked && err == nil {
			return
		}
	}
	b.t.Fatal("still moving after 1000 steps")
}

func TestWhatTheReceiverAnswersToABatch(t *testing.T) {
	tests := map[string]struct {
		before, after error // of the second batch of a cut of three: before or after it was queued
		opens         int   // in all
	}{
		"the request is lost":          {before: errLost, opens: 1},
		"the answer is lost":           {after: errLost, opens: 1},
		"full":                         {before: &protocol.Reject{Code: protocol.CodeFull, RetryAfter: 3}, opens: 1},
		"busy":                         {before: &protocol.Reject{Code: protocol.CodeBusy, RetryAfter: 3}, opens: 1},
		"a fault of the receiver":      {before: &protocol.Reject{Code: protocol.CodeInternal}, opens: 1},
		"a gap inside the window":      {before: &protocol.Reject{Code: protocol.CodeGap, Expected: 2}, opens: 1},
		"a gap before the window":      {before: &protocol.Reject{Code: protocol.CodeGap, Expected: 1}, opens: 2},
		"a gap past what was sent":     {before: &protocol.Reject{Code: protocol.CodeGap, Expected: 9}, opens: 2},
		"reopen":                       {before: &protocol.Reject{Code: protocol.CodeReopen}, opens: 2},
		"reopen after it was queued":   {after: &protocol.Reject{Code: protocol.CodeReopen}, opens: 2},
		"too large":                    {before: &protocol.Reject{Code: protocol.CodeTooLarge}, opens: 2},
		"suspended":                    {before: &protocol.Reject{Code: protocol.CodeSuspended}, opens: 2},
		"a signature that went astray": {before: &protocol.Reject{Code: protocol.CodeBadSignature}, opens: 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := following(t)
			b.restart() // so that the cut's batches are 1, 2 and 3 of their generation
			b.settle()
			b.to.opens = nil
			b.restart()
			b.src.put("employee", "Birgit", keysOf(12_000)...)
			b.src.remove("employee", "E1")
			b.to.onBatch, b.to.onAnswer = once(2, tt.before), once(2, tt.after)
			b.tries()
			b.equal()
			if got := len(b.to.opens); got != tt.opens {
				t.Errorf("opens = %d, want %d", got, tt.opens)
			}
		})
	}
}

// What is refused for now is sent again, also when no later batch would reveal the gap.
func TestARefusalForNowIsNotTheEnd(t *testing.T) {
	for _, code := range []protocol.Code{protocol.CodeFull, protocol.CodeBusy, protocol.CodeInternal} {
		t.Run(string(code), func(t *testing.T) {
			b := following(t)
			opens := len(b.to.opens)
			b.src.put("employee", "Birgit", "E2")
			b.to.onBatch = once(1, &protocol.Reject{Code: code})
			b.tries()
			b.equal()
			if got := len(b.to.opens); got != opens {
				t.Errorf("opens = %d, want %d", got, opens)
			}
		})
	}
}

func TestTooLargeHalvesTheBatch(t *testing.T) {
	b := following(t)
	b.src.put("employee", "Birgit", keysOf(4_000)...)
	b.to.onBatch = once(1, &protocol.Reject{Code: protocol.CodeTooLarge})
	headers := b.since(b.tries)
	b.equal()
	if got, want := len(headers), 1+2; got != want {
		t.Errorf("batches = %d, want %d: one refused, two halves", got, want)
	}
}

// recorder keeps the bytes of every batch sent.
type recorder struct {
	*portal
	sent map[protocol.StreamHeader][][]byte
}

func (r *recorder) Batch(ctx context.Context, h protocol.StreamHeader, encoded []byte) (protocol.BatchAnswer, error) {
	r.sent[h] = append(r.sent[h], slices.Clone(encoded))
	return r.portal.Batch(ctx, h, encoded)
}

func TestABatchSentAgainIsTheSameToTheByte(t *testing.T) {
	src, to := newMainSystem(t, "employee"), newPortal(t)
	r := &recorder{portal: to, sent: map[protocol.StreamHeader][][]byte{}}
	b := &bench{t: t, src: src, to: to, c: capture.New(src, r, capture.Config{Tenant: tenant, Stream: stream})}
	src.put("employee", "Aase", keysOf(9000)...)
	calls := 0
	to.onAnswer = func(protocol.StreamHeader) error {
		src.put("employee", "Birgit", "K00001") // the main system moves on between the two
		if calls++; calls <= 12 && calls%2 == 1 {
			return errLost
		}
		return nil
	}
	b.step(60)
	to.onAnswer = nil
	b.tries()
	b.equal()
	repeats := 0
	for h, copies := range r.sent {
		for _, again := range copies[1:] {
			repeats++
			if !bytes.Equal(copies[0], again) {
				t.Errorf("batch %d differs when it is sent again", h.Seq)
			}
		}
	}
	if repeats < 6 {
		t.Errorf("repeats = %d, want at least 6", repeats)
	}
}

func TestALostAnswerToOpenOpensAgain(t *testing.T) {
	b := newBench(t, "department")
	b.src.put("department", "Løn", "D1")
	lost := false
	b.to.onOpen = func() error {
		if !lost {
			lost = true
			return errLost
		}
		return nil
	}
	b.tries()
	b.equal()
	if got := len(b.to.opens); got != 2 {
		t.Errorf("opens = %d, want 2", got)
	}
}

// ● "accepted" promises nothing: only what is applied is forgotten (I5).
func TestTheQueueLosesWhatItAccepted(t *testing.T) {
	tests := map[string]func(p *portal){
		"everything": func(p *portal) { p.queueGen, p.enqueued, p.queue = 0, 0, nil },
		"a suffix":   func(p *portal) { p.enqueued--; p.queue = p.queue[:len(p.queue)-1] },
	}
	for name, loses := range tests {
		t.Run(name, func(t *testing.T) {
			b := following(t)
			b.to.lazy = true
			b.src.put("employee", "Birgit", keysOf(12_000)...)
			b.step(4)
			b.to.with(func() { loses(b.to) })
			b.to.lazy = false
			b.to.apply()
			b.settle()
			b.equal()
		})
	}
}

// ● Stall: accepted, not applied, and nothing of ours waits.
func TestALossIsNoticedByAnIdleAgent(t *testing.T) {
	b := following(t)
	b.to.lazy = true
	b.src.put("employee", "Birgit", "E2")
	b.step(3)
	b.to.with(func() { b.to.queueGen, b.to.enqueued, b.to.queue = 0, 0, nil })
	b.to.lazy = false
	b.settle()
	b.equal()
}

func TestWaitingForTheWriterIsNotAStall(t *testing.T) {
	b := following(t)
	opens := len(b.to.opens)
	b.to.lazy = true
	b.src.put("employee", "Birgit", "E2")
	b.step(20)
	b.to.apply()
	b.settle()
	b.equal()
	if got := len(b.to.opens); got != opens {
		t.Errorf("opens = %d, want %d", got, opens)
	}
}

// ● Regress: the portal goes back within our generation.
func TestThePortalIsRestoredInsideTheGeneration(t *testing.T) {
	tests := map[string]func(b *bench) (restore func()){
		"to before changes that were applied": func(b *bench) func() {
			restore := b.to.backup()
			b.src.put("employee", "Birgit", "E2")
			b.settle()
			return restore
		},
		"to before a snapshot": func(b *bench) func() {
			restore := b.to.backup()
			b.src.truncate("employee")
			b.src.put("employee", "Birgit", "E2")
			b.settle()
			return restore
		},
		"to the middle of a snapshot": func(b *bench) func() {
			b.src.truncate("employee")
			b.src.put("employee", "Birgit", keysOf(7000)...)
			for b.to.state("employee") != protocol.KindRunning {
				b.step(1)
			}
			restore := b.to.backup()
			b.settle()
			return restore
		},
	}
	for name, happens := range tests {
		t.Run(name, func(t *testing.T) {
			b := following(t)
			restore := happens(b)
			b.equal()
			restore()
			b.settle()
			b.equal()
		})
		t.Run(name+", and the agent writes on", func(t *testing.T) {
			b := following(t)
			restore := happens(b)
			restore()
			b.src.put("department", "Bogholderi", "D2")
			b.settle()
			b.equal()
		})
	}
}

// Each sign of a restored portal is enough by itself.
func TestWhatCannotFollowWhatWasToldOpensAgain(t *testing.T) {
	tests := map[string]func(a *protocol.CheckInAnswer){
		"another generation":              func(a *protocol.CheckInAnswer) { a.Gen++ },
		"more is applied than was read":   func(a *protocol.CheckInAnswer) { a.AppliedSeq++ },
		"applied went backwards":          func(a *protocol.CheckInAnswer) { a.AppliedSeq, a.Queued = a.AppliedSeq-1, 1 },
		"the position went backwards":     func(a *protocol.CheckInAnswer) { a.Position-- },
		"a finished snapshot runs again":  func(a *protocol.CheckInAnswer) { a.Kinds[1].State = protocol.KindRunning },
		"a suspended kind is what it was": nil,
		"a suspended kind runs again":     nil,
		"another snapshot than ours runs": nil,
		"what we load is ok there":        nil,
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			b := following(t)
			switch name {
			case "a suspended kind is what it was", "a suspended kind runs again":
				was := protocol.KindStatus{Kind: "employee", State: protocol.KindOK, Epoch: "1"}
				if name == "a suspended kind runs again" {
					was = protocol.KindStatus{Kind: "employee", State: protocol.KindRunning, Snapshot: 1, Epoch: "1"}
				}
				b.to.with(func() {
					b.to.kinds["employee"].status = protocol.KindStatus{Kind: "employee", State: protocol.KindSuspended}
				})
				b.settle()
				change = func(a *protocol.CheckInAnswer) { a.Kinds[1] = was }
				b.to.with(func() { b.to.kinds["employee"].status = was })
			case "another snapshot than ours runs", "what we load is ok there":
				b = loading(t)
				st := &b.to.kinds["employee"].status
				if name == "what we load is ok there" {
					b.settle()
					b.to.with(func() { st.State = protocol.KindNeeded })
				}
				b.c = capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream, BatchRows: 500})
				for b.step(1); st.LastKey == nil; {
					b.step(1)
				}
				b.to.with(func() {
					st.Snapshot, st.LastKey = st.Snapshot-1, nil
					if name == "what we load is ok there" {
						st.Snapshot, st.State = 0, protocol.KindOK
					}
					b.to.lazy = true // the window stays full: what is told is all that there is to go by
					b.to.onOpen = func() error { b.to.lazy, b.to.queue = false, nil; return nil }
				})
				change = func(*protocol.CheckInAnswer) {}
			}
			opens := len(b.to.opens)
			b.to.onCheckIn = func(a *protocol.CheckInAnswer) error {
				if len(b.to.opens) == opens {
					change(a)
				}
				return nil
			}
			b.settle()
			b.equal()
			if got := len(b.to.opens); got != opens+1 {
				t.Errorf("opens = %d, want %d", got, opens+1)
			}
		})
	}
}

// A kind's status alone went back: nothing was applied between backup and restore.
func TestAKindsStatusGoesBackInsideTheGeneration(t *testing.T) {
	b := following(t)
	b.src.truncate("employee")
	b.src.put("employee", "Birgit", "E2", "E3")
	for b.to.state("employee") != protocol.KindRunning {
		b.step(1)
	}
	running := b.to.kinds["employee"].status
	b.settle()
	opens := len(b.to.opens)
	b.to.with(func() { b.to.kinds["employee"].status = running })
	b.settle()
	b.equal()
	if got := len(b.to.opens); got != opens+1 {
		t.Errorf("opens = %d, want %d", got, opens+1)
	}
}

func TestAnotherAgentOpensTheStream(t *testing.T) {
	b := following(t)
	other := capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream})
	if _, err := other.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	opens := len(b.to.opens)
	b.settle()
	b.equal()
	if got := len(b.to.opens); got != opens+1 {
		t.Errorf("opens = %d, want %d", got, opens+1)
	}
}

// ● Needed and suspended are adopted as told once nothing of ours is on its way.
func TestWhatThePortalDecidesOfAKind(t *testing.T) {
	b := following(t)
	b.to.with(func() {
		b.to.kinds["employee"].status = protocol.KindStatus{Kind: "employee", State: protocol.KindNeeded}
	})
	b.settle()
	b.equal()

	b.to.with(func() {
		b.to.kinds["employee"].status = protocol.KindStatus{Kind: "employee", State: protocol.KindSuspended}
	})
	b.settle()
	b.src.put("employee", "Birgit", "E2")
	b.src.put("department", "Bogholderi", "D2")
	headers := b.since(b.settle)
	if len(headers) != 1 || slices.Contains(headers[0].Covers, "employee") {
		t.Errorf("batches = %+v, want one cut without employee", headers)
	}
	b.to.with(func() { b.to.kinds["employee"].status.State = protocol.KindNeeded })
	b.settle()
	b.equal()
}

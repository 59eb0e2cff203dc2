package ingest_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/ingest"
	"lessor.dk/portalsync/receiver/store"
)

// polls begins a check-in and returns what it answers, once it waits.
func (b *bench) polls(wait time.Duration, known protocol.CheckInAnswer) <-chan protocol.CheckInAnswer {
	b.t.Helper()
	before := b.counts()["portalsync_ingest_long_polls"]
	out := make(chan protocol.CheckInAnswer, 1)
	go func() { out <- b.checkIn(wait, known) }()
	for b.counts()["portalsync_ingest_long_polls"] == before {
		select {
		case <-time.After(time.Millisecond):
		case <-b.t.Context().Done():
			b.t.Fatal("the check-in does not wait")
		}
	}
	return out
}

// soon returns an answer that must not take the whole wait.
func (b *bench) soon(answer <-chan protocol.CheckInAnswer) protocol.CheckInAnswer {
	b.t.Helper()
	select {
	case a := <-answer:
		return a
	case <-time.After(5 * time.Second):
		b.t.Fatal("the wait goes on")
		return protocol.CheckInAnswer{}
	}
}

func TestCheckIn(t *testing.T) {
	b := newBench(t, ingest.Config{})
	t.Run("it tells the stream's state and keeps the agent's", func(t *testing.T) {
		b.batch(1)
		a := b.checkIn(0, protocol.CheckInAnswer{})
		if a.Gen != b.gen || a.Enqueued != 1 || a.Queued != 1 || len(a.Kinds) != 1 || a.Keyset != b.keys.Version() {
			t.Errorf("answer = %+v", a)
		}
		if off := time.Since(time.UnixMilli(a.ServerTime)); off.Abs() > time.Minute {
			t.Errorf("the server's clock is off by %v", off)
		}
	})
	t.Run("a commit ends the wait", func(t *testing.T) {
		known := b.checkIn(0, protocol.CheckInAnswer{})
		answer := b.polls(20*time.Second, known)
		b.commit(1)
		if a := b.soon(answer); a.AppliedSeq != 1 {
			t.Errorf("applied = %d, want 1", a.AppliedSeq)
		}
	})
	t.Run("a kind's state ends the wait", func(t *testing.T) {
		known := b.checkIn(0, protocol.CheckInAnswer{})
		answer := b.polls(20*time.Second, known)
		b.must(b.store.SuspendKind(t.Context(), b.agent.Tenant, b.agent.Stream, "department", store.Cause{Code: store.CausePerson, Note: "prøve"}))
		b.must(b.queue.Wake(t.Context(), b.agent.Tenant, b.agent.Stream))
		if a := b.soon(answer); a.Kinds[0].State != protocol.KindSuspended {
			t.Errorf("kinds = %+v", a.Kinds)
		}
	})
	t.Run("a wake without news does not end the wait", func(t *testing.T) {
		known := b.checkIn(0, protocol.CheckInAnswer{})
		answer := b.polls(300*time.Millisecond, known)
		began := time.Now()
		b.must(b.queue.Wake(t.Context(), b.agent.Tenant, b.agent.Stream))
		<-answer
		if took := time.Since(began); took < 200*time.Millisecond {
			t.Errorf("it waited %v", took)
		}
	})
	t.Run("what the agent does not know is news", func(*testing.T) {
		<-b.async(func() { b.checkIn(20*time.Second, protocol.CheckInAnswer{}) })
	})
	t.Run("draining ends all waits at once with a normal answer, and later ones do not wait", func(t *testing.T) {
		known := b.checkIn(0, protocol.CheckInAnswer{})
		first, second := b.polls(20*time.Second, known), b.polls(20*time.Second, known)
		began := time.Now()
		b.ingest.Drain()
		b.ingest.Drain()
		<-first
		<-second
		b.checkIn(20*time.Second, known)
		if took := time.Since(began); took > time.Second {
			t.Errorf("draining took %v", took)
		}
	})
	t.Run("another stream is refused", func(*testing.T) {
		b.agent.Stream++
		b.refused(b.post(protocol.PathCheckIn, b.checkInRequest(0, protocol.CheckInAnswer{})), protocol.CodeForbidden)
	})
}

// commit moves the checkpoint as the writer does.
func (b *bench) commit(seq protocol.Seq) {
	b.t.Helper()
	b.must(b.store.InStream(b.t.Context(), b.agent.Tenant, b.agent.Stream, func(tx *store.StreamTx) error {
		return tx.SetCheckpoint(b.t.Context(), store.Checkpoint{AppliedSeq: seq})
	}))
	b.must(b.queue.Wake(b.t.Context(), b.agent.Tenant, b.agent.Stream))
}

func (b *bench) async(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	return done
}

// waiting is a store with a report and a reread that wait.
type waiting struct {
	*store.Store
	acked []protocol.Ack
}

func (*waiting) PendingReports(context.Context, protocol.TenantID, protocol.StreamID, int) ([]protocol.Report, error) {
	return []protocol.Report{{ID: "r1", Type: "absence", EmployeeNo: "7", Fields: map[string]string{"quantity": "1"}}}, nil
}

func (*waiting) Rereads(context.Context, protocol.TenantID, protocol.StreamID, int) ([]protocol.Reread, error) {
	return []protocol.Reread{{ID: 3, Kind: "department", Key: []byte{1}}}, nil
}

func (w *waiting) AckReports(_ context.Context, _ protocol.TenantID, _ protocol.StreamID, acks []protocol.Ack) error {
	w.acked = append(w.acked, acks...)
	return nil
}

func TestReports(t *testing.T) {
	b := newBench(t, ingest.Config{})
	w := &waiting{Store: b.store}
	b.serve(w, ingest.Config{})
	var known protocol.CheckInAnswer
	t.Run("a report comes sealed to the agent, a reread beside it", func(t *testing.T) {
		known = b.checkIn(20*time.Second, protocol.CheckInAnswer{})
		if len(known.Reports) != 1 || len(known.Reread) != 1 {
			t.Fatalf("answer = %+v", known)
		}
		address := protocol.Address{Purpose: protocol.PurposeReport, Tenant: b.agent.Tenant, Stream: b.agent.Stream, Agent: b.agent.Agent, ID: "r1"}
		text, err := protocol.OpenFrom(b.seal, address, known.Reports[0].Sealed)
		b.must(err)
		var r protocol.Report
		b.must(json.Unmarshal(text, &r))
		if r.EmployeeNo != "7" {
			t.Error("the report is not what was submitted")
		}
	})
	t.Run("what was just offered is not offered again at once", func(t *testing.T) {
		began := time.Now()
		b.checkIn(200*time.Millisecond, known)
		if took := time.Since(began); took < 150*time.Millisecond {
			t.Errorf("it waited %v", took)
		}
	})
	t.Run("an acknowledgement is kept", func(t *testing.T) {
		ack := protocol.Ack{ID: "r1", Outcome: protocol.AckStored, Lineage: "l", Position: 4}
		b.ok(b.post(protocol.PathAck, protocol.AckRequest{Stream: b.agent.Stream, Acks: []protocol.Ack{ack}}), &struct{}{})
		if len(w.acked) != 1 || w.acked[0] != ack {
			t.Errorf("acks = %+v", w.acked)
		}
	})
	t.Run("an outcome that is none is refused", func(*testing.T) {
		ack := protocol.Ack{ID: "r1", Outcome: "perhaps"}
		b.refused(b.post(protocol.PathAck, protocol.AckRequest{Stream: b.agent.Stream, Acks: []protocol.Ack{ack}}), protocol.CodeMalformed)
	})
	t.Run("another stream's reports are refused", func(*testing.T) {
		b.refused(b.post(protocol.PathAck, protocol.AckRequest{Stream: b.agent.Stream + 1}), protocol.CodeForbidden)
	})
}

// TestWaitingPollHoldsLittle counts what a check-in that waits costs the receiver: goroutine, connection and buffers
// of net/http, and what this package keeps. The agents of these polls are bare connections.
func TestWaitingPollHoldsLittle(t *testing.T) {
	const polls, most = 300, 64 << 10
	b := newBench(t, ingest.Config{})
	known := b.checkIn(0, protocol.CheckInAnswer{})
	body, err := json.Marshal(b.checkInRequest(20*time.Second, known))
	b.must(err)
	used := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	send := func() {
		r, _ := b.request(http.MethodPost, protocol.PathCheckIn, protocol.MediaJSON, body, nil)
		conn, err := net.Dial("tcp", r.URL.Host)
		b.must(err)
		t.Cleanup(func() { conn.Close() })
		b.must(r.Write(conn))
	}
	waiting := func(n float64) {
		for b.counts()["portalsync_ingest_long_polls"] < n {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-t.Context().Done():
				t.Fatal("the check-ins do not wait")
			}
		}
	}
	for range 20 { // pools and caches fill
		send()
	}
	waiting(20)
	before := used()
	for range polls {
		send()
	}
	waiting(20 + polls)
	each := int64(used()-before) / polls
	t.Logf("%d bytes per waiting check-in", each)
	if each > most {
		t.Errorf("a waiting check-in holds %d bytes, want at most %d", each, most)
	}
	b.ingest.Drain()
}

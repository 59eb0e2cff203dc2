package writer_test

import (
	"context"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/writer"
)

const ttl = 1500 * time.Millisecond

// run runs a writer beside the test until stop is called.
func (b *bench) run(holder string) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	w := b.newWriter(b.store, b.queue, writer.Config{Holder: holder, LeaseTTL: ttl})
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() {
		b.t.Helper()
		cancel()
		select {
		case err := <-done:
			b.must(err)
		case <-time.After(5 * time.Second):
			b.t.Fatal("Run does not end with its context")
		}
	}
}

// until waits for something that a running writer brings about.
func (b *bench) until(what string, is func() bool) {
	b.t.Helper()
	deadline := time.After(20 * time.Second)
	for !is() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			b.t.Fatalf("not yet: %s", what)
		}
	}
}

func (b *bench) applied(seq protocol.Seq) {
	b.t.Helper()
	b.until("the last batch applied", func() bool { st, _ := b.state(); return st.AppliedSeq == seq })
}

// leases counts the leases that a holder has now.
func (b *bench) leases(holder string) (n int) {
	b.t.Helper()
	const query = "SELECT COUNT(*) FROM lease WHERE holder = $1 AND expires_at > $2"
	b.must(b.db.QueryRowContext(b.t.Context(), query, holder, time.Now().UnixMilli()).Scan(&n))
	return n
}

func TestRun(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		stop := b.run("a")
		b.send(b.header(covers()), nil)
		t.Run("a snapshot arrives in order and is swept", func(t *testing.T) {
			b.t = t
			b.send(b.header(begin("department", 1)), nil)
			for i := range 20 {
				c := protocol.Chunk{Kind: "department", Snapshot: 1, LastKey: []byte{byte(i)}}
				b.send(b.header(func(h *protocol.Header) { h.Chunk = &c }), many(10, func(no string) row { return department(no+string(rune('a'+i)), "A") }))
			}
			b.send(b.header(end("department", 1)), nil)
			b.applied(b.seq)
			b.tenantRows("department", 200)
			b.until("swept", func() bool { _, kinds := b.state(); return kinds["department"].State == protocol.KindOK })
		})
		t.Run("batches behind one that waits are not lost", func(t *testing.T) {
			b.t = t
			b.send(b.header(begin("document", 2)), nil)
			key, err := b.store.BlobKey(t.Context(), b.agent.Tenant)
			b.must(err)
			name := protocol.BlobName(key, []byte("PDF"))
			waits := b.seq
			c := protocol.Chunk{Kind: "document", Snapshot: 2}
			b.send(b.header(func(h *protocol.Header) { h.Chunk = &c }), []row{document("1", name)})
			for range 3 {
				b.send(b.header(), []row{department("ny", "B")})
			}
			b.applied(waits)
			sealed, err := protocol.SealBlobPart(b.keys.Keyset(), time.Now(), b.agent.Tenant, name, 0, []byte("PDF"))
			b.must(err)
			b.must(b.store.PutBlobPart(t.Context(), b.agent.Tenant, name, 0, 1, sealed))
			b.applied(b.seq)
			b.queuedSoon(0)
		})
		t.Run("two writers share the shards", func(t *testing.T) {
			b.t = t
			other := b.run("b")
			defer other()
			b.until("half of the shards each", func() bool {
				return b.leases("a") == queue.Shards/2 && b.leases("b") == queue.Shards/2
			})
			b.send(b.header(), []row{department("to", "C")})
			b.applied(b.seq)
			stop()
			if n := b.leases("a"); n != 0 {
				t.Errorf("the writer that ended holds %d leases", n)
			}
			b.send(b.header(), []row{department("alene", "D")})
			b.applied(b.seq)
			b.tenantRows("department", 203)
		})
	})
}

// queuedSoon waits until so many batches are queued: a batch leaves the queue after its commit.
func (b *bench) queuedSoon(want int64) {
	b.t.Helper()
	b.until("the queue empty", func() bool {
		d, err := b.queue.Depth(b.t.Context())
		return err == nil && d.Entries == want
	})
}

package writer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/writer"
)

// toldStore tells what became of each transaction.
type toldStore struct {
	*store.Store
	told chan error
}

func (s *toldStore) InShard(ctx context.Context, by store.Fence, tenant protocol.TenantID, stream protocol.StreamID, do func(*store.StreamTx) error) error {
	err := s.Store.InShard(ctx, by, tenant, stream, do)
	s.told <- err
	return err
}

// A writer that does not know yet that its lease is somebody else's commits nothing; the batch waits for the other.
func TestAWriterThatLostItsLeaseCommitsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		told := &toldStore{Store: b.store, told: make(chan error, 100)}
		w := b.newWriter(told, b.queue, writer.Config{Holder: "a", LeaseTTL: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		b.until("all shards held", func() bool { return b.leases("a") == queue.Shards })

		h := b.header(covers())
		b.send(h, nil)
		if err := <-told.told; err != nil {
			t.Fatalf("under its lease: %v", err)
		}
		_, err := b.db.ExecContext(t.Context(), "UPDATE lease SET holder = 'b', fence = fence + 1, expires_at = 0")
		b.must(err)
		b.send(b.header(covers()), nil)
		if err := <-told.told; !errors.Is(err, store.ErrFenced) {
			t.Errorf("after its lease was taken: err = %v, want ErrFenced", err)
		}
		b.at(h.Seq, h.To)
		select {
		case err := <-told.told:
			t.Errorf("the shard was worked on after its lease was lost: %v", err)
		case <-time.After(500 * time.Millisecond): // a batch that is put back comes again after 100 ms
		}
		cancel()
		b.must(<-done)
		stop := b.run("b")
		defer stop()
		b.applied(h.Seq + 1)
	})
}

package writer

import (
	"context"
	"errors"
	"sync"
	"time"

	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
)

// share renews the leases of held shards, takes free ones up to this writer's share and gives back what is over it.
func (w *Writer) share(ctx context.Context, running *sync.WaitGroup) {
	writers, err := w.queue.Join(ctx, w.cfg.Holder, w.cfg.LeaseTTL)
	if err != nil { // alone as far as is known: the leases decide
		writers = 1
	}
	fair := (queue.Shards + writers - 1) / writers
	held := 0
	for n := range queue.Shards {
		if ctx.Err() != nil {
			return
		}
		s := w.holds(n)
		switch {
		case s != nil && held >= fair:
			w.give(ctx, s)
		case s != nil && w.renew(ctx, s):
			held++
		case s == nil && held < fair && w.take(ctx, n, running):
			held++
		}
	}
	w.metrics.shards.Set(float64(held))
}

func (w *Writer) holds(n int) *shard {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shards[n]
}

// take tries to get a shard's lease and begins to work on it.
func (w *Writer) take(ctx context.Context, n int, running *sync.WaitGroup) bool {
	asked := time.Now()
	fence, ok, err := w.store.Lease(ctx, n, w.cfg.Holder, w.cfg.LeaseTTL)
	if err != nil {
		w.trouble(ctx, "shard not taken", err, "shard", n)
		return false
	}
	if !ok {
		return false
	}
	s := newShard(w, n)
	shardCtx, cancel := context.WithCancelCause(ctx)
	s.fence, s.until, s.stop = store.Fence{Shard: n, Number: fence}, asked.Add(w.cfg.LeaseTTL), cancel
	w.mu.Lock()
	w.shards[n] = s
	w.mu.Unlock()
	running.Go(func() {
		defer close(s.done)
		s.run(shardCtx)
	})
	return true
}

// renew extends the lease. When that does not succeed before the lease ends, the work on the shard stops: somebody
// else may have begun. Even then nothing is applied twice, since the stream's row decides, and a transaction that begins
// after somebody else's is refused.
func (w *Writer) renew(ctx context.Context, s *shard) bool {
	asked := time.Now()
	ok, err := w.store.RenewLease(ctx, s.n, w.cfg.Holder, s.fence.Number, w.cfg.LeaseTTL)
	switch {
	case err == nil && ok:
		s.until = asked.Add(w.cfg.LeaseTTL)
		return true
	case err != nil && time.Now().Add(w.cfg.LeaseTTL/3).Before(s.until):
		w.trouble(ctx, "lease not renewed", err, "shard", s.n)
		return true
	}
	w.log.WarnContext(ctx, "shard lost", "shard", s.n)
	w.drop(s)
	return false
}

// give ends the work on a shard and its lease, for another writer to take.
func (w *Writer) give(ctx context.Context, s *shard) {
	w.drop(s)
	if err := w.store.ReleaseLease(ctx, s.n, w.cfg.Holder, s.fence.Number); err != nil {
		w.trouble(ctx, "lease not given back", err, "shard", s.n)
	}
}

// drop stops the work on a shard and waits for the transaction that runs.
func (w *Writer) drop(s *shard) {
	s.stop(errLost)
	<-s.done
	w.mu.Lock()
	delete(w.shards, s.n)
	w.mu.Unlock()
}

// outlive returns the context of a transaction: it ends at once when the shard is lost, and a third of a lease after the
// process was told to stop, while the lease surely lasts.
func (w *Writer) outlive(ctx context.Context) (context.Context, func()) {
	work, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); errors.Is(cause, errLost) {
			end(cause)
			return
		}
		pause(work, w.cfg.LeaseTTL/3)
		end(context.Cause(ctx))
	})
	return work, func() {
		stop()
		end(nil)
	}
}

// leave gives everything back. It outlives ctx, which has ended.
func (w *Writer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := w.queue.Leave(ctx, w.cfg.Holder); err != nil {
		w.trouble(ctx, "farewell not sent", err)
	}
	for n := range queue.Shards {
		if s := w.holds(n); s != nil {
			w.give(ctx, s)
		}
	}
}

// trouble logs what will be tried again. The end of the process is no trouble.
func (w *Writer) trouble(ctx context.Context, message string, err error, args ...any) {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return
	}
	w.log.WarnContext(ctx, message, append(args, "err", err)...) //nolint:sloglint // constant where it is called
}

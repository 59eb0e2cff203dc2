package writer

import (
	"context"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
)

const (
	fewLeft  = 8   // read on when a shard has no more batches than this
	manyHeld = 256 // and never hold more than this: all but a few wait for something
	retry    = 500 * time.Millisecond
)

// shard is the work on one shard. It belongs to one goroutine.
type shard struct {
	w       *Writer
	n       int
	reader  *queue.Reader
	backlog *backlog
	guards  map[protocol.StreamID]guard
	sweeps  sweeps

	fence store.Fence // zero when the process is alone
	until time.Time   // end of the lease
	stop  context.CancelCauseFunc
	done  chan struct{}
}

func newShard(w *Writer, n int) *shard {
	return &shard{
		w:       w,
		n:       n,
		reader:  w.queue.Reader(n),
		backlog: newBacklog(),
		guards:  map[protocol.StreamID]guard{},
		done:    make(chan struct{}),
	}
}

// run applies the shard's batches until ctx ends. While one batch commits, the next is opened, decoded and staged.
func (s *shard) run(ctx context.Context) {
	var ahead chan *prepared
	for ctx.Err() == nil {
		s.readOn(ctx, ahead == nil)
		var next chan *prepared
		if s.slot(ctx, ahead == nil) {
			next = s.prepareNext(ctx)
		}
		if ahead != nil {
			s.settle(ctx, <-ahead) //nolint:errcheck // logged there; it is tried again
			s.w.slots.Release(1)
		}
		ahead = next
		s.sweep(ctx)
	}
	if ahead != nil {
		<-ahead
		s.w.slots.Release(1)
	}
}

// slot asks for room for one more open batch in this process: patiently when this shard has none, so that shards
// take turns, and else only if there is some, since two shards that wait for a second would wait for ever.
func (s *shard) slot(ctx context.Context, none bool) bool {
	if !s.backlog.ready(s.w.cfg.Now()) {
		return false
	}
	if none {
		return s.w.slots.Acquire(ctx, 1) == nil
	}
	return s.w.slots.TryAcquire(1)
}

// prepareNext begins to prepare the next batch; the slot is held until it is settled.
func (s *shard) prepareNext(ctx context.Context) chan *prepared {
	t := s.pick()
	out := make(chan *prepared, 1)
	go func() { out <- s.w.prepare(ctx, t) }()
	return out
}

func (s *shard) pick() *task { return s.backlog.pick(s.w.cfg.Now()) }

// readOn reads more when little is left, and waits for it when there is nothing else to do.
func (s *shard) readOn(ctx context.Context, idle bool) {
	wait := idle && !s.backlog.ready(s.w.cfg.Now()) && !s.sweeps.ready()
	if s.backlog.size() > manyHeld || !wait && s.backlog.size() > fewLeft {
		if wait {
			pause(ctx, retry)
		}
		return
	}
	if err := s.read(ctx, wait); err != nil {
		s.w.trouble(ctx, "queue not read", err, "shard", s.n)
		if wait {
			pause(ctx, retry)
		}
	}
}

func (s *shard) read(ctx context.Context, wait bool) error {
	entries, err := s.reader.Next(ctx, wait && len(s.backlog.lanes) == 0)
	s.backlog.add(entries)
	if err == nil && len(entries) == 0 && wait && len(s.backlog.lanes) > 0 {
		pause(ctx, firstWait) // all that is here waits for something
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// outcome is what became of a batch.
type outcome string

// The outcomes.
const (
	applied outcome = "applied"
	dropped outcome = "dropped" // of another generation, seen before, or of one who may not write
	held    outcome = "held"    // it does not fit the checkpoint: the stream is held
	waits   outcome = "waits"   // a document that it names is not here yet
	failed  outcome = "failed"  // the store or queue could not be reached, or refused: tried again
	thrown  outcome = "thrown"  // prepared behind a batch that was put back
)

// settle applies a prepared batch, takes it off the queue and wakes who waits for it. A batch that was not applied
// or dropped stays in the queue and is tried again: err says why.
func (s *shard) settle(ctx context.Context, p *prepared) (outcome, error) {
	if p.task.stale() {
		return thrown, nil
	}
	work, release := s.w.outlive(ctx)
	defer release()
	got, err := s.apply(work, p)
	s.w.metrics.batches.WithLabelValues(string(got)).Inc()
	switch got {
	case waits, failed:
		s.w.trouble(ctx, "batch put back", err, "batch", p.task.entry, "attempt", p.task.lane.attempt)
		s.backlog.again(p.task, s.w.cfg.Now())
		return got, err
	case held:
		s.w.log.ErrorContext(ctx, "stream held", "batch", p.task.entry, "err", err)
	case dropped:
		s.w.log.InfoContext(ctx, "batch dropped", "batch", p.task.entry, "err", err)
	case applied, thrown:
	}
	s.backlog.finished(p.task)
	s.w.farewell(ctx, p.task.entry)
	return got, nil
}

// farewell takes a batch off the queue and wakes who waits for its stream. The store has committed: what fails here
// costs a redelivery that is dropped, or a poll that runs its time. It outlives a shutdown.
func (w *Writer) farewell(ctx context.Context, e queue.Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), retry)
	defer cancel()
	if err := w.queue.Done(ctx, e); err != nil {
		w.trouble(ctx, "batch not taken off the queue", err, "batch", e)
	}
	if err := w.queue.Wake(ctx, e.Tenant, e.Stream); err != nil {
		w.trouble(ctx, "wake not sent", err, "batch", e)
	}
}

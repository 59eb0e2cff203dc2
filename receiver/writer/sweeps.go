package writer

import (
	"context"
	"sync"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
)

// sweepTask is a record kind whose snapshot has ended.
type sweepTask struct {
	tenant protocol.TenantID
	stream protocol.StreamID
	kind   string
}

// sweeps is what a shard has to sweep, in turn. The list is only a reminder: the state of the kind in the store
// says what is to be done, and is looked at again now and then.
type sweeps struct {
	mu    sync.Mutex
	tasks []sweepTask
}

func (s *sweeps) add(t sweepTask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.tasks {
		if known == t {
			return
		}
	}
	s.tasks = append(s.tasks, t)
}

func (s *sweeps) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tasks) > 0
}

func (s *sweeps) next() (sweepTask, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tasks) == 0 {
		return sweepTask{}, false
	}
	t := s.tasks[0]
	s.tasks = s.tasks[1:]
	return t, true
}

// sweep runs one bounded transaction of one sweep, between batches.
func (s *shard) sweep(ctx context.Context) {
	t, ok := s.sweeps.next()
	if !ok {
		return
	}
	done, err := s.w.sweepOnce(ctx, s.fence, t)
	switch {
	case err != nil:
		s.w.trouble(ctx, "sweep put off", err, "tenant", t.tenant, "stream", t.stream, "kind", t.kind)
	case !done:
		s.sweeps.add(t)
	}
}

func (w *Writer) sweepOnce(ctx context.Context, by store.Fence, t sweepTask) (done bool, err error) {
	deleted, done, err := w.store.Sweep(ctx, by, t.tenant, t.stream, t.kind, w.cfg.SweepRows)
	if err != nil {
		return false, err
	}
	w.metrics.rows.WithLabelValues("swept").Add(float64(deleted))
	if !done {
		return false, nil
	}
	if err := w.queue.Wake(ctx, t.tenant, t.stream); err != nil {
		w.trouble(ctx, "wake not sent", err, "tenant", t.tenant, "stream", t.stream)
	}
	return true, nil
}

// findSweeps hands the shards what is to be swept: sweeps that a crashed writer left, and those a person released.
func (w *Writer) findSweeps(ctx context.Context) {
	kinds, err := w.store.Sweeping(ctx)
	if err != nil {
		w.trouble(ctx, "sweeps not looked for", err)
		return
	}
	for _, k := range kinds {
		if s := w.holds(queue.Shard(k.Tenant)); s != nil {
			s.sweeps.add(sweepTask{k.Tenant, k.Stream, k.Kind})
		}
	}
}

// sweepAny runs one transaction of the first sweep there is.
func (w *Writer) sweepAny(ctx context.Context) (worked bool, err error) {
	kinds, err := w.store.Sweeping(ctx)
	if err != nil || len(kinds) == 0 {
		return false, err
	}
	_, err = w.sweepOnce(ctx, store.Fence{}, sweepTask{kinds[0].Tenant, kinds[0].Stream, kinds[0].Kind})
	return err == nil, err
}

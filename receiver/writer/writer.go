// Package writer applies queued batches to the store: it opens them, checks them against the checkpoint and writes
// rows and checkpoint in one transaction. It is the only place that knows both the wire and the store, and
// its checks, not the queue's, are what keeps the portal equal to the main system (specification, part 3).
package writer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
)

// Queue hands out sealed batches, shard by shard.
type Queue interface {
	Reader(shard int) *queue.Reader
	Done(ctx context.Context, entries ...queue.Entry) error
	Wake(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) error
	Join(ctx context.Context, holder string, ttl time.Duration) (int, error)
	Leave(ctx context.Context, holder string) error
	Busy(ctx context.Context) ([]int, error)
}

// Keys opens what agents sealed, and seals dead letters.
type Keys interface {
	Sealing(id protocol.KeyID) (*protocol.SealingKey, bool)
	Keyset() *protocol.Keyset
}

// Config tunes a Writer. The zero value is usable.
type Config struct {
	Holder       string                // name in the leases; "" makes a random one
	LeaseTTL     time.Duration         // how long a dead writer keeps its shards; 0 means 15s
	Parallel     int                   // batches open at once in this process; 0 means 2 per processor
	GuardPercent int                   // delete and blanking guard: share of a kind's rows; 0 means 10
	GuardRows    int64                 // and never below so many rows; 0 means 20
	SweepRows    int                   // rows that one sweeping transaction looks at; 0 means 10,000
	Metrics      prometheus.Registerer // nil registers nowhere
	Log          *slog.Logger          // nil discards; never sees a row's content
	Now          func() time.Time      // nil means time.Now
}

// Writer applies batches. Any number of processes may run one against the same store and queue.
type Writer struct {
	store   Store
	queue   Queue
	keys    Keys
	opener  *protocol.Opener
	sealer  *protocol.Sealer
	schemas schemas
	slots   *semaphore.Weighted
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	mu     sync.Mutex
	shards map[int]*shard // held ones
}

// New returns a Writer. It does nothing until Run or Step.
func New(st Store, q Queue, keys Keys, cfg Config) (*Writer, error) {
	cfg.Holder = cmp.Or(cfg.Holder, rand.Text())
	cfg.LeaseTTL = cmp.Or(cfg.LeaseTTL, 15*time.Second)
	cfg.Parallel = cmp.Or(cfg.Parallel, 2*runtime.GOMAXPROCS(0))
	cfg.GuardPercent = cmp.Or(cfg.GuardPercent, 10)
	cfg.GuardRows = cmp.Or(cfg.GuardRows, 20)
	cfg.SweepRows = cmp.Or(cfg.SweepRows, 10_000)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	opener, err := protocol.NewOpener(keys.Sealing)
	if err != nil {
		return nil, fmt.Errorf("make writer: %w", err)
	}
	sealer, err := protocol.NewSealer()
	if err != nil {
		return nil, fmt.Errorf("make writer: %w", err)
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	return &Writer{
		store:   st,
		queue:   q,
		keys:    keys,
		opener:  opener,
		sealer:  sealer,
		slots:   semaphore.NewWeighted(int64(cfg.Parallel)),
		cfg:     cfg,
		log:     cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
		metrics: m,
		shards:  map[int]*shard{},
	}, nil
}

// Run holds its share of the shards and applies their batches until ctx ends. It then lets the transactions that run
// commit, for a third of a lease at most, gives its leases back and returns nil. Batches that it has not begun to apply
// stay in the queue.
func (w *Writer) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer w.leave(ctx)
	defer running.Wait()
	tick := time.NewTicker(w.cfg.LeaseTTL / 3)
	defer tick.Stop()
	for {
		w.share(ctx, &running)
		w.findSweeps(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Step applies at most one batch, or runs one sweeping transaction when no batch is ready, and reports whether it did
// either. It holds no lease and does not wait between attempts: it is for a process that is alone, such as a test that
// decides about every step. It is not to be mixed with Run.
func (w *Writer) Step(ctx context.Context) (worked bool, err error) {
	busy, err := w.queue.Busy(ctx)
	if err != nil {
		return false, err
	}
	for _, n := range busy {
		s := w.shards[n]
		if s == nil {
			s = newShard(w, n)
			w.shards[n] = s
		}
		if err := s.read(ctx, false); err != nil {
			return false, err
		}
		for _, l := range s.backlog.waiting() {
			switch got, err := s.settle(ctx, w.prepare(ctx, l.take())); got {
			case waits:
			case failed:
				return false, err
			case applied, dropped, held, thrown:
				return true, nil
			}
		}
	}
	return w.sweepAny(ctx)
}

// errLost reports that a shard's lease went to somebody else.
var errLost = errors.New("lease lost")

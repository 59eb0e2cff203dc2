package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/inbox"
	"lessor.dk/portalsync/agent/push"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/ingest"
	"lessor.dk/portalsync/receiver/keyring"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/writer"
)

// authority is the name under which agents call the receiver.
const authority = "portal.invalid"

// hosted is the receiver: real code on a real store and queue, every part of which can be lost or put back.
type hosted struct {
	tb     testing.TB
	db     database
	redis  memory
	keys   *keyring.Keyring
	store  *store.Store
	probe  *sql.DB
	queue  *crashingQueue
	writer *writer.Writer
	net    *network
	tenant int // counts
}

func newHosted(t testing.TB, db database, redis memory) *hosted {
	keys, err := keyring.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &hosted{tb: t, db: db, redis: redis, keys: keys, net: &network{}}
	h.must(h.start())
	t.Cleanup(func() { h.must(h.stop()) })
	return h
}

func (h *hosted) must(err error) {
	h.tb.Helper()
	if err != nil {
		h.tb.Fatal(err)
	}
}

// start makes the receiver's processes anew: nothing but store and Redis outlives it.
func (h *hosted) start() (err error) {
	if h.store, err = store.Open(context.Background(), h.db.url(), store.Config{}); err != nil {
		return err
	}
	if h.probe, err = h.db.probe(); err != nil {
		return err
	}
	h.queue = &crashingQueue{Queue: queue.New(h.redis.client(), queue.Config{Block: time.Millisecond})}
	in, err := ingest.New(h.store, h.queue.Queue, h.keys, ingest.Config{Authority: []string{authority}})
	if err != nil {
		return err
	}
	if h.net.handler, err = in.Handler(); err != nil {
		return err
	}
	return h.newWriter()
}

// newWriter is a writer process that knows nothing of the one before.
func (h *hosted) newWriter() (err error) {
	h.writer, err = writer.New(h.store, h.queue, h.keys, writer.Config{GuardPercent: 30, GuardRows: 6, SweepRows: 7})
	return err
}

func (h *hosted) stop() error { return errors.Join(h.probe.Close(), h.store.Close()) }

// crashingQueue is a queue whose writer dies between the store's commit and the acknowledgement.
type crashingQueue struct {
	*queue.Queue
	crash bool
}

var errCrashed = errors.New("the writer is gone")

func (q *crashingQueue) Done(ctx context.Context, entries ...queue.Entry) error {
	if q.crash {
		return errCrashed
	}
	return q.Queue.Done(ctx, entries...)
}

// company is one customer: main system, agents, and the stream between them.
type company struct {
	h      *hosted
	main   *mainSystem
	id     push.Identity
	agents []*agent
	seen   watched
}

// agent is one process at the customer's.
type agent struct {
	source  *sqlite.Source
	capture *capture.Capture
	client  *push.Client
}

// batchRows keeps batches, windows and chunks small enough for a handful of rows to overflow them.
const batchRows = 4

func (h *hosted) newCompany(ctx context.Context) (*company, error) {
	dir, err := os.MkdirTemp("", "portalsync-company-")
	if err != nil {
		return nil, err
	}
	m, err := newMainSystem(ctx, dir)
	if err != nil {
		return nil, err
	}
	id, err := h.enrol(ctx)
	if err != nil {
		return nil, err
	}
	c := &company{h: h, main: m, id: id}
	return c, c.startAgent()
}

// enrol makes a customer and its agent's identity.
func (h *hosted) enrol(ctx context.Context) (id push.Identity, err error) {
	h.tenant++
	seal, err := protocol.NewSealingKey()
	if err != nil {
		return id, err
	}
	id = push.Identity{Sign: protocol.NewSigningKey(), Seal: seal, Root: h.keys.Root()}
	if id.Tenant, err = h.store.CreateTenant(ctx, fmt.Sprintf("prøve-%d", h.tenant), "Prøve A/S"); err != nil {
		return id, err
	}
	invite := fmt.Sprintf("invite-%d", h.tenant)
	now := time.Now()
	if err := h.store.CreateInvite(ctx, store.Invite{ID: invite, Tenant: id.Tenant, Secret: []byte("x"), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		return id, err
	}
	enrolled, err := h.store.Enrol(ctx, invite, now, func(store.Invite) error { return nil },
		store.NewAgent{Key: id.Sign.ID(), SignKey: id.Sign.Public(), SealKey: seal.Public().Bytes()})
	id.Agent, id.Stream = enrolled.Agent, enrolled.Stream
	return id, err
}

// startAgent starts a process with the company's keys: the first one, one after a crash, or a clone.
func (c *company) startAgent() error {
	src, err := c.main.open()
	if err != nil {
		return err
	}
	client, err := push.New("https://"+authority, c.id, push.Config{
		Transport: c.h.net,
		Wait:      func(int, time.Duration) time.Duration { return 0 },
		Trouble:   func(code, sentence string) { testLog().Info("push", "code", code, "cause", sentence) },
	})
	if err != nil {
		return err
	}
	a := &agent{source: src, client: client}
	a.capture = capture.New(src, client, capture.Config{
		Tenant: c.id.Tenant, Stream: c.id.Stream, Plan: c.main.plan.Hash(), Reports: a.deliver,
		BatchRows: batchRows, Uploads: 1, Advance: time.Millisecond, Stall: stall, Log: testLog(),
	})
	c.agents = append(c.agents, a)
	return nil
}

// deliver takes reports into the main system and acknowledges them, or gives up when the network does.
func (a *agent) deliver(ctx context.Context, reports []protocol.SealedReport) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	in := inbox.New(a.source, a.client.Report, func(ctx context.Context, acks []protocol.Ack) error {
		defer cancel()
		return a.client.Ack(ctx, acks)
	}, inbox.Config{})
	in.Receive(ctx, reports)
	_ = in.Run(ctx) // what was not acknowledged is offered again
}

// stall is how long an agent waits for batches that the receiver says are queued.
const stall = 500 * time.Millisecond

// stepTime bounds one step of an agent.
const stepTime = 5 * time.Second

// step lets an agent do its next thing. Errors are part of the game: only the outcome counts.
func (a *agent) step(ctx context.Context, limit time.Duration) (worked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return a.capture.Step(ctx)
}

// drop kills an agent process.
func (c *company) drop(i int) error {
	err := c.agents[i].source.Close()
	c.agents = slices.Delete(c.agents, i, i+1)
	return err
}

// close forgets the company.
func (c *company) close() {
	for len(c.agents) > 0 {
		c.h.must(c.drop(0))
	}
	c.main.close(c.h.tb)
}

func (c *company) state(ctx context.Context) (store.Stream, []protocol.KindStatus, error) {
	return c.h.store.StreamState(ctx, c.id.Tenant, c.id.Stream)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// testLog discards, unless the test is to tell what its agents do.
func testLog() *slog.Logger {
	if os.Getenv("STATEMACHINE_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

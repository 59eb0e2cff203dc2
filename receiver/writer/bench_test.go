package writer_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/receiver/keyring"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/testenv"
	"lessor.dk/portalsync/receiver/writer"
)

// bench is a writer between a real store and a queue, and an agent that sends by hand.
type bench struct {
	t      *testing.T
	store  *store.Store
	db     *sql.DB // the store's database, to look behind
	driver string
	keys   *keyring.Keyring
	redis  redis.UniversalClient
	queue  *queue.Queue
	writer *writer.Writer
	sealer *protocol.Sealer
	log    *bytes.Buffer
	logger *slog.Logger // writes log

	agent    store.EnrolledAgent
	schemas  []*protocol.SectionSchema
	gen      protocol.Generation
	seq      protocol.Seq
	position protocol.Position
	opened   int
}

const timeline protocol.Lineage = "lineage-1"

// everywhere runs a promise of the writer on both stores.
func everywhere(t *testing.T, promise func(t *testing.T, b *bench)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "portal.db")
		migrate(t.Context(), t, "sqlite:"+file)
		promise(t, newBench(t, "sqlite:"+file, "sqlite", file))
	})
	t.Run("postgres", func(t *testing.T) {
		url := testenv.PostgresFrom(t, "portal", func(ctx context.Context, url string) error {
			migrate(ctx, t, url)
			return nil
		})
		promise(t, newBench(t, url, "pgx", url))
	})
}

func migrate(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	s, err := store.Open(ctx, url, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func newBench(t *testing.T, url, driver, address string) *bench {
	t.Helper()
	b := &bench{t: t, driver: driver, log: &bytes.Buffer{}}
	b.logger = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if b.store, err = store.Open(t.Context(), url, store.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.store.Close() })
	if b.db, err = sql.Open(driver, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.db.Close() })
	if b.keys, err = keyring.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if b.sealer, err = protocol.NewSealer(); err != nil {
		t.Fatal(err)
	}
	server, client, err := queue.Embedded("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	b.redis = client
	b.queue = queue.New(client, queue.Config{Block: 100 * time.Millisecond})
	b.restart()
	b.enrol("acme")
	return b
}

// restart makes a new writer, as after a crash.
func (b *bench) restart() { b.writer = b.newWriter(b.store, b.queue, writer.Config{}) }

func (b *bench) newWriter(st writer.Store, q writer.Queue, cfg writer.Config) *writer.Writer {
	b.t.Helper()
	cfg.Log = b.logger
	w, err := writer.New(st, q, b.keys, cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// enrol makes a tenant with one agent and opens its stream with departments, employees and documents.
func (b *bench) enrol(code string) {
	b.t.Helper()
	ctx := b.t.Context()
	tenant, err := b.store.CreateTenant(ctx, code, code)
	b.must(err)
	b.must(b.store.CreateInvite(ctx, store.Invite{ID: code, Tenant: tenant, Secret: []byte("s"), CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}))
	b.agent, err = b.store.Enrol(ctx, code, time.Now(), func(store.Invite) error { return nil }, store.NewAgent{
		Key: protocol.KeyID("key-" + code), SignKey: []byte{1}, SealKey: []byte{2},
	})
	b.must(err)
	b.schemas = []*protocol.SectionSchema{protocoltest.Schema(b.t, "department"), protocoltest.Schema(b.t, "employee"), protocoltest.Schema(b.t, "document")}
	b.position = 0
	b.open()
}

func (b *bench) open() {
	b.t.Helper()
	var schemas []protocol.Schema
	for _, s := range b.schemas {
		schemas = append(schemas, s.Schema)
	}
	b.opened++
	st, _, err := b.store.OpenStream(b.t.Context(), b.agent.Tenant, b.agent.Stream, store.StreamOpening{
		Agent: b.agent.Agent, BootNonce: fmt.Sprint(b.opened), Schemas: schemas, Now: time.Now(), Lineage: timeline,
	})
	b.must(err)
	b.gen, b.seq, b.position = st.Gen, 0, st.Position
}

// header returns the header of the next batch: an empty cut that covers everything and moves the position by one.
func (b *bench) header(changes ...func(*protocol.Header)) protocol.Header {
	b.seq++
	h := protocol.Header{
		StreamHeader: protocol.StreamHeader{Tenant: b.agent.Tenant, Stream: b.agent.Stream, Gen: b.gen, Seq: b.seq},
		Lineage:      timeline, From: b.position, To: b.position + 1, CapturedAt: time.Now().UnixMilli(), Last: true,
		Covers: []string{"department", "employee", "document"},
	}
	for _, change := range changes {
		change(&h)
	}
	if h.Chunk != nil {
		h.Last, h.Covers = false, nil
	}
	if h.Last {
		b.position = h.To
	}
	return h
}

// cut sends a cut and applies it.
func (b *bench) cut(rows []row, changes ...func(*protocol.Header)) {
	b.t.Helper()
	b.send(b.header(changes...), rows)
	b.step()
}

// chunk sends a chunk of a snapshot and applies it.
func (b *bench) chunk(c protocol.Chunk, rows ...row) {
	b.t.Helper()
	b.cut(rows, func(h *protocol.Header) { h.Chunk = &c })
}

func begin(kind string, id protocol.SnapshotID) func(*protocol.Header) {
	return func(h *protocol.Header) {
		h.Begin = append(h.Begin, protocol.Begin{Kind: kind, Snapshot: id})
		h.Covers = slices.DeleteFunc(slices.Clone(h.Covers), func(k string) bool { return k == kind })
	}
}

func end(kind string, id protocol.SnapshotID) func(*protocol.Header) {
	return func(h *protocol.Header) { h.End = append(h.End, protocol.End{Kind: kind, Snapshot: id}) }
}

func deletes(kind string, n int64) func(*protocol.Header) {
	return func(h *protocol.Header) { h.Deletes = append(h.Deletes, protocol.KindCount{Kind: kind, Count: n}) }
}

func covers(kinds ...string) func(*protocol.Header) {
	return func(h *protocol.Header) { h.Covers = kinds }
}

// row is a row of a batch.
type row struct {
	kind  string
	op    protocol.Op
	cells map[string]protocol.Value
}

func department(no, name string) row {
	return row{"department", protocol.Update, map[string]protocol.Value{"department_no": protocol.TextValue(no), "name": protocol.TextValue(name)}}
}

func noDepartment(no string) row {
	return row{"department", protocol.Delete, map[string]protocol.Value{"department_no": protocol.TextValue(no)}}
}

func employee(no, phone string) row {
	r := row{"employee", protocol.Update, map[string]protocol.Value{
		"employee_no": protocol.TextValue(no), "name": protocol.TextValue("Navn " + no), "active": protocol.BoolValue(true),
	}}
	if phone != "" {
		r.cells["phone"] = protocol.TextValue(phone)
	}
	return r
}

func document(no, blob string) row {
	return row{"document", protocol.Update, map[string]protocol.Value{
		"document_no": protocol.TextValue(no), "employee_no": protocol.TextValue("1"), "title": protocol.TextValue("Lønseddel"),
		"media_type": protocol.TextValue("application/pdf"), "size": protocol.IntValue(3), "content": protocol.TextValue(blob),
	}}
}

func many(n int, make func(no string) row) []row {
	rows := []row{}
	for i := range n {
		rows = append(rows, make(fmt.Sprintf("%04d", i)))
	}
	return rows
}

func (b *bench) schema(kind string) *protocol.SectionSchema {
	for _, s := range b.schemas {
		if s.Kind == kind {
			return s
		}
	}
	b.t.Fatalf("no schema of %s", kind)
	return nil
}

func (b *bench) encode(h protocol.Header, rows []row) []byte {
	b.t.Helper()
	enc := protocol.NewEncoder()
	for i, r := range rows {
		s := b.schema(r.kind)
		values := make([]protocol.Value, len(s.Fields))
		for name, v := range r.cells {
			values[slices.IndexFunc(s.Fields, func(f protocol.SchemaField) bool { return f.Name == name })] = v
		}
		b.must(enc.Row(s, &protocol.Row{Op: r.op, Version: protocol.Position(i + 1), Values: values}))
	}
	encoded, err := enc.Finish(h)
	b.must(err)
	return encoded
}

// send seals and queues a batch.
func (b *bench) send(h protocol.Header, rows []row) {
	b.t.Helper()
	sealed, err := b.sealer.SealBatch(b.keys.Keyset(), time.Now(), h.StreamHeader, b.encode(h, rows))
	b.must(err)
	b.enqueue(h.StreamHeader, sealed)
}

func (b *bench) enqueue(h protocol.StreamHeader, sealed []byte) {
	b.t.Helper()
	got, err := b.queue.Enqueue(b.t.Context(), queue.Entry{
		Tenant: h.Tenant, Stream: h.Stream, Gen: h.Gen, Seq: h.Seq, Agent: b.agent.Agent, At: time.Now(), Body: sealed,
	}, h.Seq-1)
	if err != nil || got.Outcome != queue.Accepted {
		b.t.Fatalf("Enqueue = %+v, %v", got, err)
	}
}

func (b *bench) step() bool {
	b.t.Helper()
	worked, err := b.writer.Step(b.t.Context())
	b.must(err)
	return worked
}

// settle steps until nothing is left to do.
func (b *bench) settle() {
	b.t.Helper()
	for b.step() {
	}
}

// loaded brings a kind to ok with the given rows, by a snapshot.
func (b *bench) loaded(kind string, id protocol.SnapshotID, rows ...row) {
	b.t.Helper()
	b.cut(nil, begin(kind, id))
	b.chunk(protocol.Chunk{Kind: kind, Snapshot: id, LastKey: []byte("z")}, rows...)
	b.cut(nil, end(kind, id))
	b.settle()
	b.is(kind, "ok")
}

// first brings a new stream to the timeline.
func (b *bench) first() {
	b.t.Helper()
	b.cut(nil, covers())
}

func (b *bench) state() (store.Stream, map[string]protocol.KindStatus) {
	b.t.Helper()
	st, kinds, err := b.store.StreamState(b.t.Context(), b.agent.Tenant, b.agent.Stream)
	b.must(err)
	all := map[string]protocol.KindStatus{}
	for _, k := range kinds {
		all[k.Kind] = k
	}
	return st, all
}

// is checks a kind's state; "needed held" and the like when it is held.
func (b *bench) is(kind, want string) {
	b.t.Helper()
	_, kinds := b.state()
	got := string(kinds[kind].State)
	if kinds[kind].Held {
		got += " held"
	}
	if got != want {
		b.t.Errorf("%s is %s, want %s", kind, got, want)
	}
}

func (b *bench) at(seq protocol.Seq, position protocol.Position) {
	b.t.Helper()
	st, _ := b.state()
	if st.AppliedSeq != seq || st.Position != position {
		b.t.Errorf("checkpoint is batch %d, position %d, want %d, %d", st.AppliedSeq, st.Position, seq, position)
	}
}

func (b *bench) status(want store.StreamStatus) {
	b.t.Helper()
	if st, _ := b.state(); st.Status != want {
		b.t.Errorf("stream is %s (%s), want %s", st.Status, st.Cause, want)
	}
}

// rows returns a kind's rows as "key=field …", in key order.
func (b *bench) rows(kind, key, field string) string {
	b.t.Helper()
	rows, err := b.db.QueryContext(b.t.Context(), "SELECT "+key+", COALESCE("+field+", '-') FROM rec_"+kind+
		" WHERE tenant_id = $1 ORDER BY "+key, b.agent.Tenant)
	b.must(err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var k, f string
		b.must(rows.Scan(&k, &f))
		all = append(all, k+"="+f)
	}
	b.must(rows.Err())
	return strings.Join(all, " ")
}

func (b *bench) departments(want string) {
	b.t.Helper()
	if got := b.rows("department", "department_no", "name"); got != want {
		b.t.Errorf("departments are %q, want %q", got, want)
	}
}

func (b *bench) queued(want int64) {
	b.t.Helper()
	if d, err := b.queue.Depth(b.t.Context()); err != nil || d.Entries != want {
		b.t.Errorf("%d batches are queued (%v), want %d", d.Entries, err, want)
	}
}

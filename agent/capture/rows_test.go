package capture_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

func TestADocumentIsStoredBeforeARowNamesIt(t *testing.T) {
	b := newBench(t, "document")
	b.src.put("document", "Lønseddel", keysOf(70)...)
	b.to.onBatch = func(h protocol.StreamHeader) error {
		sent := 0
		for _, h := range b.to.headers {
			if h.Chunk != nil {
				sent += 32 // rows of a chunk with documents
			}
		}
		if len(b.to.blobs) < min(sent, 70) {
			t.Errorf("%d documents were there when %d rows came", len(b.to.blobs), sent)
		}
		return nil
	}
	b.settle()
	b.equal()
	if got := len(b.to.blobs); got != 70 {
		t.Errorf("documents = %d, want 70", got)
	}
	b.src.put("document", "Lønseddel", "K99999")
	b.settle()
	b.equal()
	if got := len(b.to.blobs); got != 71 {
		t.Errorf("documents = %d, want 71", got)
	}
	for name, content := range b.to.blobs {
		if !strings.HasPrefix(content, "content of ") {
			t.Errorf("document %s holds %q", name, content)
		}
	}
}

func TestADocumentThatCannotBeStoredHoldsBackItsRowOnly(t *testing.T) {
	b := newBench(t, "department", "document")
	b.settle()
	b.src.put("document", "Lønseddel", "K1")
	b.to.onBlob = func() error { return &protocol.Reject{Code: protocol.CodeBusy} }
	headers := b.since(func() { b.step(5) })
	if len(headers) != 0 {
		t.Errorf("batches = %+v, want none", headers)
	}
	if s := b.c.Status(); s.Code != "busy" {
		t.Errorf("status = %+v", s)
	}
	b.to.onBlob = nil
	b.settle()
	b.equal()
}

// More documents than one source transaction should wait for become a snapshot, in short chunks.
func TestManyNewDocumentsBecomeASnapshot(t *testing.T) {
	b := newBench(t, "document")
	b.settle()
	headers := b.since(func() {
		b.src.put("document", "Lønseddel", keysOf(501)...)
		b.settle()
	})
	b.equal()
	chunks := 0
	for _, h := range headers {
		if h.Chunk != nil {
			chunks++
		}
	}
	if chunks < 501/32 {
		t.Errorf("chunks = %d, want at least %d", chunks, 501/32)
	}
}

func (b *bench) reread(id int64, kind, key string) {
	s := b.src.planned[b.src.order(kind)].Schema
	values := make([]protocol.Value, len(s.Fields))
	values[s.Key[0]] = protocol.TextValue(key)
	b.to.with(func() {
		b.to.rereads = append(b.to.rereads, protocol.Reread{ID: id, Kind: kind, Key: protocol.KeyBytes(s, values)})
	})
}

func TestARereadIsAnsweredAsAChunk(t *testing.T) {
	b := following(t)
	b.to.with(func() {
		delete(b.to.kinds["employee"].rows, "E1")
		b.to.kinds["employee"].rows["E9"] = portalRow{name: "never was"}
	})
	b.reread(1, "employee", "E1")
	b.reread(2, "employee", "E9")
	b.reread(3, "department", "D1")
	headers := b.since(b.settle)
	b.equal()
	if len(headers) != 2 || headers[0].Chunk == nil || headers[0].Chunk.Snapshot != 0 || len(headers[0].Chunk.Rereads) != 2 {
		t.Errorf("batches = %+v, want one chunk per kind", headers)
	}
	if len(b.to.rereads) != 0 {
		t.Errorf("rereads left = %v", b.to.rereads)
	}
}

func TestARereadThatIsUnderWayIsNotAnsweredTwice(t *testing.T) {
	b := following(t)
	b.to.lazy = true
	b.reread(1, "employee", "E1")
	headers := b.since(func() { b.step(20) })
	if len(headers) != 1 {
		t.Errorf("batches = %d, want 1", len(headers))
	}
	b.to.lazy = false
	b.to.apply()
	b.settle()
	b.equal()
}

func TestADamagedRereadIsAnsweredByNoRow(t *testing.T) {
	b := following(t)
	b.to.with(func() {
		b.to.rereads = []protocol.Reread{{ID: 1, Kind: "employee", Key: []byte{0xff}}, {ID: 2, Kind: "place"}}
	})
	headers := b.since(b.settle)
	b.equal()
	if len(headers) != 1 || len(b.to.rereads) != 1 {
		t.Errorf("batches = %d, rereads left = %v; want 1 and the kind that is not planned", len(headers), b.to.rereads)
	}
}

func TestARereadDuringALoad(t *testing.T) {
	b := loading(t)
	b.reread(1, "employee", "K11999")
	b.settle()
	b.equal()
}

func TestBadRowsAreCountedAndTheRestFlows(t *testing.T) {
	tests := map[string]func(b *bench){
		"left out by the source": func(b *bench) { b.src.kinds["employee"].bad = map[string]bool{"E2": true} },
		"refused by the encoder": func(b *bench) { b.src.put("employee", "nul\x00", "E2") },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			b := following(t)
			b.src.put("employee", "Birgit", "E2", "E3")
			spoil(b)
			b.settle()
			if b.to.names("employee")["E3"] != "Birgit" {
				t.Error("the good row did not flow")
			}
			s := b.c.Status()
			if s.Code != "bad-rows" || s.BadRows != 1 || !strings.Contains(s.Error, "employee") || !strings.Contains(s.Error, "name") {
				t.Errorf("status = %+v", s)
			}
			if strings.Contains(s.Error, "nul") {
				t.Errorf("the status shows content: %s", s.Error)
			}
			b.src.kinds["employee"].bad = nil
			b.src.put("employee", "Birgit", "E2")
			b.src.truncate("employee") // a snapshot counts anew
			b.settle()
			b.equal()
			if s := b.c.Status(); s.Code != "" || s.BadRows != 0 {
				t.Errorf("status = %+v, want none", s)
			}
		})
	}
}

// N1: the portal keeps the last good state of a row that cannot be sent, also through a snapshot of its kind.
func TestASnapshotKeepsWhatThePortalHasOfABadRow(t *testing.T) {
	tests := map[string]struct {
		kind  string
		spoil func(b *bench)
		sent  int64 // rows of the snapshot
	}{
		"text with NUL": {"employee", func(b *bench) { b.src.put("employee", "nul\x00", "K1") }, 1},
		"a value that the source cannot convert": {"employee", func(b *bench) {
			b.src.put("employee", "Ny", "K1")
			b.src.kinds["employee"].bad = map[string]bool{"K1": true}
		}, 1},
		"no value that the source can convert": {"employee", func(b *bench) {
			b.src.put("employee", "Ny", "K1", "K2")
			b.src.kinds["employee"].bad = map[string]bool{"K1": true, "K2": true}
		}, 0},
		"a document that is too large": {"document", func(b *bench) {
			b.src.kinds["document"].huge = map[string]bool{"K1": true}
			b.src.put("document", "Ny", "K1")
		}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tt.kind)
			b.src.put(tt.kind, "Aase", "K1", "K2")
			b.settle()
			before := b.c.Status().RowsSent
			tt.spoil(b)
			b.src.expire(tt.kind) // the kind is read anew
			b.settle()
			if got := b.c.Status().RowsSent - before; got != tt.sent {
				t.Errorf("rows sent = %d, want %d", got, tt.sent)
			}
			if got := len(b.begins(tt.kind)); got != 2 {
				t.Fatalf("snapshots = %d, want 2", got)
			}
			if got := b.to.names(tt.kind)["K1"]; got != "Aase" {
				t.Errorf("row = %q, want its last good state", got)
			}
			if s := b.c.Status(); s.BadRows == 0 || s.Code != "bad-rows" {
				t.Errorf("status = %+v", s)
			}
		})
	}
}

func TestStatusTellsHowFarALoadIs(t *testing.T) {
	b := loading(t)
	b.to.lazy = true
	b.step(2)
	s := b.c.Status()
	if s.State != "loading" || len(s.Loading) != 1 {
		t.Fatalf("status = %+v", s)
	}
	if l := s.Loading[0]; l.Kind != "employee" || l.Total != 12_000 || l.Rows == 0 || l.Rows > 12_000 {
		t.Errorf("progress = %+v", l)
	}
	if s.Unsent == 0 || s.BatchesOut == 0 || s.SourceAt == 0 {
		t.Errorf("status = %+v", s)
	}
	b.to.lazy = false
	b.to.apply()
	b.settle()
	if s := b.c.Status(); s.Unsent != 0 || len(s.Loading) != 0 || s.RowsSent < 12_000 {
		t.Errorf("status = %+v", s)
	}
}

// endless is a main system of one kind with a given number of rows that exist only while they are read.
type endless struct {
	*mainSystem
	rows int
}

func (e *endless) Begin(ctx context.Context) (source.Tx, error) {
	tx, err := e.mainSystem.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &endlessTx{modelTx: tx.(*modelTx), rows: e.rows}, nil
}

type endlessTx struct {
	*modelTx
	rows int
}

func (tx *endlessTx) Chunk(_ context.Context, _ string, after []byte, limit int, yield func(*protocol.Row) error) ([]byte, bool, error) {
	n := 0
	if after != nil {
		if _, err := fmt.Sscanf(string(after), "%d", &n); err != nil {
			return nil, false, err
		}
	}
	values := make([]protocol.Value, 4)
	for range limit {
		if n++; n > tx.rows {
			return []byte(fmt.Sprint(n - 1)), true, nil
		}
		values[0], values[1] = protocol.TextValue(fmt.Sprint(n)), protocol.TextValue("Afdeling med et langt navn")
		if err := yield(&protocol.Row{Version: 1, Values: values}); err != nil {
			return nil, false, err
		}
	}
	return []byte(fmt.Sprint(n)), false, nil
}

// sink takes batches and keeps nothing of them.
type sink struct {
	*portal
	rows, most int
	heap       uint64
}

func (s *sink) Batch(_ context.Context, h protocol.StreamHeader, encoded []byte) (protocol.BatchAnswer, error) {
	s.rows++
	s.most = max(s.most, len(encoded))
	if s.rows%20 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.heap = max(s.heap, m.HeapAlloc)
	}
	s.applied = h.Seq
	return protocol.BatchAnswer{AppliedSeq: h.Seq}, nil
}

func TestMemoryDoesNotGrowWithTheTable(t *testing.T) {
	peak := func(rows int) uint64 {
		src := &endless{mainSystem: newMainSystem(t, "department"), rows: rows}
		to := &sink{portal: newPortal(t)}
		c := capture.New(src, to, capture.Config{Tenant: tenant, Stream: stream})
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		for to.rows < rows/protocol.MaxBatchRows {
			if _, err := c.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return to.heap - min(to.heap, before.HeapAlloc)
	}
	small, large := peak(150_000), peak(1_500_000)
	if large > small+8<<20 {
		t.Errorf("heap peaked at %d kB for ten times the rows, %d kB before", large>>10, small>>10)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	b := newBench(t, "department")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.c.Run(ctx); err != nil {
		t.Errorf("run = %v, want nil", err)
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("run ended by itself")
	}
}

package sqlserver

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// portal is a receiver that has what it is sent at once.
type portal struct {
	capture.Receiver // what a stream that is followed does not use
	applied          atomic.Int64
	mu               sync.Mutex
	status           protocol.AgentStatus // of the last check-in
	state            source.State
}

func (p *portal) Open(context.Context, protocol.OpenRequest) (protocol.OpenAnswer, error) {
	return protocol.OpenAnswer{Gen: 1, Lineage: p.state.Lineage, Position: p.state.Position, Kinds: p.kinds()}, nil
}

func (p *portal) kinds() (list []protocol.KindStatus) {
	for _, name := range []string{"department", "place"} {
		list = append(list, protocol.KindStatus{Kind: name, State: protocol.KindOK, Epoch: p.state.Kinds[name].Epoch})
	}
	return list
}

func (p *portal) Batch(_ context.Context, h protocol.StreamHeader, _ []byte) (protocol.BatchAnswer, error) {
	p.applied.Store(int64(h.Seq))
	return protocol.BatchAnswer{AppliedSeq: h.Seq}, nil
}

func (p *portal) CheckIn(ctx context.Context, r protocol.CheckInRequest) (protocol.CheckInAnswer, error) {
	p.mu.Lock()
	p.status = r.Status
	p.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(r.WaitMillis) * time.Millisecond):
	}
	applied := protocol.Seq(p.applied.Load())
	return protocol.CheckInAnswer{Gen: r.Gen, AppliedSeq: applied, Enqueued: applied, Kinds: p.kinds(),
		Lineage: p.state.Lineage, Position: p.state.Position}, nil
}

// told returns what the last check-in said.
func (p *portal) told() protocol.AgentStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// follow runs capture on a source, on a fake clock: once the stream is followed each step happens, and then a while passes.
func (s *server) follow(t *testing.T, src *Source, during time.Duration, steps ...func(*portal)) *portal {
	t.Helper()
	p := &portal{state: s.look(t, src)}
	c := capture.New(src, p, capture.Config{Tenant: 1, Stream: 1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	<-time.After(10 * time.Second)
	synctest.Wait()
	for _, step := range steps {
		s.mu.Lock()
		step(p)
		s.mu.Unlock()
		<-time.After(during)
		synctest.Wait()
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	return p
}

func nothingChanged(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if strings.Contains(query, "COUNT_BIG") {
		return resultOf([]driver.Value{int64(0)}), nil
	}
	return resultOf(), nil
}

// TestTroubleIsWaitedOut has a server refuse to serve for an hour, in every way that passes: it is asked again after
// pauses that grow to minutes and are not the same twice, operations are told why, and it is followed again afterwards.
func TestTroubleIsWaitedOut(t *testing.T) {
	tests := map[string]struct {
		err  error
		code string
	}{
		"a deadlock's victim":             {mssql.Error{Number: 1205, Class: 13, Message: "deadlock"}, "source-busy"},
		"a snapshot conflict":             {mssql.Error{Number: 3960, Class: 16, Message: "conflict"}, "source-busy"},
		"a lock waited for too long":      {mssql.Error{Number: 1222, Class: 16, Message: "lock"}, "source-busy"},
		"a server without memory":         {mssql.Error{Number: 701, Class: 17, Message: "memory"}, "source-busy"},
		"a fail-over":                     {mssql.Error{Number: 983, Class: 14, Message: "not accessible"}, "source-gone"},
		"a connection that breaks":        {io.ErrUnexpectedEOF, "source-gone"},
		"a server that does not answer":   {context.DeadlineExceeded, "source-gone"},
		"a connection the driver gave up": {driver.ErrBadConn, "source-gone"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				s.rows = nothingChanged
				src := s.source(t, fakePlan)
				var tries []time.Time
				refuse := func(*portal) {
					s.refuse = func(query string) error {
						if !strings.Contains(query, "sys.objects AS o") {
							return nil
						}
						tries = append(tries, time.Now())
						return tt.err
					}
				}
				p := s.follow(t, src, time.Hour, refuse, func(p *portal) {
					last := p.told()
					if last.Code != tt.code || last.State != "failing" || !strings.Contains(last.Error, "main system database") {
						t.Errorf("status = %s %s %q, want %s", last.State, last.Code, last.Error, tt.code)
					}
					if first := tries[0].UnixMilli(); last.Since != first {
						t.Errorf("since %d, want the first try's %d", last.Since, first)
					}
					s.refuse = nil
				})
				if len(tries) < 12 || len(tries) > 40 {
					t.Errorf("%d tries in an hour, want a few", len(tries))
				}
				var pauses []time.Duration
				for i, at := range tries[1:] {
					pauses = append(pauses, at.Sub(tries[i]))
				}
				slices.Sort(pauses)
				if longest := pauses[len(pauses)-1]; longest < 2*time.Minute || len(slices.Compact(pauses)) < len(tries)-3 {
					t.Errorf("pauses %v, want them to grow, none like another", pauses)
				}
				if last := p.told(); last.Code != "" || last.State != "following" {
					t.Errorf("afterwards: %+v", last)
				}
			})
		})
	}
}

// TestAThousandPolls follows a server in which something changes before every poll, for 1,000 of them and more: one
// connection, and a few texts that the server compiles once (trap 15).
func TestAThousandPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		texts, polls := map[string]int{}, 0
		now := int64(100)
		s.refuse = func(query string) error {
			texts[query]++
			if strings.Contains(query, "DATABASEPROPERTYEX") {
				polls++
				now++
				s.before, s.inside = now, now
			}
			return nil
		}
		s.rows = func(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
			switch {
			case strings.Contains(query, "COUNT_BIG"):
				return resultOf([]driver.Value{int64(1)}), nil
			case strings.Contains(query, "NOT EXISTS"):
				return resultOf(), nil
			}
			return resultOf([]driver.Value{int64(7), fmt.Sprintf("Salg %d", now)}), nil
		}
		src := s.source(t, fakePlan)
		p := s.follow(t, src, 40*time.Minute, func(*portal) {})
		if polls < 1000 || p.applied.Load() < 900 {
			t.Errorf("%d polls, %d batches, want 1,000", polls, p.applied.Load())
		}
		if len(texts) > 16 {
			t.Errorf("%d statement texts", len(texts))
		}
		for text, n := range texts {
			if n == 1 && !slices.Contains([]string{describeSQL, indexesSQL, columnsSQL}, text) {
				t.Errorf("only once: %s", text)
			}
		}
		if s.most != 1 {
			t.Errorf("%d connections at once, want 1", s.most)
		}
	})
}

// TestAThousandChunks reads 1,000 pieces whose cursors are texts and numbers of every length: the texts are those of the
// first, and so are the parameters' types, which the server compiles a text for as well.
func TestAThousandChunks(t *testing.T) {
	s := newServer()
	nr, firm := nvarchar("Nr"), whole("Firma")
	nr.id, nr.readable, firm.id, firm.readable = 3, true, 4, true
	sted := s.tables["Sted"]
	sted.columns, sted.key = append(sted.columns[1:], firm, nr), []string{"Firma", "Nr"}
	seen := map[string]bool{}
	n := 0
	s.rows = func(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
		for _, a := range args {
			query += fmt.Sprintf(" %T", a.Value)
		}
		seen[query] = true
		n++
		return resultOf([]driver.Value{fmt.Sprint(n), "Allerød", int64(n * n), strings.Repeat("x", n%50)}), nil
	}
	text := strings.NewReplacer("as: s, key: Nr", "as: s, key: [Firma, Nr]", "s.Nr", `{expr: "CONCAT(s.Firma, '/', s.Nr)"}`).Replace(fakePlan)
	src := s.source(t, text)
	var after []byte
	for range 1000 {
		tx := s.begin(t, src)
		var err error
		if after, _, err = tx.Chunk(t.Context(), "place", after, 1, func(*protocol.Row) error { return nil }); err != nil {
			t.Fatal(err)
		}
		tx.Close()
	}
	if len(seen) != 2 { // the first, and those after a cursor, whose first statement fills the piece
		t.Errorf("%d texts with their parameters' types: %v", len(seen), seen)
	}
}

// long is a result of many rows, made as they are read.
type long struct {
	*result
	left int
}

func (l *long) Next(dest []driver.Value) error {
	if l.left--; l.left < 0 {
		return io.EOF
	}
	dest[0], dest[1] = int64(l.left), strings.Repeat("x", 100)
	return nil
}

// TestMemoryStaysFlat reads a million rows of 100 MB: what is held after most of them is what was held after the first.
func TestMemoryStaysFlat(t *testing.T) {
	const rows = 1_000_000
	s := newServer()
	s.rows = func(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
		return &long{result: &result{rows: [][]driver.Value{{nil, nil}}}, left: rows}, nil
	}
	tx := s.begin(t, s.source(t, fakePlan))
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var n, first int
	var before, after uint64
	err := tx.Upserts(t.Context(), "department", 1, func(r *protocol.Row) error {
		switch n++; n {
		case 1000:
			before, first = held(), len(r.Values[1].S)
		case rows - 1:
			after = held()
		}
		return nil
	})
	if err != nil || n != rows || first != 100 {
		t.Fatalf("%d rows, %d characters, %v", n, first, err)
	}
	if after > before+1<<20 {
		t.Errorf("held %d bytes after 1,000 rows and %d after %d", before, after, rows)
	}
}

// slow is a result that takes the server a second.
type slow struct{ *result }

func (r *slow) Next(dest []driver.Value) error {
	<-time.After(time.Second)
	return r.result.Next(dest)
}

// TestTheBudgetIsKeptWhileFollowing has every count take a second of a database of which six a minute may be taken.
func TestTheBudgetIsKeptWhileFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		src, err := newSource(s, parsed(t, fakePlan), Config{Budget: 6 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		counts := 0
		s.rows = func(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
			if !strings.Contains(query, "COUNT_BIG") {
				return resultOf(), nil
			}
			counts++
			return &slow{resultOf([]driver.Value{int64(0)})}, nil
		}
		s.refuse = func(query string) error {
			if strings.Contains(query, "DATABASEPROPERTYEX") {
				s.before = s.before.(int64) + 1
				s.inside = s.before
			}
			return nil
		}
		s.follow(t, src, time.Hour, func(*portal) {})
		if counts < 300 || counts > 370 {
			t.Errorf("%d seconds of an hour taken, want about 360", counts)
		}
		if load := src.Load(); load.Spent < 300*time.Second || load.Spent > 370*time.Second || load.Waited == 0 {
			t.Errorf("told: %+v", load)
		}
	})
}

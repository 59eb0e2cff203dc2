package writer_test

import (
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
)

func TestRules(t *testing.T) {
	rules := map[string]func(t *testing.T, b *bench){
		"a snapshot and a cut bring rows": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"), department("2", "Lager"))
			b.cut([]row{department("2", "Logistik"), noDepartment("1"), department("3", "IT")})
			b.departments("2=Logistik 3=IT")
			b.queued(0)
		},
		"a batch of another generation is dropped": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.open()
			h := b.header() // number 1, as the new generation's first would be
			b.open()
			b.send(h, []row{department("1", "gammel")})
			b.settle()
			b.departments("1=Salg")
			b.at(0, 3)
			b.queued(0)
		},
		"a batch that is delivered again is dropped": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			h := b.header()
			b.send(h, []row{department("1", "ny")})
			b.settle()
			b.cut([]row{department("1", "nyere")})
			b.forget()
			b.send(h, []row{department("1", "ny")})
			b.settle()
			b.departments("1=nyere")
			b.status(store.StreamOK)
		},
		"a batch beyond the next is dropped": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			lost := b.header()
			b.send(b.header(), []row{department("1", "for tidlig")})
			b.settle()
			b.departments("1=Salg")
			b.at(lost.Seq-1, lost.From)
			b.status(store.StreamOK)
		},
		"a revoked agent's batch is dropped": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.must(b.store.SetAgentState(b.t.Context(), b.agent.Tenant, b.agent.Agent, store.AgentRevoked))
			b.cut([]row{department("1", "ny")})
			b.departments("1=Salg")
			b.queued(0)
		},
		"a suspended tenant's batch is dropped": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.must(b.store.SuspendTenant(b.t.Context(), b.agent.Tenant, true))
			b.cut([]row{department("1", "ny")})
			b.departments("1=Salg")
		},
		"another agent's batch is dropped": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.agent.Agent++
			b.cut([]row{department("1", "ny")})
			b.departments("1=Salg")
		},
		"a cut of another timeline that covers something holds the stream until the next OPEN": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut([]row{department("1", "fremmed")}, func(h *protocol.Header) { h.Lineage = "lineage-2" })
			b.departments("1=Salg")
			b.status(store.StreamHeld)
			b.open()
			b.cut([]row{department("1", "ny")})
			b.departments("1=ny")
			b.status(store.StreamOK)
		},
		"a chunk of another timeline holds the stream": func(_ *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 1))
			b.cut([]row{department("1", "fremmed")}, func(h *protocol.Header) {
				h.Lineage, h.Chunk = "lineage-2", &protocol.Chunk{Kind: "department", Snapshot: 1}
			})
			b.departments("")
			b.status(store.StreamHeld)
		},
		"of another timeline only a whole cut is taken that covers, ends and holds nothing": func(t *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			cases := map[string]struct {
				rows   []row
				change func(*protocol.Header)
			}{
				"it covers":    {change: covers("employee")},
				"it ends":      {change: func(h *protocol.Header) { h.End = []protocol.End{{Kind: "department", Snapshot: 1}} }},
				"it holds":     {rows: []row{department("1", "fremmed")}, change: covers()},
				"it is a part": {change: func(h *protocol.Header) { h.Last = false }},
				"it is a chunk": {change: func(h *protocol.Header) {
					h.Chunk = &protocol.Chunk{Kind: "department", Snapshot: 1}
				}},
			}
			for name, c := range cases {
				t.Log(name)
				b.cut(c.rows, covers(), func(h *protocol.Header) { h.Lineage = "lineage-2" }, c.change)
				b.status(store.StreamHeld)
				b.departments("1=Salg")
				b.open()
			}
		},
		"a suspended stream's batch is dropped": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.must(b.store.SuspendStream(b.t.Context(), b.agent.Tenant, b.agent.Stream, store.Cause{Code: store.CausePerson, Note: "prøve"}))
			b.cut([]row{department("1", "ny")})
			b.departments("1=Salg")
			b.queued(0)
		},
		"a held stream's next batch is dropped, though it fits": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			fits := b.header()
			b.seq--
			b.cut(nil, func(h *protocol.Header) { h.From, h.To = 99, 100 })
			b.forget()
			b.send(fits, []row{department("1", "ny")})
			b.settle()
			b.departments("1=Salg")
			b.status(store.StreamHeld)
		},
		"a cut of another timeline that covers nothing is where every kind begins anew": func(t *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut(nil, begin("department", 2), covers(), func(h *protocol.Header) { h.Lineage, h.From, h.To = "lineage-2", 1, 1 })
			b.is("department", "running")
			b.is("employee", "needed")
			b.departments("1=Salg")
			if st, _ := b.state(); st.Lineage != "lineage-2" || st.Position != 1 {
				t.Errorf("checkpoint is %s %d, want lineage-2 1", st.Lineage, st.Position)
			}
		},
		"a cut that begins beyond the position holds the stream": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut([]row{department("1", "ny")}, func(h *protocol.Header) { h.From, h.To = 99, 100 })
			b.departments("1=Salg")
			b.status(store.StreamHeld)
		},
		"a cut that ends before the position holds the stream": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut([]row{department("1", "gammel")}, func(h *protocol.Header) { h.From, h.To = 0, 1 })
			b.departments("1=Salg")
			b.status(store.StreamHeld)
		},
		"a batch that does not open holds the stream": func(_ *testing.T, b *bench) {
			b.first()
			b.enqueue(b.header().StreamHeader, []byte("ikke forseglet"))
			b.settle()
			b.status(store.StreamHeld)
			b.queued(0)
		},
		"a batch that is sealed for another place holds the stream": func(_ *testing.T, b *bench) {
			b.first()
			h := b.header()
			moved := h.StreamHeader
			moved.Seq++
			sealed, err := b.sealer.SealBatch(b.keys.Keyset(), time.Now(), moved, b.encode(h, nil))
			b.must(err)
			b.enqueue(h.StreamHeader, sealed)
			b.settle()
			b.status(store.StreamHeld)
		},
		"a batch with a schema that OPEN did not name holds the stream": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1)
			narrow, err := protocol.NewSchema(b.schemas[0].Record, []string{"name"})
			b.must(err)
			b.schemas[0] = protocol.PrepareSchema(narrow)
			b.cut([]row{department("1", "Salg")})
			b.status(store.StreamHeld)
		},
		"only the last batch of a cut moves the position": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1)
			b.cut([]row{department("1", "Salg")}, func(h *protocol.Header) { h.Last = false })
			b.at(5, 3)
			b.departments("1=Salg")
			b.cut([]row{department("2", "Lager")})
			b.at(6, 4)
			b.departments("1=Salg 2=Lager")
		},
		"a chunk moves the cursor, never the position": func(t *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 1))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 1, LastKey: []byte("m")}, department("1", "Salg"))
			b.at(3, 2)
			if _, kinds := b.state(); string(kinds["department"].LastKey) != "m" {
				t.Errorf("cursor is %q, want m", kinds["department"].LastKey)
			}
		},
		"a kind that a cut neither covers nor begins is needed": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut(nil, covers("employee"))
			b.is("department", "needed")
			b.departments("1=Salg")
		},
		"a kind that only the first batch of a cut leaves out is not needed yet": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1)
			b.cut(nil, covers("employee"), func(h *protocol.Header) { h.Last = false })
			b.is("department", "ok")
		},
		"rows of a needed kind are ignored": func(_ *testing.T, b *bench) {
			b.first()
			b.cut([]row{department("1", "Salg")})
			b.departments("")
			b.is("department", "needed")
		},
		"rows of a kind that the cut does not cover are ignored": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut([]row{department("1", "ny")}, covers("employee"), func(h *protocol.Header) { h.Last = false })
			b.departments("1=Salg")
		},
		"rows, begin and end of a suspended kind are ignored, and it stays suspended": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut(nil, begin("department", 2))
			b.must(b.store.SuspendKind(b.t.Context(), b.agent.Tenant, b.agent.Stream, "department", store.Cause{Code: store.CausePerson, Note: "prøve"}))
			b.cut([]row{department("1", "ny")})
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 2}, department("1", "ny"))
			b.cut(nil, end("department", 2))
			b.cut(nil, begin("department", 3))
			b.cut(nil, covers())
			b.departments("1=Salg")
			b.is("department", "suspended")
		},
		"a chunk of a snapshot that is not the running one is ignored": func(_ *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 1))
			b.cut(nil, begin("department", 2))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 1, LastKey: []byte("m")}, department("1", "gammel"))
			b.departments("")
			b.cut(nil, end("department", 1))
			b.is("department", "running")
		},
		"the sweep deletes what the snapshot did not hold and keeps what a cut wrote meanwhile": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"), department("2", "Lager"), department("3", "IT"), department("4", "HR"))
			b.cut(nil, begin("department", 2))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 2}, department("1", "Salg"), department("2", "Lager ny"))
			b.cut([]row{department("0", "Ledelse"), department("4", "HR ny"), noDepartment("2")})
			b.departments("0=Ledelse 1=Salg 2=Lager ny 3=IT 4=HR ny")
			b.cut(nil, end("department", 2))
			b.is("department", "sweeping")
			b.settle()
			b.is("department", "ok")
			b.departments("0=Ledelse 1=Salg 4=HR ny")
		},
		"the portal shows the old rows while a snapshot runs": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut(nil, begin("department", 2))
			b.departments("1=Salg")
		},
		"while sweeping, a delete is immediate": func(_ *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 1))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 1}, department("1", "Salg"))
			b.cut(nil, end("department", 1))
			b.is("department", "sweeping")
			b.cut([]row{noDepartment("1")})
			b.departments("")
		},
		"a writer that crashed goes on sweeping": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"), department("2", "Lager"))
			b.cut(nil, begin("department", 2))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 2}, department("1", "Salg"))
			b.cut(nil, end("department", 2))
			b.restart()
			b.settle()
			b.is("department", "ok")
			b.departments("1=Salg")
		},
		"a reread answers a dead letter": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1)
			bad := department("1", "")
			delete(bad.cells, "name")
			b.cut([]row{bad, department("2", "Lager")})
			id := b.letters(1)[0].ID
			b.chunk(protocol.Chunk{Kind: "department", Rereads: []int64{id}}, department("1", "Salg"))
			b.departments("1=Salg 2=Lager")
			b.letters(0)
		},
		"a reread that finds nothing ends the dead letter": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1)
			bad := department("1", "")
			delete(bad.cells, "name")
			b.cut([]row{bad})
			id := b.letters(1)[0].ID
			b.chunk(protocol.Chunk{Kind: "department", Rereads: []int64{id}})
			b.letters(0)
		},
		"a batch that says another place than it was sealed for holds the stream": func(_ *testing.T, b *bench) {
			b.first()
			h := b.header()
			inside := h
			inside.Tenant++
			sealed, err := b.sealer.SealBatch(b.keys.Keyset(), time.Now(), h.StreamHeader, b.encode(inside, nil))
			b.must(err)
			b.enqueue(h.StreamHeader, sealed)
			b.settle()
			b.status(store.StreamHeld)
		},
		"nothing of a row is ever logged": func(t *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "hemmelig"))
			bad := department("hemmelig", "")
			delete(bad.cells, "name")
			b.cut([]row{bad, department("2", "hemmelig")})
			b.cut([]row{department("3", "hemmelig")}, func(h *protocol.Header) { h.From, h.To = 90, 91 })
			if strings.Contains(b.log.String(), "hemmelig") {
				t.Errorf("the log holds content:\n%s", b.log)
			}
			if !strings.Contains(b.log.String(), "stream held") {
				t.Errorf("the log lacks the hold:\n%s", b.log)
			}
		},
	}
	hold(t, rules)
}

// hold runs rules, each with a tenant of its own.
func hold(t *testing.T, rules map[string]func(t *testing.T, b *bench)) {
	t.Helper()
	everywhere(t, func(t *testing.T, first *bench) {
		n := 0
		for name, rule := range rules {
			t.Run(name, func(t *testing.T) {
				b := *first
				b.t = t
				b.log.Reset()
				b.enrol("tenant " + string(rune('a'+n)))
				n++
				rule(t, &b)
			})
		}
	})
}

// forget makes the queue forget all it knows, so that it takes a batch again.
func (b *bench) forget() {
	b.t.Helper()
	b.must(b.redis.FlushAll(b.t.Context()).Err())
	b.queue = queue.New(b.redis, queue.Config{Block: 100 * time.Millisecond})
	b.restart()
}

func (b *bench) letters(want int) []store.DeadLetter {
	b.t.Helper()
	got, err := b.store.DeadLetters(b.t.Context(), b.agent.Tenant, b.agent.Stream, 100)
	b.must(err)
	if len(got) != want {
		b.t.Fatalf("%d dead letters wait, want %d", len(got), want)
	}
	return got
}

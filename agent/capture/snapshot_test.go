package capture_test

import (
	"slices"
	"testing"

	"lessor.dk/portalsync/protocol"
)

// loading is a bench whose load of 12,000 employees has applied its first chunk.
func loading(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, "department", "employee")
	b.src.put("department", "Løn", "D1")
	b.src.put("employee", "Aase", keysOf(12_000)...)
	for range 100 {
		b.step(1)
		b.to.mu.Lock()
		running := len(b.to.kinds) > 0 && b.to.kinds["employee"].status.LastKey != nil
		b.to.mu.Unlock()
		if running {
			return b
		}
	}
	t.Fatal("the load did not begin")
	return nil
}

func (b *bench) snapshot(kind string) protocol.SnapshotID {
	b.to.mu.Lock()
	defer b.to.mu.Unlock()
	return b.to.kinds[kind].status.Snapshot
}

// begins returns the snapshots that began for a kind, repeats of a batch once.
func (b *bench) begins(kind string) []protocol.SnapshotID {
	var ids []protocol.SnapshotID
	for _, h := range b.to.headers {
		for _, begin := range h.Begin {
			if begin.Kind == kind && !slices.Contains(ids, begin.Snapshot) {
				ids = append(ids, begin.Snapshot)
			}
		}
	}
	return ids
}

// ● Every source transaction reads lineage and validity, chunks included.
func TestWhatHappensDuringALoad(t *testing.T) {
	tests := map[string]struct {
		happens func(b *bench)
		begins  int // snapshots of employee in all
	}{
		"rows change on both sides of the cursor": {begins: 1, happens: func(b *bench) {
			b.src.put("employee", "Birgit", "K00001", "K11999", "A1", "Z1")
			b.src.remove("employee", "K00002", "K11998")
			b.src.move("employee", "K00003", "Z2")
			b.src.move("employee", "K11997", "A2")
		}},
		"the table is truncated": {begins: 2, happens: func(b *bench) {
			b.src.truncate("employee")
			b.src.put("employee", "Birgit", "K00001")
		}},
		"the change data expires": {begins: 2, happens: func(b *bench) {
			b.src.remove("employee", "K00001")
			b.src.expire("employee")
		}},
		"the change data of what was read already is cleaned up": {begins: 1, happens: func(b *bench) {
			b.src.cleanUp(b.src.position)
			b.src.remove("employee", "K00001")
		}},
		"tracking is switched off and on": {begins: 2, happens: func(b *bench) {
			b.src.untrack("employee")
			b.src.remove("employee", "K00001")
			b.src.track("employee")
		}},
		"tracking is switched off, noticed, and on": {begins: 2, happens: func(b *bench) {
			b.src.untrack("employee")
			b.settle()
			b.src.remove("employee", "K00001")
			b.src.track("employee")
		}},
		"the table is replaced":     {begins: 2, happens: func(b *bench) { b.src.replace("employee", "K00001", "L1") }},
		"the table has another key": {begins: 2, happens: func(b *bench) { b.src.rekey("employee", "A") }},
		"a row is deleted and made again in one transaction, another made and deleted": {begins: 1, happens: func(b *bench) {
			b.src.inOne(func(put, remove func(kind, key string)) {
				remove("employee", "K00001")
				put("employee", "K00001")
				put("employee", "A1")
				remove("employee", "A1")
			})
		}},
		"a secondary replica answers for a while": {begins: 1, happens: func(b *bench) {
			b.src.err = errSecondary
			b.step(5)
			b.src.err = nil
		}},
		"a replica that lags answers for a while, and a person restarts the agent": {begins: 1, happens: func(b *bench) {
			behind := b.src.copied()
			b.src.put("department", "Bogholderi", "D2")
			for b.to.names("department")["D2"] == "" {
				b.step(1)
			}
			primary := b.src.copied()
			behind.put(b.src, primary.lineage)
			if sent := b.since(func() { b.step(20) }); slices.ContainsFunc(sent, func(h protocol.Header) bool { return h.To < primary.position }) {
				b.t.Errorf("what an older state holds was sent: %+v", sent)
			}
			primary.put(b.src, primary.lineage)
			b.restart()
		}},
		"an old copy is restored": {begins: 2, happens: func(b *bench) {
			old := b.src.copied()
			b.src.put("employee", "Birgit", "K00001", "Z1")
			b.step(3)
			old.put(b.src, "second")
		}},
		"an old copy is restored and goes on past where it was": {begins: 2, happens: func(b *bench) {
			old := b.src.copied()
			b.src.put("employee", "Birgit", "K00001", "Z1")
			b.step(3)
			old.put(b.src, "second")
			b.src.elsewhere(1000)
		}},
		"the main system is restored": {begins: 2, happens: func(b *bench) {
			b.src.restore("second", 1, "employee", "K00001")
		}},
		"the main system is restored and goes on past where it was": {begins: 2, happens: func(b *bench) {
			b.src.restore("second", 1000, "employee", "K00001")
		}},
		"the agent restarts": {begins: 1, happens: func(b *bench) { b.restart() }},
		"the agent restarts and the table is truncated meanwhile": {begins: 2, happens: func(b *bench) {
			b.src.truncate("employee")
			b.restart()
		}},
		"the agent restarts after the change data expired": {begins: 2, happens: func(b *bench) {
			b.src.remove("employee", "K00001")
			b.src.expire("employee")
			b.restart()
		}},
		"the agent restarts on a restored main system": {begins: 2, happens: func(b *bench) {
			b.src.restore("second", 1000, "employee", "K00001")
			b.restart()
		}},
		"the kind is suspended and released": {begins: 2, happens: func(b *bench) {
			b.to.with(func() {
				b.to.kinds["employee"].status = protocol.KindStatus{Kind: "employee", State: protocol.KindSuspended}
			})
			b.settle()
			b.to.with(func() { b.to.kinds["employee"].status.State = protocol.KindNeeded })
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := loading(t)
			tt.happens(b)
			b.settle()
			b.equal()
			ids := b.begins("employee")
			if len(ids) != tt.begins {
				t.Errorf("snapshots of employee = %v, want %d", ids, tt.begins)
			}
			if !slices.IsSorted(ids) {
				t.Errorf("snapshot ids %v do not grow", ids)
			}
		})
	}
}

func TestAResumedSnapshotReadsOnFromItsLastKey(t *testing.T) {
	b := loading(t)
	id := b.snapshot("employee")
	b.to.mu.Lock()
	after := string(b.to.kinds["employee"].status.LastKey)
	seen := len(b.to.headers)
	b.to.mu.Unlock()
	b.restart()
	b.settle()
	b.equal()
	for _, h := range b.to.headers[seen:] {
		if h.Chunk != nil && (h.Chunk.Snapshot != id || string(h.Chunk.LastKey) <= after) {
			t.Errorf("chunk of snapshot %d up to %q, want %d past %q", h.Chunk.Snapshot, h.Chunk.LastKey, id, after)
		}
	}
}

// ● A snapshot begins and ends with a cut; chunks move last_key, never the position.
func TestASnapshotBeginsAndEndsWithACut(t *testing.T) {
	b := newBench(t, "department")
	b.src.put("department", "Løn", "D1")
	b.settle()
	var shape []string
	for _, h := range b.to.headers {
		switch {
		case len(h.Begin) > 0:
			shape = append(shape, "begin")
		case h.Chunk != nil:
			shape = append(shape, "chunk")
		case len(h.End) > 0:
			shape = append(shape, "end")
		}
		if h.Chunk != nil && h.Last {
			t.Error("a chunk is marked as the last batch of a cut")
		}
	}
	if want := []string{"begin", "chunk", "end"}; !slices.Equal(shape, want) {
		t.Errorf("batches = %v, want %v", shape, want)
	}
}

func TestAnEmptyKindIsLoadedWithoutAChunk(t *testing.T) {
	b := newBench(t, "department")
	b.settle()
	b.equal()
	if got, want := len(b.to.headers), 2; got != want {
		t.Errorf("batches = %d, want %d: begin and end", got, want)
	}
}

func TestChangesDoNotWaitForALoad(t *testing.T) {
	b := loading(t)
	b.src.put("department", "Bogholderi", "D2")
	chunks := func() (n int) {
		for _, h := range b.to.headers {
			if h.Chunk != nil && h.Chunk.Kind == "employee" {
				n++
			}
		}
		return n
	}
	before := chunks()
	for b.to.names("department")["D2"] == "" {
		b.step(1)
		if chunks() > before+1 {
			t.Fatal("two chunks were sent before the change")
		}
	}
	if b.to.state("employee") != protocol.KindRunning {
		t.Error("the load was over before the change was seen")
	}
}

// A parent or a small kind that becomes needed does not wait for the end of a long load.
func TestASmallKindOvertakesALargeOne(t *testing.T) {
	b := newBench(t, "employee", "place")
	b.src.put("employee", "Aase", keysOf(60_000)...)
	b.src.put("place", "Kontor", "P1")
	for b.to.kinds["place"] == nil || b.to.state("place") != protocol.KindOK {
		b.step(1)
	}
	if got := b.to.state("employee"); got == protocol.KindOK {
		t.Error("the small kind waited for the large one")
	}
	b.settle()
	b.equal()
}

func TestOneSnapshotRunsAtATimeParentsFirst(t *testing.T) {
	b := newBench(t, "department", "employee", "place")
	b.src.put("department", "Løn", "D1")
	b.src.put("employee", "Aase", "E1")
	b.src.put("place", "Kontor", "P1")
	b.settle()
	b.equal()
	var order []string
	open := 0
	for _, h := range b.to.headers {
		open -= len(h.End)
		for _, begin := range h.Begin {
			order = append(order, begin.Kind)
			if open++; open > 1 {
				t.Errorf("%d snapshots run at once", open)
			}
		}
	}
	if want := []string{"department", "employee", "place"}; !slices.Equal(order, want) {
		t.Errorf("order = %v, want %v", order, want)
	}
}

func TestARowTooWideForAFullChunkShrinksIt(t *testing.T) {
	b := newBench(t, "department")
	wide := make([]byte, 60_000)
	for i := range wide {
		wide[i] = 'x'
	}
	b.src.put("department", string(wide), keysOf(60)...)
	b.settle()
	b.equal()
}

package capture_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/protocol"
)

// following is a bench with a department and an employee loaded.
func following(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, "department", "employee")
	b.src.put("department", "Løn", "D1")
	b.src.put("employee", "Aase", "E1")
	b.settle()
	b.equal()
	return b
}

// since returns the headers of the batches that arrive while f runs.
func (b *bench) since(f func()) []protocol.Header {
	n := len(b.to.headers)
	f()
	return b.to.headers[n:]
}

func TestACutThatFitsOneBatchIsOneBatch(t *testing.T) {
	b := following(t)
	headers := b.since(func() {
		b.src.put("employee", "Birgit", "E2", "E3")
		b.src.put("department", "Bogholderi", "D2")
		b.src.remove("department", "D1")
		b.settle()
	})
	b.equal()
	if len(headers) != 1 || !headers[0].Last {
		t.Fatalf("batches = %v, want one", headers)
	}
	if want := []string{"department", "employee"}; !slices.Equal(headers[0].Covers, want) {
		t.Errorf("covers = %v, want %v", headers[0].Covers, want)
	}
	if want := []protocol.KindCount{{Kind: "department", Count: 1}}; !slices.Equal(headers[0].Deletes, want) {
		t.Errorf("deletes = %v, want %v", headers[0].Deletes, want)
	}
}

// ● Only a cut's last batch moves the position: half a cut is read again.
func TestACrashInTheMiddleOfACutLosesNothing(t *testing.T) {
	b := following(t)
	keys := keysOf(12_000)
	b.src.put("employee", "Birgit", keys...)
	b.src.remove("department", "D1")
	from := b.to.position
	for range 3 { // reads the cut, sends two of its batches
		b.step(1)
	}
	if b.to.position != from {
		t.Fatalf("position = %d after part of a cut, want %d", b.to.position, from)
	}
	if b.rows("employee") <= 1 {
		t.Fatal("no part of the cut was applied")
	}
	b.restart()
	b.settle()
	b.equal()
	if got := len(b.begins("employee")); got != 1 {
		t.Errorf("snapshots of employee = %d, want only the first load", got)
	}
}

func TestAllBatchesOfACutSayTheSame(t *testing.T) {
	b := following(t)
	headers := b.since(func() {
		b.src.put("employee", "Birgit", keysOf(12_000)...)
		b.src.remove("department", "D1")
		b.settle()
	})
	b.equal()
	if len(headers) != 3 {
		t.Fatalf("batches = %d, want 3", len(headers))
	}
	for i, h := range headers {
		if h.Last != (i == 2) || h.From != headers[0].From || h.To != headers[0].To ||
			!slices.Equal(h.Covers, headers[0].Covers) || !slices.Equal(h.Deletes, headers[0].Deletes) || len(h.Deletes) != 1 {
			t.Errorf("batch %d of the cut: %+v", i, h)
		}
	}
}

// ● Upserts go before deletes, so that a moved key never leaves a kind empty.
func TestAMovedKeyNeverLeavesAKindEmpty(t *testing.T) {
	b := following(t)
	b.src.move("employee", "E1", "E0")
	b.src.move("department", "D1", "D9")
	b.settle()
	b.equal()
	if len(b.to.emptied) > 0 {
		t.Errorf("emptied on the way: %v", b.to.emptied)
	}
}

// ● Parents come before their children and go after them.
func TestParentsComeFirstAndGoLast(t *testing.T) {
	src, to := newMainSystem(t, "department", "employee"), newPortal(t)
	r := &recorder{portal: to, sent: map[protocol.StreamHeader][][]byte{}}
	b := &bench{t: t, src: src, to: to, c: capture.New(src, r, capture.Config{Tenant: tenant, Stream: stream})}
	src.put("department", "Løn", "D1")
	src.put("employee", "Aase", "E1")
	b.settle()
	src.inOne(func(put, remove func(kind, key string)) {
		remove("department", "D1")
		remove("employee", "E1")
		put("employee", "E2")
		put("department", "D2")
	})
	cut := b.since(b.settle)
	b.equal()
	d, err := protocol.NewDecoder(r.sent[cut[0].StreamHeader][0], to.schema)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for {
		s, n, err := d.NextSection()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			var row protocol.DecodedRow
			if err := d.Row(&row); err != nil {
				t.Fatal(err)
			}
			order = append(order, string([]byte(row.Values[s.Key[0]].S)))
		}
	}
	if want := []string{"D2", "E2", "E1", "D1"}; !slices.Equal(order, want) {
		t.Errorf("rows = %v, want %v", order, want)
	}
}

// ● A cut that does not fit the window is not sent: the largest kind leaves it, the others flow.
func TestACutThatDoesNotFitBecomesASnapshot(t *testing.T) {
	tests := map[string]int{"a little too large": 20_001, "hopelessly large": 90_000}
	for name, rows := range tests {
		t.Run(name, func(t *testing.T) {
			b := following(t)
			headers := b.since(func() {
				b.src.put("employee", "Birgit", keysOf(rows)...)
				b.src.put("department", "Bogholderi", "D2")
				b.settle()
			})
			b.equal()
			first := headers[0]
			if !slices.Equal(first.Covers, []string{"department"}) || len(first.Begin) != 1 || first.Begin[0].Kind != "employee" || !first.Last {
				t.Errorf("first batch = %+v, want a cut of department that begins employee", first)
			}
		})
	}
}

// What fits the window but not what is free of it waits, instead of becoming a snapshot.
func TestACutWaitsForTheWindow(t *testing.T) {
	b := following(t)
	b.to.lazy = true
	b.src.put("department", "Bogholderi", "D2")
	b.step(2) // read and sent, not applied
	b.src.put("employee", "Birgit", keysOf(18_000)...)
	b.step(5)
	if got := len(b.begins("employee")); got != 1 {
		t.Fatalf("snapshots of employee = %d: the cut did not wait", got)
	}
	b.to.lazy = false
	b.to.apply()
	b.settle()
	b.equal()
	if got := len(b.begins("employee")); got != 1 {
		t.Errorf("snapshots of employee = %d, want only the first load", got)
	}
}

func TestTheWindowHoldsFourBatches(t *testing.T) {
	b := newBench(t, "employee")
	b.src.put("employee", "Aase", keysOf(60_000)...)
	b.to.lazy = true
	b.step(100)
	if got := len(b.to.queue); got != 4 {
		t.Errorf("batches under way = %d, want 4", got)
	}
	for range 40 {
		b.to.apply()
		b.step(10)
	}
	b.to.lazy = false
	b.to.apply()
	b.settle()
	b.equal()
}

func TestADriftingKindIsLeftOutAndReadAgain(t *testing.T) {
	b := following(t)
	b.src.kinds["employee"].err = errDrift
	b.src.put("department", "Bogholderi", "D2")
	b.settle()
	if got := b.to.names("department")["D2"]; got != "Bogholderi" {
		t.Error("the other kind does not flow")
	}
	if got := b.to.state("employee"); got != protocol.KindNeeded {
		t.Errorf("employee is %s, want needed", got)
	}
	if s := b.c.Status(); s.Code != "source-drift" || s.Error != errDrift.Error() {
		t.Errorf("status = %q %q", s.Code, s.Error)
	}
	b.src.kinds["employee"].err = nil
	b.src.put("employee", "Birgit", "E2")
	b.settle()
	b.equal()
	if s := b.c.Status(); s.Code != "" {
		t.Errorf("status = %q %q, want no error", s.Code, s.Error)
	}
}

func TestAMainSystemThatWentBackIsRefused(t *testing.T) {
	tests := map[string]func(b *bench){
		"while the agent runs":      func(*bench) {},
		"before the agent restarts": func(b *bench) { b.restart() },
	}
	for name, then := range tests {
		t.Run(name, func(t *testing.T) {
			b := following(t)
			b.src.restore("first", 1, "employee", "E7")
			then(b)
			headers := b.since(func() { b.step(10) })
			if len(headers) != 0 {
				t.Errorf("batches = %v, want none", headers)
			}
			if s := b.c.Status(); s.State != "failing" || s.Code != "source-regressed" || s.Error == "" {
				t.Errorf("status = %+v", s)
			}
			b.src.elsewhere(1000) // passing the old position again does not make it true
			b.src.put("employee", "Birgit", "E8")
			if headers := b.since(func() { b.step(10) }); len(headers) != 0 {
				t.Errorf("batches = %v, want none", headers)
			}
			b.src.restore("second", 1, "employee", "E7")
			b.settle()
			b.equal()
			if s := b.c.Status(); s.Code != "" {
				t.Errorf("status = %q, want no error", s.Code)
			}
		})
	}
}

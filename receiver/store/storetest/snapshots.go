package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/receiver/store"
)

const (
	marks = "snapshot_mark"
	all   = "1 = 1"
)

func deletes(t *testing.T, o Opened) {
	t.Run("of a kind that is ok are immediate, and again do nothing", func(t *testing.T) {
		f := newFixture(t, o, "one", "payslip_line")
		rows := protocoltest.PayslipLines(150, 1)
		f.apply(t, "payslip_line", rows...)
		gone := slices.Clone(rows[:100])
		for i := range gone {
			gone[i].Op = protocol.Delete
			gone[i].Values = append(slices.Clone(gone[i].Values[:2]), make([]protocol.Value, 10)...)
		}
		if got := f.apply(t, "payslip_line", gone...); got.Deleted != 100 {
			t.Errorf("deleted = %d, want 100", got.Deleted)
		}
		if got := f.apply(t, "payslip_line", gone...); got.Deleted != 0 {
			t.Errorf("deleted again = %d, want 0", got.Deleted)
		}
		if n := f.count(t, "rec_payslip_line", all); n != 50 {
			t.Errorf("rows left = %d, want 50", n)
		}
	})
	t.Run("of a running kind leave the row to the sweep", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"), dept("30", "Lager"))
		f.running(t, "department", 7)
		f.apply(t, "department", dept("10", "Nyt savværk"), dept("20", "Kontor"), dept("30", "Lager"))
		f.apply(t, "department", noDept("10"), noDept("20"))
		if diff := cmp.Diff([]string{"10=Nyt savværk", "20=Kontor", "30=Lager"}, f.depts(t)); diff != "" {
			t.Errorf("before the sweep: %s", diff)
		}
		f.sweeping(t, "department", 7)
		f.sweepAll(t, "department", 10)
		if diff := cmp.Diff([]string{"30=Lager"}, f.depts(t)); diff != "" {
			t.Errorf("after the sweep: %s", diff)
		}
	})
	t.Run("of a running kind are taken back by a later row of the key, changed or not", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
		f.running(t, "department", 7)
		f.apply(t, "department", noDept("10"), noDept("20"))
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Nyt kontor"))
		f.sweeping(t, "department", 7)
		f.sweepAll(t, "department", 10)
		if diff := cmp.Diff([]string{"10=Savværk", "20=Nyt kontor@7"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("of a sweeping kind are immediate", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.running(t, "department", 7)
		f.apply(t, "department", dept("10", "Savværk"))
		f.sweeping(t, "department", 7)
		f.apply(t, "department", noDept("10"))
		if got := f.depts(t); len(got) != 0 {
			t.Errorf("departments = %v, want none", got)
		}
	})
}

func snapshots(t *testing.T, o Opened) {
	t.Run("a row written while its kind runs or is swept carries the snapshot", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.running(t, "department", 7)
		f.apply(t, "department", dept("10", "Savværk"))
		f.sweeping(t, "department", 7)
		f.apply(t, "department", dept("20", "Kontor"))
		f.set(t, protocol.KindStatus{Kind: "department", State: protocol.KindOK})
		f.apply(t, "department", dept("30", "Lager"))
		if diff := cmp.Diff([]string{"10=Savværk@7", "20=Kontor@7", "30=Lager"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a row found unchanged gets a mark and is not rewritten", func(t *testing.T) {
		f := newFixture(t, o, "one", "payslip_line")
		rows := protocoltest.PayslipLines(300, 1)
		f.apply(t, "payslip_line", rows...)
		before := f.Writes(t, "rec_payslip_line")
		f.running(t, "payslip_line", 7)
		for range 2 {
			if got := f.apply(t, "payslip_line", rows...); got.Unchanged != 300 {
				t.Errorf("unchanged = %d, want 300", got.Unchanged)
			}
		}
		if f.Writes(t, "rec_payslip_line") != before {
			t.Error("unchanged rows were rewritten")
		}
		if n := f.count(t, marks, "LENGTH(key_hashes) = 300 * 8"); n != 2 {
			t.Errorf("runs of 300 marks = %d, want 2", n)
		}
		f.sweeping(t, "payslip_line", 7)
		if deleted := f.sweepAll(t, "payslip_line", 70); deleted != 0 {
			t.Errorf("swept = %d, want 0", deleted)
		}
		if f.Writes(t, "rec_payslip_line") != before {
			t.Error("the sweep rewrote rows")
		}
		if n := f.count(t, marks, all); n != 0 {
			t.Errorf("marks left = %d, want 0", n)
		}
	})
	t.Run("of a chunk only rows that are new or differ are written", func(t *testing.T) {
		f := newFixture(t, o, "one", "payslip_line")
		rows := protocoltest.PayslipLines(300, 1)
		f.apply(t, "payslip_line", rows[:280]...)
		f.running(t, "payslip_line", 7)
		const amount = 8
		for i := 0; i < 280; i += 28 {
			rows[i].Values = slices.Clone(rows[i].Values)
			rows[i].Values[amount] = protocol.IntValue(-4711)
		}
		got := f.apply(t, "payslip_line", rows...)
		if diff := cmp.Diff(store.Applied{Changed: 30, Unchanged: 270}, got); diff != "" {
			t.Error(diff)
		}
		if n := f.count(t, "rec_payslip_line", "snapshot_id = 7"); n != 30 {
			t.Errorf("rows written = %d, want 30", n)
		}
		if n := f.count(t, "rec_payslip_line", "amount = -4711"); n != 10 {
			t.Errorf("changed rows = %d, want 10", n)
		}
		f.sweeping(t, "payslip_line", 7)
		if deleted := f.sweepAll(t, "payslip_line", 90); deleted != 0 {
			t.Errorf("swept = %d, want 0", deleted)
		}
	})
	t.Run("marks of an abandoned snapshot save no row, and are cleared", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
		f.running(t, "department", 7)
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
		f.running(t, "department", 8)
		f.apply(t, "department", dept("20", "Kontor"))
		f.sweeping(t, "department", 8)
		f.sweepAll(t, "department", 1)
		if diff := cmp.Diff([]string{"20=Kontor"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
		if n := f.count(t, marks, all); n != 0 {
			t.Errorf("marks left = %d, want 0", n)
		}
	})
	t.Run("the cursor of a snapshot is kept", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.running(t, "department", 7)
		f.in(t, func(tx *store.StreamTx) error { return tx.SetLastKey(t.Context(), "department", []byte{1, 0, 2}) })
		if got := f.state(t, "department"); string(got.LastKey) != "\x01\x00\x02" || got.Snapshot != 7 {
			t.Errorf("kind = %+v, want snapshot 7 at 01 00 02", got)
		}
	})
}

// sweepAll sweeps to the end and returns how many rows were deleted. No transaction may delete more than limit.
func (f *fixture) sweepAll(t *testing.T, kind string, limit int) (total int64) {
	t.Helper()
	for range 1000 {
		n, done, err := f.Store.Sweep(t.Context(), store.Fence{}, f.tenant, f.stream, kind, limit)
		if err != nil {
			t.Fatal(err)
		}
		if n > int64(limit) {
			t.Errorf("one transaction swept %d rows, at most %d", n, limit)
		}
		total += n
		state := f.state(t, kind).State
		if done {
			if state != protocol.KindOK {
				t.Errorf("swept to the end, and the kind is %s", state)
			}
			return total
		}
		if state != protocol.KindSweeping {
			t.Fatalf("not swept to the end, and the kind is %s", state)
		}
	}
	t.Fatal("the sweep does not end")
	return 0
}

func sweeps(t *testing.T, o Opened) {
	t.Run("delete what the snapshot did not hold, in bounded transactions, with a key of several columns", func(t *testing.T) {
		for _, limit := range []int{1, 7, 50, 99, 100, 101, 1000} {
			t.Run(fmt.Sprintf("%d rows at a time", limit), func(t *testing.T) {
				f := newFixture(t, o, "one", "payslip_line")
				rows := protocoltest.PayslipLines(100, 1)
				f.apply(t, "payslip_line", rows...)
				f.running(t, "payslip_line", 7)
				var held []protocol.Row
				for i, r := range rows {
					if i%3 == 0 {
						held = append(held, r)
					}
				}
				f.apply(t, "payslip_line", held...)
				f.sweeping(t, "payslip_line", 7)
				if deleted, want := f.sweepAll(t, "payslip_line", limit), int64(100-len(held)); deleted != want {
					t.Errorf("swept = %d, want %d", deleted, want)
				}
				if got := f.apply(t, "payslip_line", held...); got.Unchanged != int64(len(held)) {
					t.Errorf("rows left = %d, want %d", got.Unchanged, len(held))
				}
			})
		}
	})
	t.Run("go on where another writer stopped", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"), dept("30", "Lager"))
		f.sweeping(t, "department", 7)
		if n, done, err := f.Store.Sweep(t.Context(), store.Fence{}, f.tenant, f.stream, "department", 1); n != 1 || done || err != nil {
			t.Fatalf("first = %d, %t (err %v), want 1, false", n, done, err)
		}
		if deleted := f.sweepAll(t, "department", 1); deleted != 2 {
			t.Errorf("swept = %d, want 2", deleted)
		}
	})
	t.Run("keep a row that comes back while they run, ahead of them or behind", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"), dept("30", "Lager"))
		f.sweeping(t, "department", 7)
		if _, _, err := f.Store.Sweep(t.Context(), store.Fence{}, f.tenant, f.stream, "department", 1); err != nil {
			t.Fatal(err)
		}
		f.apply(t, "department", dept("10", "Savværk"), dept("30", "Lager"))
		f.sweepAll(t, "department", 1)
		if diff := cmp.Diff([]string{"10=Savværk@7", "30=Lager"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("wait while they are held, and run when released", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"))
		f.set(t, protocol.KindStatus{Kind: "department", State: protocol.KindSweeping, Snapshot: 7, Held: true})
		if n, done, err := f.Store.Sweep(t.Context(), store.Fence{}, f.tenant, f.stream, "department", 10); n != 0 || !done || err != nil {
			t.Errorf("held sweep = %d, %t (err %v), want 0, true", n, done, err)
		}
		if got := f.state(t, "department"); got.State != protocol.KindSweeping || len(f.depts(t)) != 1 {
			t.Errorf("held sweep: %+v, %v", got, f.depts(t))
		}
		if err := f.Store.ReleaseKind(t.Context(), f.tenant, f.stream, "department"); err != nil {
			t.Fatal(err)
		}
		if deleted := f.sweepAll(t, "department", 10); deleted != 1 {
			t.Errorf("swept = %d, want 1", deleted)
		}
	})
	t.Run("leave a kind alone that is not sweeping", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"))
		if n, done, err := f.Store.Sweep(t.Context(), store.Fence{}, f.tenant, f.stream, "department", 10); n != 0 || !done || err != nil || len(f.depts(t)) != 1 {
			t.Errorf("sweep = %d, %t (err %v), rows %v", n, done, err, f.depts(t))
		}
	})
}

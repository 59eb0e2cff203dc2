package storetest

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/receiver/store"
)

func guards(t *testing.T, o Opened) {
	t.Run("rows are counted no further than asked", func(t *testing.T) {
		f := newFixture(t, o, "one", "payslip_line")
		f.apply(t, "payslip_line", protocoltest.PayslipLines(30, 1)...)
		for limit, want := range map[int64]int64{10: 10, 30: 30, 1000: 30} {
			f.in(t, func(tx *store.StreamTx) error {
				if n, err := tx.CountRows(t.Context(), "payslip_line", limit); n != want || err != nil {
					t.Errorf("CountRows(%d) = %d (err %v), want %d", limit, n, err, want)
				}
				return nil
			})
		}
	})
	t.Run("rows that empty a filled field are counted, and nothing is written", func(t *testing.T) {
		f := newFixture(t, o, "one", "payslip_line")
		rows := protocoltest.PayslipLines(140, 1)
		f.apply(t, "payslip_line", rows...)
		before := f.Writes(t, "rec_payslip_line")
		const label, unit, amount = 4, 6, 8
		want := int64(0)
		blanked := make([]protocol.Row, len(rows))
		for i, r := range rows {
			blanked[i] = protocol.Row{Version: 1000, Values: slices.Clone(r.Values)}
			switch {
			case i%5 == 0:
				blanked[i].Values[label] = protocol.TextValue("")
				want++
			case i%5 == 1 && !r.Values[unit].IsNull():
				blanked[i].Values[unit] = protocol.NullValue()
				want++
			case i%5 == 2:
				blanked[i].Values[amount] = protocol.IntValue(0)
			}
		}
		st := f.stage(t, "payslip_line", slices.Concat(blanked, protocoltest.PayslipLines(150, 1)[140:])...)
		f.in(t, func(tx *store.StreamTx) error {
			if n, err := tx.BlankedBy(t.Context(), st); n != want || err != nil {
				t.Errorf("blanked = %d (err %v), want %d", n, err, want)
			}
			return nil
		})
		if f.Writes(t, "rec_payslip_line") != before {
			t.Error("counting wrote rows")
		}
	})
	t.Run("deletes of stored rows are counted, and nothing is written", func(t *testing.T) {
		f := newFixture(t, o, "one", "payslip_line")
		other := newFixture(t, o, "two", "payslip_line")
		rows := protocoltest.PayslipLines(400, 1)
		f.apply(t, "payslip_line", rows[:150]...)
		other.apply(t, "payslip_line", rows...)
		before := f.Writes(t, "rec_payslip_line")
		gone := slices.Clone(rows[10:])
		for i := range gone {
			gone[i].Op = protocol.Delete
			gone[i].Values = append(slices.Clone(gone[i].Values[:2]), make([]protocol.Value, 10)...)
		}
		for _, st := range []struct {
			stage *store.Stage
			want  int64
		}{
			{f.stage(t, "payslip_line", append(gone, rows[:10]...)...), 140},
			{f.stage(t, "payslip_line", gone[140:]...), 0},
			{f.stage(t, "payslip_line", rows...), 0},
		} {
			f.in(t, func(tx *store.StreamTx) error {
				if n, err := tx.DeletedBy(t.Context(), st.stage); n != st.want || err != nil {
					t.Errorf("deleted = %d (err %v), want %d", n, err, st.want)
				}
				return nil
			})
		}
		if f.Writes(t, "rec_payslip_line") != before {
			t.Error("counting wrote rows")
		}
	})
	t.Run("rows that a sweep would delete are counted", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"), dept("30", "Lager"))
		f.running(t, "department", 7)
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Nyt kontor"))
		f.in(t, func(tx *store.StreamTx) error {
			if n, err := tx.CountSweep(t.Context(), "department", 7); n != 1 || err != nil {
				t.Errorf("to sweep = %d (err %v), want 1", n, err)
			}
			return nil
		})
	})
}

// letter sets the row of a department aside and returns its key hash.
func (f *fixture) letter(t *testing.T, no string) {
	t.Helper()
	schema := protocoltest.Schema(t, "department")
	row := decoded(t, schema, []protocol.Row{dept(no, "x")})[0]
	f.in(t, func(tx *store.StreamTx) error {
		return tx.DeadLetter(t.Context(), store.DeadLetter{
			Kind: "department", Key: protocol.KeyBytes(schema, row.Values), KeyHash: row.KeyHash, Reason: "department.name has no value",
			Sealed: []byte("sealed " + no), Version: 100, CreatedAt: start,
		})
	})
}

func (f *fixture) waiting(t *testing.T) (ids []int64) {
	t.Helper()
	found, err := f.Store.DeadLetters(t.Context(), f.tenant, f.stream, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range found {
		ids = append(ids, l.ID)
	}
	return ids
}

func letters(t *testing.T, o Opened) {
	t.Run("a letter waits with its reason, key and sealed row", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.letter(t, "10")
		found, err := f.Store.DeadLetters(t.Context(), f.tenant, f.stream, 10)
		if err != nil || len(found) != 1 || found[0].Reason != "department.name has no value" || !found[0].CreatedAt.Equal(start) {
			t.Fatalf("letters = %+v (err %v)", found, err)
		}
		if sealed, err := f.Store.SealedLetter(t.Context(), f.tenant, f.stream, found[0].ID); err != nil || string(sealed) != "sealed 10" {
			t.Errorf("sealed = %q (err %v), want sealed 10", sealed, err)
		}
	})
	t.Run("a newer row of the key, or its delete, supersedes the letter and erases it", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		for _, no := range []string{"10", "20", "30"} {
			f.letter(t, no)
		}
		f.apply(t, "department", dept("10", "Savværk"), noDept("20"))
		if diff := cmp.Diff([]int64{3}, f.waiting(t)); diff != "" {
			t.Error(diff)
		}
		if n := f.count(t, "dead_letter", "resolved = 'superseded' AND LENGTH(sealed) = 0"); n != 2 {
			t.Errorf("superseded and erased = %d, want 2", n)
		}
		if _, err := f.Store.SealedLetter(t.Context(), f.tenant, f.stream, 1); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("sealed row of a superseded letter: err = %v, want ErrNotFound", err)
		}
	})
	t.Run("a newer letter of the key supersedes the older", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.letter(t, "10")
		f.letter(t, "10")
		if diff := cmp.Diff([]int64{2}, f.waiting(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("asked again for, its key goes to the agent until a chunk answers", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.letter(t, "10")
		f.letter(t, "20")
		if err := f.Store.AskReread(t.Context(), f.tenant, f.stream, 2); err != nil {
			t.Fatal(err)
		}
		got, err := f.Store.Rereads(t.Context(), f.tenant, f.stream, 10)
		if err != nil || len(got) != 1 || got[0].ID != 2 || got[0].Kind != "department" || len(got[0].Key) == 0 {
			t.Fatalf("rereads = %+v (err %v), want letter 2", got, err)
		}
		f.in(t, func(tx *store.StreamTx) error { return tx.ResolveRereads(t.Context(), []int64{2, 99}) })
		if got, err := f.Store.Rereads(t.Context(), f.tenant, f.stream, 10); err != nil || len(got) != 0 {
			t.Errorf("rereads = %+v (err %v), want none", got, err)
		}
		if diff := cmp.Diff([]int64{1}, f.waiting(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the stored row of a letter survives the sweep of the snapshot it came in", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
		f.running(t, "department", 7)
		f.letter(t, "10")
		f.sweeping(t, "department", 7)
		f.sweepAll(t, "department", 10)
		if diff := cmp.Diff([]string{"10=Savværk"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func blobs(t *testing.T, o Opened) {
	t.Run("a document arrives in parts, is assembled once, and its parts are forgotten", func(t *testing.T) {
		f := newFixture(t, o, "one")
		put := func(part int, body string) {
			t.Helper()
			if err := f.Store.PutBlobPart(t.Context(), f.tenant, "doc", part, 2, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		state := func(want protocol.BlobState) {
			t.Helper()
			got, err := f.Store.BlobState(t.Context(), f.tenant, "doc")
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("state (err %v): %s", err, diff)
			}
		}
		state(protocol.BlobState{})
		put(1, "b")
		put(1, "B")
		state(protocol.BlobState{Parts: []int{1}})
		if _, err := f.Store.BlobParts(t.Context(), f.tenant, "doc"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("half a document: err = %v, want ErrNotFound", err)
		}
		put(0, "a")
		state(protocol.BlobState{Complete: true, Parts: []int{0, 1}})
		parts, err := f.Store.BlobParts(t.Context(), f.tenant, "doc")
		if err != nil || string(bytes.Join(parts, nil)) != "aB" {
			t.Errorf("parts = %q (err %v), want aB", parts, err)
		}
		if has, err := f.Store.HasBlob(t.Context(), f.tenant, "doc"); has || err != nil {
			t.Errorf("stored = %t (err %v), want false", has, err)
		}
		for _, content := range []string{"the document", "another"} {
			if err := f.Store.StoreBlob(t.Context(), f.tenant, "doc", []byte(content), start); err != nil {
				t.Fatal(err)
			}
		}
		put(0, "late")
		state(protocol.BlobState{Complete: true})
		if got, err := f.Store.Blob(t.Context(), f.tenant, "doc"); err != nil || string(got) != "the document" {
			t.Errorf("blob = %q (err %v), want the document", got, err)
		}
		if n := f.count(t, "blob_part", all); n != 0 {
			t.Errorf("parts left = %d, want 0", n)
		}
	})
	t.Run("a document sent in another number of parts starts over", func(t *testing.T) {
		f := newFixture(t, o, "one")
		for _, of := range []int{3, 2} {
			if err := f.Store.PutBlobPart(t.Context(), f.tenant, "doc", 1, of, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := f.Store.BlobState(t.Context(), f.tenant, "doc"); err != nil || !slices.Equal(got.Parts, []int{1}) || got.Complete {
			t.Errorf("state = %+v (err %v), want part 1", got, err)
		}
	})
	t.Run("parts that could not be opened are dropped and sent again", func(t *testing.T) {
		f := newFixture(t, o, "one")
		if err := f.Store.PutBlobPart(t.Context(), f.tenant, "doc", 0, 1, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := f.Store.DropBlobParts(t.Context(), f.tenant, "doc"); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Store.BlobState(t.Context(), f.tenant, "doc"); err != nil || got.Complete || len(got.Parts) != 0 {
			t.Errorf("state = %+v (err %v), want nothing", got, err)
		}
	})
}

func leases(t *testing.T, o Opened) {
	s := o.Store
	take := func(t *testing.T, shard int, holder string, ttl time.Duration) (int64, bool) {
		t.Helper()
		fence, ok, err := s.Lease(t.Context(), shard, holder, ttl)
		if err != nil {
			t.Fatal(err)
		}
		return fence, ok
	}
	t.Run("one holder has a shard until the lease is over", func(t *testing.T) {
		if _, ok := take(t, 1, "a", time.Hour); !ok {
			t.Fatal("a free shard was refused")
		}
		if _, ok := take(t, 1, "b", time.Hour); ok {
			t.Error("two holders have one shard")
		}
		if _, ok, err := s.Lease(t.Context(), 2, "b", time.Hour); !ok || err != nil {
			t.Errorf("another shard: %t (err %v), want true", ok, err)
		}
	})
	t.Run("fences only grow, and an older one renews nothing and releases nothing", func(t *testing.T) {
		first, _ := take(t, 3, "a", -time.Second)
		second, ok := take(t, 3, "b", time.Hour)
		if !ok || second <= first {
			t.Fatalf("second = %d, %t, want above %d", second, ok, first)
		}
		if ok, err := s.RenewLease(t.Context(), 3, "a", first, time.Hour); ok || err != nil {
			t.Errorf("renewed with an old fence: %t (err %v)", ok, err)
		}
		if err := s.ReleaseLease(t.Context(), 3, "a", first); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.RenewLease(t.Context(), 3, "b", second, time.Hour); !ok || err != nil {
			t.Errorf("the holder cannot renew: %t (err %v)", ok, err)
		}
		third, ok := take(t, 3, "b", time.Hour)
		if !ok || third <= second {
			t.Fatalf("the holder again = %d, %t, want above %d", third, ok, second)
		}
		if ok, err := s.RenewLease(t.Context(), 3, "b", second, time.Hour); ok || err != nil {
			t.Errorf("the holder's older fence renewed: %t (err %v)", ok, err)
		}
		if err := s.ReleaseLease(t.Context(), 3, "b", third); err != nil {
			t.Fatal(err)
		}
		if fourth, ok := take(t, 3, "a", time.Hour); !ok || fourth <= third {
			t.Errorf("after release: %d, %t, want above %d", fourth, ok, third)
		}
	})
	t.Run("a holder that lost its lease begins no transaction on a stream", func(t *testing.T) {
		f := newFixture(t, o, "fenced", "department")
		first, _ := take(t, 5, "a", time.Hour)
		begin := func(by store.Fence) (did bool, err error) {
			err = s.InShard(t.Context(), by, f.tenant, f.stream, func(*store.StreamTx) error { did = true; return nil })
			return did, err
		}
		held := store.Fence{Shard: 5, Number: first}
		if did, err := begin(held); !did || err != nil {
			t.Errorf("under its lease: did = %t (err %v)", did, err)
		}
		second, _ := take(t, 5, "a", time.Hour)
		if did, err := begin(held); did || !errors.Is(err, store.ErrFenced) {
			t.Errorf("under the lease of before: did = %t, err = %v, want ErrFenced", did, err)
		}
		if _, _, err := s.Sweep(t.Context(), held, f.tenant, f.stream, "department", 1); !errors.Is(err, store.ErrFenced) {
			t.Errorf("sweep under the lease of before: err = %v, want ErrFenced", err)
		}
		if did, err := begin(store.Fence{Shard: 6, Number: second}); did || !errors.Is(err, store.ErrFenced) {
			t.Errorf("under the lease of another shard: did = %t, err = %v, want ErrFenced", did, err)
		}
		f.stream++
		if did, err := begin(store.Fence{Shard: 5, Number: second}); did || !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a stream that is not there: did = %t, err = %v, want ErrNotFound", did, err)
		}
	})
	t.Run("a lease that is over is not renewed", func(t *testing.T) {
		fence, _ := take(t, 4, "a", -time.Second)
		if ok, err := s.RenewLease(t.Context(), 4, "a", fence, time.Hour); ok || err != nil {
			t.Errorf("renewed: %t (err %v), want false", ok, err)
		}
	})
}

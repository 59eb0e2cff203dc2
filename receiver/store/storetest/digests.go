package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/receiver/store"
)

func (f *fixture) digestOf(t *testing.T, kind string, content bool) store.DigestOf {
	t.Helper()
	return store.DigestOf{Tenant: f.tenant, Stream: f.stream, Schema: protocoltest.Schema(t, kind), Content: content}
}

// pairsOf are the hashes that an agent finds in rows, in ascending order.
func pairsOf(t *testing.T, kind string, rows []protocol.Row) []protocol.Pair {
	t.Helper()
	var pairs []protocol.Pair
	var h protocol.Hasher
	for _, r := range rows {
		p, err := h.Pair(protocoltest.Schema(t, kind), &r)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b protocol.Pair) int {
		switch {
		case a.Key < b.Key:
			return -1
		case a.Key > b.Key:
			return 1
		}
		return 0
	})
	return pairs
}

func (f *fixture) change(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := f.DB.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func digests(t *testing.T, o Opened) {
	for _, content := range []bool{false, true} {
		t.Run(fmt.Sprintf("sums and pairs are those of an agent with the same rows, content %v", content), func(t *testing.T) {
			for kind, rows := range kindsOfRows(t) {
				f, other := newFixture(t, o, kind, kind), newFixture(t, o, "other "+kind, kind)
				f.apply(t, kind, rows...)
				other.apply(t, kind, rows[:len(rows)/2]...)
				want := pairsOf(t, kind, rows)
				for _, bits := range []int{0, 3, protocol.MaxDigestBits} {
					d := protocol.NewDigest(bits)
					for _, p := range want {
						d.Add(p)
					}
					got, err := f.Store.DigestSums(t.Context(), f.digestOf(t, kind, content), bits)
					if err != nil || !cmp.Equal(got, d) {
						t.Errorf("%s: sums of %d bits differ (err %v)", kind, bits, err)
					}
				}
				const bits, limit = 3, 7
				var listed []protocol.Pair
				for from, more := uint64(0), true; more; {
					var page []protocol.Pair
					var err error
					page, more, err = f.Store.DigestPairs(t.Context(), f.digestOf(t, kind, content), bits, []int{1, 4, 7}, from, limit)
					if err != nil || len(page) > limit {
						t.Fatalf("%s: page of %d, err %v", kind, len(page), err)
					}
					if listed = append(listed, page...); more {
						from = page[len(page)-1].Key + 1
					}
				}
				in := protocol.NewDigest(bits)
				wanted := slices.DeleteFunc(slices.Clone(want), func(p protocol.Pair) bool { return !slices.Contains([]int{1, 4, 7}, in.Bucket(p.Key)) })
				if diff := cmp.Diff(wanted, listed); diff != "" {
					t.Errorf("%s: %s", kind, diff)
				}
			}
		})
	}
	t.Run("keys come in pages of bytes, at least one", func(t *testing.T) {
		f := newFixture(t, o, "one", "payslip_line")
		rows := protocoltest.PayslipLines(60, 1)
		f.apply(t, "payslip_line", rows...)
		var hashes, got []uint64
		for _, p := range pairsOf(t, "payslip_line", rows)[10:50] {
			hashes = append(hashes, p.Key)
		}
		for from, more := uint64(0), true; more; {
			var page []protocol.KeyedPair
			var err error
			page, more, err = f.Store.DigestKeys(t.Context(), f.digestOf(t, "payslip_line", false), append(hashes, 12345), from, 100)
			if err != nil || len(page) == 0 || len(page) > 3 {
				t.Fatalf("page of %d, err %v", len(page), err)
			}
			for _, k := range page {
				cells, err := protocol.ParseKey(protocoltest.Schema(t, "payslip_line"), k.Bytes)
				if err != nil || len(cells) != 2 {
					t.Errorf("key of %d cells, err %v", len(cells), err)
				}
				got = append(got, k.Key)
			}
			from = page[len(page)-1].Key + 1
		}
		if diff := cmp.Diff(hashes, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a record spoilt behind its hash differs in content only, and a mended hash lets it be rewritten", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
		rows := []protocol.Row{dept("10", "Savværk"), dept("20", "Kontor")}
		want := pairsOf(t, "department", rows)
		f.change(t, `UPDATE rec_department SET name = 'Mejeri' WHERE department_no = '10' AND tenant_id = $1`, f.tenant)
		same := func(content bool) bool {
			pairs, _, err := f.Store.DigestPairs(t.Context(), f.digestOf(t, "department", content), 0, nil, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			return slices.Equal(pairs, want)
		}
		if !same(false) || same(true) {
			t.Errorf("equal by hash %v, by content %v; want true, false", same(false), same(true))
		}
		if got := f.apply(t, "department", rows...); got.Changed != 0 {
			t.Errorf("changed = %d before the hash was mended, want 0", got.Changed)
		}
		all := []uint64{want[0].Key, want[1].Key}
		gen := f.gen(t)
		if n, err := f.Store.MendHashes(t.Context(), f.digestOf(t, "department", false), gen-1, all); n != 0 || err != nil {
			t.Errorf("mended = %d in a generation that is over (err %v), want 0", n, err)
		}
		f.running(t, "department", 7)
		if n, err := f.Store.MendHashes(t.Context(), f.digestOf(t, "department", false), gen, all); n != 0 || err != nil {
			t.Errorf("mended = %d while a snapshot runs (err %v), want 0", n, err)
		}
		f.set(t, protocol.KindStatus{Kind: "department", State: protocol.KindOK})
		for _, want := range []int64{1, 0} {
			if n, err := f.Store.MendHashes(t.Context(), f.digestOf(t, "department", false), gen, all); n != want || err != nil {
				t.Errorf("mended = %d (err %v), want %d", n, err, want)
			}
		}
		if got := f.apply(t, "department", rows...); got.Changed != 1 || !same(true) {
			t.Errorf("changed = %d, want the spoilt row", got.Changed)
		}
	})
	t.Run("nothing is read, mended or noted as another tenant", func(t *testing.T) {
		a, b := newFixture(t, o, "a", "department"), newFixture(t, o, "b", "department")
		a.apply(t, "department", dept("10", "Savværk"))
		of := a.digestOf(t, "department", false)
		of.Tenant = b.tenant
		key := pairsOf(t, "department", []protocol.Row{dept("10", "Savværk")})[0].Key
		if d, err := a.Store.DigestSums(t.Context(), of, 0); err != nil || d.Total().Rows != 0 {
			t.Errorf("sums = %v (err %v), want none", d, err)
		}
		if p, _, err := a.Store.DigestPairs(t.Context(), of, 0, nil, 0, 10); err != nil || len(p) != 0 {
			t.Errorf("pairs = %v (err %v), want none", p, err)
		}
		if k, _, err := a.Store.DigestKeys(t.Context(), of, []uint64{key}, 0, 1000); err != nil || len(k) != 0 {
			t.Errorf("keys = %d (err %v), want none", len(k), err)
		}
		if _, err := a.Store.MendHashes(t.Context(), of, a.gen(t), []uint64{key}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("MendHashes: err = %v, want ErrNotFound", err)
		}
		if err := a.Store.SaveVerified(t.Context(), b.tenant, a.stream, protocol.Verification{Kind: "department"}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("SaveVerified: err = %v, want ErrNotFound", err)
		}
		if err := a.Store.SaveVerified(t.Context(), a.tenant, a.stream, protocol.Verification{Kind: "department", At: 1}); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Store.Verified(t.Context(), b.tenant, a.stream); err != nil || len(got) != 0 {
			t.Errorf("verified as b = %v (err %v), want none", got, err)
		}
	})
	t.Run("the last verification of a kind is kept", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		want := protocol.Verification{Kind: "department", At: start.UnixMilli(), Position: 8123, Rows: 12, Differences: 2, AtLeast: true, Mended: true, Unreadable: 1}
		for _, v := range []protocol.Verification{{Kind: "department", Error: "suspended"}, want} {
			if err := f.Store.SaveVerified(t.Context(), f.tenant, f.stream, v); err != nil {
				t.Fatal(err)
			}
		}
		got, err := f.Store.Verified(t.Context(), f.tenant, f.stream)
		if diff := cmp.Diff(map[string]store.Verified{"department": {Verification: want, VerifiedAt: start}}, got); diff != "" || err != nil {
			t.Errorf("err %v: %s", err, diff)
		}
		if err := f.Store.SaveVerified(t.Context(), f.tenant, f.stream, protocol.Verification{Kind: "place"}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a kind that the stream lacks: err = %v, want ErrNotFound", err)
		}
	})
}

func (f *fixture) gen(t *testing.T) protocol.Generation {
	t.Helper()
	st, _, err := f.Store.StreamState(t.Context(), f.tenant, f.stream)
	if err != nil {
		t.Fatal(err)
	}
	return st.Gen
}

// kindsOfRows returns rows with every type of cell, nulls and key hashes of both halves.
func kindsOfRows(t *testing.T) map[string][]protocol.Row {
	t.Helper()
	var employees, results []protocol.Row
	for i := range 40 {
		no := fmt.Sprint(i)
		s := protocoltest.Schema(t, "employee")
		values := make([]protocol.Value, len(s.Fields))
		for j, f := range s.Fields {
			switch {
			case f.Type == "bool":
				values[j] = protocol.BoolValue(i%2 == 0)
			case f.Type == "date" && i%3 == 0:
				values[j] = protocol.IntValue(int64(-i))
			case f.Name == "employee_no", f.Name == "name":
				values[j] = protocol.TextValue(no)
			case f.Type == "text" && i%4 == 0:
				values[j] = protocol.TextValue("Ærø\n\\N\t" + no)
			}
		}
		employees = append(employees, protocol.Row{Version: 1, Values: values})
		results = append(results, protocol.Row{Version: 1, Values: []protocol.Value{
			protocol.TextValue(no), protocol.TextValue("accepted"), protocol.TextValue(""), {}, protocol.IntValue(17_000_000_000_000_000 + int64(i)),
		}})
	}
	return map[string][]protocol.Row{"payslip_line": protocoltest.PayslipLines(150, 1), "employee": employees, "report_result": results}
}

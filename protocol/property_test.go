package protocol_test

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// TestAnyBatchIsReadAsItWasWritten draws headers and rows of any kinds: our decoder and the reference read
// them back alike, and the hashes are those of the specification.
func TestAnyBatchIsReadAsItWasWritten(t *testing.T) {
	ref, schemas := newReference(t), known(t)
	e := protocol.NewEncoder() // reused, as capture does
	rapid.Check(t, func(t *rapid.T) {
		want := decoded{Header: drawHeader(t)}
		for range rapid.IntRange(0, 4).Draw(t, "sections") {
			s := drawSchema(t)
			if n := len(want.Sections); n > 0 && want.Sections[n-1].Schema.Hash() == s.Hash() {
				continue
			}
			section := decodedSection{Schema: s}
			for range rapid.IntRange(1, 5).Draw(t, "rows") {
				section.Rows = append(section.Rows, protocol.DecodedRow{Row: drawRow(t, s, want.Header.Chunk != nil)})
			}
			want.Sections = append(want.Sections, section)
		}
		for _, s := range want.Sections {
			for i := range s.Rows {
				if err := e.Row(s.Schema, &s.Rows[i].Row); err != nil {
					t.Fatalf("Row: %v", err)
				}
			}
		}
		b, err := e.Finish(want.Header)
		if err != nil {
			t.Fatal(err)
		}
		byHash := func(h protocol.SchemaHash) (*protocol.SectionSchema, bool) {
			for _, s := range want.Sections {
				if s.Schema.Hash() == h {
					return s.Schema, true
				}
			}
			return schemas(h)
		}
		got, err := decode(b, byHash)
		if err != nil {
			t.Fatal(err)
		}
		ref.mustAgree(t, b, got)
		for _, s := range got.Sections {
			for _, r := range s.Rows {
				if want := xxhash.Sum64(ref.cellBytes(t, r.Values)); r.RowHash != want {
					t.Fatalf("row hash %x, want %x", r.RowHash, want)
				}
				key := make([]protocol.Value, 0, 4)
				for _, i := range s.Schema.Key {
					key = append(key, r.Values[i])
				}
				if want := xxhash.Sum64(ref.cellBytes(t, key)); r.KeyHash != want {
					t.Fatalf("key hash %x, want %x", r.KeyHash, want)
				}
				keyBytes := protocol.KeyBytes(s.Schema, r.Values)
				if xxhash.Sum64(keyBytes) != r.KeyHash {
					t.Fatalf("KeyBytes = %x do not hash to %x", keyBytes, r.KeyHash)
				}
				if back, err := protocol.ParseKey(s.Schema, keyBytes); err != nil || !slices.Equal(back, key) {
					t.Fatalf("ParseKey: %v", err)
				}
			}
		}
		if diff := cmp.Diff(want, without(got), cmp.Comparer(sameSchema), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("read back (-want +got):\n%s", diff)
		}
	})
}

func drawHeader(t *rapid.T) protocol.Header {
	number := rapid.Int64()
	text := rapid.StringN(0, 10, -1).Filter(func(s string) bool { return !slices.Contains([]byte(s), 0) })
	h := protocol.Header{
		StreamHeader: protocol.StreamHeader{
			Tenant: protocol.TenantID(number.Draw(t, "tenant")), Stream: protocol.StreamID(number.Draw(t, "stream")),
			Gen: protocol.Generation(number.Draw(t, "gen")), Seq: protocol.Seq(number.Draw(t, "seq")),
		},
		Lineage: protocol.Lineage(text.Draw(t, "lineage")), CapturedAt: number.Draw(t, "captured at"),
		From: protocol.Position(number.Draw(t, "from")), To: protocol.Position(number.Draw(t, "to")),
	}
	kinds := rapid.SliceOfN(rapid.SampledFrom(kindNames()), 0, 3)
	if rapid.Bool().Draw(t, "is chunk") {
		h.Chunk = &protocol.Chunk{
			Kind: text.Draw(t, "kind"), Snapshot: protocol.SnapshotID(number.Draw(t, "snapshot")),
			LastKey: rapid.SliceOf(rapid.Byte()).Draw(t, "last key"), Rereads: rapid.SliceOf(number).Draw(t, "rereads"),
		}
		return h
	}
	h.Covers = kinds.Draw(t, "covers")
	for _, k := range kinds.Draw(t, "deletes") {
		h.Deletes = append(h.Deletes, protocol.KindCount{Kind: k, Count: number.Draw(t, "count")})
	}
	if h.Last = rapid.Bool().Draw(t, "last"); !h.Last {
		return h
	}
	for _, k := range kinds.Draw(t, "begin") {
		h.Begin = append(h.Begin, protocol.Begin{Kind: k, Snapshot: protocol.SnapshotID(number.Draw(t, "snapshot")), Epoch: text.Draw(t, "epoch")})
	}
	for _, k := range kinds.Draw(t, "end") {
		h.End = append(h.End, protocol.End{Kind: k, Snapshot: protocol.SnapshotID(number.Draw(t, "snapshot"))})
	}
	return h
}

func kindNames() []string {
	var names []string
	for _, k := range record.All() {
		names = append(names, k.Name)
	}
	return names
}

func drawSchema(t *rapid.T) *protocol.SectionSchema {
	if rapid.Bool().Draw(t, "wide") {
		return wideOfAnyOrder(t)
	}
	k := rapid.SampledFrom(record.All()).Draw(t, "kind")
	var fields []string
	for _, f := range k.Fields {
		if rapid.Bool().Draw(t, f.Name) {
			fields = append(fields, f.Name)
		}
	}
	s, err := protocol.NewSchema(k, fields)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatalf("a schema of NewSchema fails its check: %v", err)
	}
	return protocol.PrepareSchema(s)
}

// wideOfAnyOrder is wide with its fields in any order, so that keys stand anywhere.
func wideOfAnyOrder(t *rapid.T) *protocol.SectionSchema {
	s := wideSchema()
	s.Fields = rapid.Permutation(s.Fields).Draw(t, "order")
	return protocol.PrepareSchema(s)
}

func drawRow(t *rapid.T, s *protocol.SectionSchema, chunk bool) protocol.Row {
	ops := []protocol.Op{protocol.Insert, protocol.Update, protocol.Delete}
	if chunk {
		ops = append(ops, protocol.Keep)
	}
	r := protocol.Row{
		Op:      rapid.SampledFrom(ops).Draw(t, "op"),
		Version: protocol.Position(rapid.Int64().Draw(t, "version")),
		Values:  make([]protocol.Value, len(s.Fields)),
	}
	for i, typ := range s.Types {
		if isKey := slices.Contains(s.Key, i); isKey || r.Op < protocol.Delete && rapid.Bool().Draw(t, "present") {
			r.Values[i] = drawCell(t, typ)
		}
	}
	return r
}

func drawCell(t *rapid.T, typ record.Type) protocol.Value {
	switch typ {
	case record.Bool:
		return protocol.BoolValue(rapid.Bool().Draw(t, "bool"))
	case record.Text, record.Document:
		text := rapid.String().Filter(func(s string) bool { return !slices.Contains([]byte(s), 0) })
		return protocol.TextValue(text.Draw(t, "text"))
	case record.Bytes:
		return protocol.BytesValue(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
	case record.Decimal:
		return protocol.IntValue(rapid.Int64Range(-record.MaxDecimal, record.MaxDecimal).Draw(t, "decimal"))
	case record.Int:
		if rapid.Bool().Draw(t, "big") {
			n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 8, 31).Draw(t, "magnitude"))
			n.Add(n, new(big.Int).SetUint64(math.MaxInt64+2))
			if rapid.Bool().Draw(t, "negative") {
				n.Neg(n)
			}
			return bigValue(n)
		}
	case record.Date, record.Time, record.Instant:
	}
	return protocol.IntValue(rapid.Int64().Draw(t, "int"))
}

func TestDecodedRowsAreReusable(t *testing.T) {
	s := wide(t)
	full, empty := wideRow(6, protocol.TextValue("0f3c")), protocol.Row{Values: make([]protocol.Value, len(s.Fields))}
	empty.Values[0], empty.Values[2] = full.Values[0], full.Values[2]
	e := protocol.NewEncoder()
	for _, r := range []protocol.Row{full, empty} {
		if err := e.Row(s, &r); err != nil {
			t.Fatal(err)
		}
	}
	b, err := e.Finish(protocol.Header{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := protocol.NewDecoder(b, known(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.NextSection(); err != nil {
		t.Fatal(err)
	}
	var r protocol.DecodedRow
	if err := errors.Join(d.Row(&r), d.Row(&r)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(empty, r.Row); diff != "" {
		t.Errorf("cells of the row before shine through (-want +got):\n%s", diff)
	}
}

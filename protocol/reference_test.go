package protocol_test

import (
	"errors"
	"io"
	"math/big"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/protocol/record"
)

// reference is a second, independent reader and writer of CBOR in its strictest setting.
type reference struct {
	dec cbor.DecMode
	enc cbor.EncMode
}

func newReference(tb testing.TB) reference {
	tb.Helper()
	dec, err := cbor.DecOptions{
		DupMapKey:       cbor.DupMapKeyEnforcedAPF,
		IndefLength:     cbor.IndefLengthForbidden,
		UTF8:            cbor.UTF8RejectInvalid,
		MaxNestedLevels: 8, MaxArrayElements: 1 << 20,
	}.DecMode()
	if err != nil {
		tb.Fatal(err)
	}
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		tb.Fatal(err)
	}
	return reference{dec: dec, enc: enc}
}

// failer is a test of package testing or of package rapid.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// sequence reads the items after the version byte.
func (r reference) sequence(batch []byte) (items []any, err error) {
	for rest := batch[1:]; len(rest) > 0; {
		var item any
		if rest, err = r.dec.UnmarshalFirst(rest, &item); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// write is the inverse of sequence.
func (r reference) write(t failer, items []any) []byte {
	t.Helper()
	b := []byte{protocol.EncodingVersion}
	for _, item := range items {
		one, err := r.enc.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, one...)
	}
	return b
}

// decoded is a batch as our own decoder reads it.
type decoded struct {
	Header   protocol.Header
	Sections []decodedSection
}

type decodedSection struct {
	Schema *protocol.SectionSchema
	Rows   []protocol.DecodedRow
}

func (d decoded) rows() (n int) {
	for _, s := range d.Sections {
		n += len(s.Rows)
	}
	return n
}

// decode reads a whole batch.
func decode(b []byte, schemas func(protocol.SchemaHash) (*protocol.SectionSchema, bool)) (out decoded, err error) {
	d, err := protocol.NewDecoder(b, schemas)
	if err != nil {
		return out, err
	}
	out.Header = d.Header()
	for {
		s, n, err := d.NextSection()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		section := decodedSection{Schema: s}
		for range n {
			var r protocol.DecodedRow
			if err := d.Row(&r); err != nil {
				return out, err
			}
			section.Rows = append(section.Rows, r)
		}
		out.Sections = append(out.Sections, section)
	}
}

// encode writes a decoded batch again.
func encode(t failer, d decoded) []byte {
	t.Helper()
	e := protocol.NewEncoder()
	for _, s := range d.Sections {
		for i := range s.Rows {
			if err := e.Row(s.Schema, &s.Rows[i].Row); err != nil {
				t.Fatalf("Row: %v", err)
			}
		}
	}
	b, err := e.Finish(d.Header)
	if err != nil {
		t.Fatalf("Finish: %v", err)
	}
	return b
}

// items states a batch as the specification does, in the types the reference reads into.
func (d decoded) items() []any {
	h := d.Header
	covers, deletes, begin, end := []any{}, []any{}, []any{}, []any{}
	for _, k := range h.Covers {
		covers = append(covers, k)
	}
	for _, k := range h.Deletes {
		deletes = append(deletes, []any{k.Kind, number(k.Count)})
	}
	for _, b := range h.Begin {
		begin = append(begin, []any{b.Kind, number(int64(b.Snapshot)), b.Epoch})
	}
	for _, e := range h.End {
		end = append(end, []any{e.Kind, number(int64(e.Snapshot))})
	}
	var chunk any
	if c := h.Chunk; c != nil {
		rereads := []any{}
		for _, id := range c.Rereads {
			rereads = append(rereads, number(id))
		}
		chunk = []any{c.Kind, number(int64(c.Snapshot)), append([]byte{}, c.LastKey...), rereads}
	}
	items := []any{[]any{
		number(int64(d.rows())), number(int64(h.Tenant)), number(int64(h.Stream)), number(int64(h.Gen)), number(int64(h.Seq)),
		string(h.Lineage), number(int64(h.From)), number(int64(h.To)), number(h.CapturedAt), h.Last,
		covers, deletes, begin, end, chunk,
	}}
	for _, s := range d.Sections {
		hash := s.Schema.Hash()
		items = append(items, []any{s.Schema.Kind, hash[:], number(int64(len(s.Rows)))})
		for _, r := range s.Rows {
			items = append(items, rowItems(r.Row))
		}
	}
	return items
}

func rowItems(r protocol.Row) []any {
	var mask any
	var present uint64
	var cells []any
	for i, v := range r.Values {
		if !v.IsNull() {
			present |= 1 << i
			cells = append(cells, cellItem(v))
		}
	}
	if len(cells) < len(r.Values) {
		mask = present
	}
	return append([]any{number(int64(r.Op)), number(int64(r.Version)), mask}, cells...)
}

// number is how the reference reads an integer.
func number(n int64) any {
	if n < 0 {
		return n
	}
	return uint64(n)
}

func cellItem(v protocol.Value) any {
	switch v.Kind {
	case protocol.Bool:
		return v.N == 1
	case protocol.Int:
		return number(v.N)
	case protocol.Text:
		return v.S
	case protocol.Bytes:
		return []byte(v.S)
	case protocol.Big:
		n := new(big.Int).SetBytes([]byte(v.S))
		if v.N > 0 && n.IsUint64() {
			return n.Uint64()
		}
		if v.N < 0 {
			n.Neg(n)
		}
		return *n
	case protocol.Null:
	}
	return nil
}

// cellBytes is the reference's encoding of cells, nulls included: what row and key hashes are taken over.
func (r reference) cellBytes(t failer, values []protocol.Value) (b []byte) {
	t.Helper()
	for _, v := range values {
		one, err := r.enc.Marshal(cellItem(v))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, one...)
	}
	return b
}

var compareBig = cmp.Comparer(func(a, b big.Int) bool { return a.Cmp(&b) == 0 })

// mustAgree holds a batch that our decoder accepted against the reference: it reads the same, and writes
// what it read as the same bytes.
func (r reference) mustAgree(t failer, batch []byte, d decoded) {
	t.Helper()
	items, err := r.sequence(batch)
	if err != nil {
		t.Fatalf("the reference refuses what we read: %v\n%x", err, batch)
	}
	if ours := d.items(); !reflect.DeepEqual(ours, items) { // cmp alone would take minutes over the corpus
		if diff := cmp.Diff(ours, items, compareBig); diff != "" {
			t.Fatalf("read differently (-ours +reference):\n%s\n%x", diff, batch)
		}
	}
	if got := r.write(t, items); string(got) != string(batch) {
		t.Fatalf("not deterministic: the reference writes\n%x\nwe accept\n%x", got, batch)
	}
	if got := encode(t, d); string(got) != string(batch) {
		t.Fatalf("we write\n%x\nafter reading\n%x", got, batch)
	}
}

// wide is a schema with a field of every type and a key of two fields that do not stand side by side.
func wide(tb testing.TB) *protocol.SectionSchema {
	tb.Helper()
	return protocol.PrepareSchema(wideSchema())
}

func wideSchema() protocol.Schema {
	return protocol.Schema{Kind: "pay_rate", Fields: []protocol.SchemaField{
		{Name: "employee_no", Type: "text"}, {Name: "unit", Type: "bool"}, {Name: "valid_from", Type: "date"},
		{Name: "rate", Type: "decimal", Scale: 4}, {Name: "a", Type: "int"}, {Name: "b", Type: "bytes"},
		{Name: "c", Type: "document"}, {Name: "d", Type: "time"}, {Name: "e", Type: "instant"},
	}}
}

// known are the schemas that tests decode with: every kind of the catalogue whole, a part of one, and wide.
func known(tb testing.TB) func(protocol.SchemaHash) (*protocol.SectionSchema, bool) {
	tb.Helper()
	all := []*protocol.SectionSchema{wide(tb), partOfEmployee(tb)}
	for _, k := range record.All() {
		all = append(all, protocoltest.Schema(tb, k.Name))
	}
	byHash := map[protocol.SchemaHash]*protocol.SectionSchema{}
	for _, s := range all {
		byHash[s.Hash()] = s
	}
	return func(h protocol.SchemaHash) (*protocol.SectionSchema, bool) {
		s, ok := byHash[h]
		return s, ok
	}
}

func partOfEmployee(tb testing.TB) *protocol.SectionSchema {
	tb.Helper()
	s, err := protocol.NewSchema(record.ByName("employee"), []string{"name", "active"})
	if err != nil {
		tb.Fatal(err)
	}
	return protocol.PrepareSchema(s)
}

// bigValue makes the cell of an integer outside int64.
func bigValue(n *big.Int) protocol.Value {
	return protocol.Value{Kind: protocol.Big, N: int64(n.Sign()), S: string(n.Bytes())}
}

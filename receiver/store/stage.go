package store

import (
	"fmt"
	"log/slog"
	"slices"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// MaxKeyBytes is the longest text a key field, or an employee number, may hold: an index entry of PostgreSQL
// takes at most a third of a page.
const MaxKeyBytes = 600

// Stage holds rows of one record kind in the form the database takes them. It is filled outside of any transaction,
// so that a writer prepares its next batch while the current one commits. It is not safe for concurrent use.
type Stage struct {
	kind   *record.Kind
	places []int // of each field of the kind: its place in the section's values, or -1
	key    []int // places of the key among the kind's fields
	rows   stagedRows
	keys   hashSet
	row    stagedRow // reused

	upserted, removed []uint64         // key hashes in order
	content           []uint64         // row hashes of the upserts
	filled            []uint64         // masks of the upserts' filled fields
	blankable         []int            // see the function
	first, last       []protocol.Value // keys of the first and last upsert
	kept              []uint64         // key hashes of rows that are there but could not be read
}

// stagedRow is one row on its way into a stage. Cells stand in the kind's field order.
type stagedRow struct {
	cells            []protocol.Value
	keyHash, rowHash int64
	version          int64
}

// NewStage returns an empty stage for rows of a schema that has passed [protocol.Schema.Check].
func (s *Store) NewStage(schema *protocol.SectionSchema) *Stage {
	st := &Stage{kind: schema.Record, key: keyPlaces(schema.Record), blankable: blankable(schema.Record), rows: s.dialect.newRows(schema.Record)}
	for _, f := range schema.Record.Fields {
		place := -1
		for i, sent := range schema.Fields {
			if sent.Name == f.Name {
				place = i
			}
		}
		st.places = append(st.places, place)
	}
	st.row.cells = make([]protocol.Value, len(st.places))
	return st
}

// RowError says why a row cannot be applied. It names the field, never its content.
type RowError struct {
	Kind, Field string
	Reason      string
}

func (e *RowError) Error() string { return fmt.Sprintf("%s.%s %s", e.Kind, e.Field, e.Reason) }

// Upsert adds the row that is now. A row that the tables cannot hold is a *RowError and is not added.
// A later row of the same key in one stage wins.
func (st *Stage) Upsert(r *protocol.DecodedRow) error {
	for i := range st.kind.Fields {
		f := &st.kind.Fields[i]
		var v protocol.Value
		if st.places[i] >= 0 {
			v = r.Values[st.places[i]]
		}
		if reason := unfit(st.kind, f, &v); reason != "" {
			return &RowError{Kind: st.kind.Name, Field: f.Name, Reason: reason}
		}
		st.row.cells[i] = v
	}
	st.stamp(r)
	st.upserted, st.content, st.filled = append(st.upserted, r.KeyHash), append(st.content, r.RowHash), append(st.filled, st.maskOf())
	st.last = st.last[:0]
	for _, place := range st.key {
		st.last = append(st.last, st.row.cells[place])
	}
	if st.first == nil {
		st.first = slices.Clone(st.last)
	}
	st.rows.upsert(&st.row)
	return nil
}

// Delete adds a key whose row is gone. Deletes are applied after the stage's upserts.
func (st *Stage) Delete(r *protocol.DecodedRow) error {
	for i := range st.kind.Fields {
		f := &st.kind.Fields[i]
		st.row.cells[i] = protocol.Value{}
		if !st.kind.IsKey(f.Name) || st.places[i] < 0 {
			continue
		}
		v := r.Values[st.places[i]]
		if reason := unfit(st.kind, f, &v); reason != "" {
			return &RowError{Kind: st.kind.Name, Field: f.Name, Reason: reason}
		}
		st.row.cells[i] = v
	}
	st.stamp(r)
	st.removed = append(st.removed, r.KeyHash)
	st.rows.remove(&st.row)
	return nil
}

// Keep adds the key of a row that is there but could not be read: Apply keeps what is stored of it from the sweep.
// No such row is unfit, whatever its key: of one that no table can hold nothing is stored.
func (st *Stage) Keep(r *protocol.DecodedRow) { st.kept = append(st.kept, r.KeyHash) }

func (st *Stage) stamp(r *protocol.DecodedRow) {
	st.row.keyHash, st.row.rowHash, st.row.version = int64(r.KeyHash), int64(r.RowHash), int64(r.Version)
	st.keys.add(r.KeyHash)
}

// Kind returns the record kind of the rows.
func (st *Stage) Kind() string { return st.kind.Name }

// Rows returns how many rows, deletes included, the stage holds. What is only to be kept is not counted.
func (st *Stage) Rows() int { return st.rows.upserts() + st.rows.removes() }

// Empty reports whether the stage holds nothing, not even a row to be kept.
func (st *Stage) Empty() bool { return st.Rows()+len(st.kept) == 0 }

// Upserts returns how many of the rows are not deletes.
func (st *Stage) Upserts() int { return st.rows.upserts() }

// LogValue keeps the rows out of logs.
func (st *Stage) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", st.kind.Name), slog.Int("changes", st.Rows()))
}

// unfit says why a field cannot hold a value, or returns "".
func unfit(k *record.Kind, f *record.Field, v *protocol.Value) string {
	if v.Kind == protocol.Null {
		if f.Nullable {
			return ""
		}
		return "has no value"
	}
	switch f.Type {
	case record.Bool:
		if v.Kind != protocol.Bool {
			return "is not a truth value"
		}
	case record.Decimal:
		if v.Kind != protocol.Int || v.N > record.MaxDecimal || v.N < -record.MaxDecimal {
			return "is not a decimal of at most 18 digits"
		}
	case record.Int, record.Date, record.Time, record.Instant:
		if v.Kind != protocol.Int {
			return "is not a whole number of at most 64 bits"
		}
	case record.Text, record.Document:
		return unfitText(k, f, v)
	case record.Bytes:
		if v.Kind != protocol.Bytes || len(v.S) > record.MaxTextBytes {
			return fmt.Sprintf("is not a byte string of at most %d bytes", record.MaxTextBytes)
		}
	}
	return ""
}

// indexedField is the field by which records of an employee are found; it must fit an index entry like a key.
const indexedField = "employee_no"

func unfitText(k *record.Kind, f *record.Field, v *protocol.Value) string {
	switch {
	case v.Kind != protocol.Text && (f.Type != record.Document || v.Kind != protocol.Bytes):
		return "is not a text"
	case len(v.S) > record.MaxTextBytes:
		return fmt.Sprintf("is longer than %d bytes", record.MaxTextBytes)
	case len(v.S) > MaxKeyBytes && (f.Name == indexedField || k.IsKey(f.Name)):
		return fmt.Sprintf("is longer than the %d bytes of a key", MaxKeyBytes)
	}
	return ""
}

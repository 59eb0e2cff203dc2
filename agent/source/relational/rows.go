// Package relational is what the sources of SQL databases have in common beyond their SQL: how the values of a
// selected row become a record's row, a Keep or a Delete, which rows are left out and why, and which way leads
// from a joined table back to the rows that depend on it.
//
// The statements themselves are each source's own. T-SQL has neither row values nor LIMIT, reads its changes
// from a function instead of a table and seeks an index only if a parameter has the column's exact type; SQLite
// wants hints about the order of joins. One text with two spellings would have been two texts in disguise.
package relational

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"slices"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/cell"
	"lessor.dk/portalsync/protocol"
)

// Selection says which of a kind's fields a statement's columns are.
type Selection struct {
	// Columns holds the place in the schema of each of a row's first selected columns.
	Columns []int
	// RecordKey holds the place in the schema of each column of a statement that selects the record key alone.
	RecordKey []int
}

// Rows makes the rows of one kind in one transaction. It is used by one goroutine.
type Rows struct {
	kind      *plan.Kind
	selection Selection
	fields    []*cell.Converter
	key       []int // places in the schema of the record key, in its order
	leftOut   *LeftOut
	row       protocol.Row
}

// NewRows returns what makes a kind's rows as they are at a position. Rows that cannot be made are counted in leftOut.
func NewRows(k *plan.Kind, zone *time.Location, s Selection, at protocol.Position, leftOut *LeftOut) *Rows {
	r := &Rows{kind: k, selection: s, leftOut: leftOut}
	for _, f := range k.Fields {
		converter := cell.New(f.Field, zone)
		if f.Map != nil {
			converter.Translate(f.Map, f.Others)
		}
		r.fields = append(r.fields, converter)
	}
	for _, name := range k.Record.Key {
		r.key = append(r.key, slices.IndexFunc(k.Fields, func(f plan.Field) bool { return f.Name == name }))
	}
	r.row.Values = make([]protocol.Value, len(r.fields))
	r.row.Version = at
	return r
}

// Row returns the row that was made last. It is overwritten by the next.
func (r *Rows) Row() *protocol.Row { return &r.row }

// Update makes the row of the selected columns, or counts it as left out and reports false.
func (r *Rows) Update(dest []driver.Value) bool {
	r.row.Op = protocol.Update
	for i, field := range r.selection.Columns {
		if err := r.fields[field].Convert(&r.row.Values[field], dest[i]); err != nil {
			r.leftOut.add(r.kind, field, err)
			return false
		}
	}
	for i := range r.kind.Fields {
		if v := r.kind.Fields[i].Value; v != nil {
			r.row.Values[i] = *v
		}
	}
	return true
}

// Keep makes the Keep of a row that Update refused. It reports false when it is the key that cannot be converted.
func (r *Rows) Keep(dest []driver.Value) bool {
	if !r.Key(dest) {
		return false
	}
	r.row.Op = protocol.Keep
	return true
}

// Key converts the record key alone, so that a bad value elsewhere does not hide the row.
func (r *Rows) Key(dest []driver.Value) bool {
	r.clear(protocol.Update)
	for i, field := range r.selection.Columns {
		if r.kind.Record.IsKey(r.kind.Fields[field].Name) && r.fields[field].Convert(&r.row.Values[field], dest[i]) != nil {
			return false
		}
	}
	for i := range r.kind.Fields {
		if v := r.kind.Fields[i].Value; v != nil && r.kind.Record.IsKey(r.kind.Fields[i].Name) {
			r.row.Values[i] = *v
		}
	}
	return true
}

// Delete makes the Delete of a record key that was selected alone. It reports false for one that cannot be
// converted: it never left, so nothing is to be deleted for it.
func (r *Rows) Delete(dest []driver.Value) bool {
	r.clear(protocol.Delete)
	for i, field := range r.selection.RecordKey {
		if constant := r.kind.Fields[field].Value; constant != nil {
			r.row.Values[field] = *constant
		} else if r.fields[field].Convert(&r.row.Values[field], dest[i]) != nil {
			return false
		}
	}
	return true
}

// DeleteOf makes the Delete of a record key given in the record kind's key order.
func (r *Rows) DeleteOf(key []protocol.Value) {
	r.clear(protocol.Delete)
	for i, place := range r.key {
		r.row.Values[place] = key[i]
	}
}

// Is reports whether the row that was made last has the record key.
func (r *Rows) Is(key []protocol.Value) bool {
	for i, place := range r.key {
		if r.row.Values[place] != key[i] {
			return false
		}
	}
	return true
}

// CheckKey returns an error unless key has as many values as the record's key.
func (r *Rows) CheckKey(key []protocol.Value) error {
	if len(key) != len(r.key) {
		return fmt.Errorf("read %s by key: %d key values, want %d", r.kind.Record.Name, len(key), len(r.key))
	}
	return nil
}

func (r *Rows) clear(op protocol.Op) {
	r.row.Op = op
	clear(r.row.Values)
}

// LeftOut counts the rows that a transaction left out. The zero value is ready.
type LeftOut struct {
	bad map[badKey]*source.Bad
}

// badKey finds the count of a field's rows that were left out for one reason.
type badKey struct {
	kind, field string
	reason      error
}

func (l *LeftOut) add(k *plan.Kind, field int, reason error) {
	f := &k.Fields[field]
	key := badKey{k.Record.Name, f.Name, reason}
	if l.bad == nil {
		l.bad = map[badKey]*source.Bad{}
	}
	if l.bad[key] == nil {
		l.bad[key] = &source.Bad{Kind: key.kind, Field: f.Name,
			Reason: fmt.Errorf("%s.%s from table %s %w", key.kind, f.Name, k.Table, reason)}
	}
	l.bad[key].Rows++
}

// List returns one entry per kind, field and reason.
func (l *LeftOut) List() []source.Bad {
	var list []source.Bad
	for _, b := range l.bad {
		list = append(list, *b)
	}
	slices.SortFunc(list, func(a, b source.Bad) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reason.Error(), b.Reason.Error()))
	})
	return list
}

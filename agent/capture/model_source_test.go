package capture_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// errDrift is what a source says of a kind it cannot read.
var errDrift = errors.New("employee: column Navn of table Medarbejder is gone")

// mainSystem is a main system in memory that keeps the promises of package source.
type mainSystem struct {
	mu        sync.Mutex
	planned   []source.Kind
	lineage   protocol.Lineage
	position  protocol.Position
	kinds     map[string]*table
	begins    []time.Time // when a transaction began
	err       error       // of Begin
	still     bool        // the position never moves: nothing of the database tells of changes
	countless bool        // CountChanges always says one, like a change to a column outside the plan
	read      func(kind string)
}

type table struct {
	rows     map[string][]protocol.Value
	changed  map[string]protocol.Position // last change per key, deleted keys included
	minValid protocol.Position
	epoch    string
	err      error
	bad      map[string]bool // keys of rows that are left out
	huge     map[string]bool // keys of rows whose document is too large
	sorted   []string        // keys of rows; nil until they are asked for
}

// tick moves the position with a commit.
func (m *mainSystem) tick() {
	if !m.still {
		m.position++
	}
}

// tells reports whether changes of a kind are told beside what only a comparison finds.
func (tx *modelTx) tells(kind string, deletes bool) bool {
	switch tx.m.planned[tx.m.order(kind)].Digest {
	case source.DigestAll:
		return false
	case source.DigestDeletes:
		return !deletes
	case source.DigestNone:
	}
	return true
}

// fork makes a table that transactions do not see, to be changed.
func (m *mainSystem) fork(kind string) *table {
	t := *m.kinds[kind]
	t.rows, t.changed, t.sorted = maps.Clone(t.rows), maps.Clone(t.changed), nil
	m.kinds[kind] = &t
	return &t
}

func (t *table) keys() []string {
	if t.sorted == nil {
		t.sorted = slices.Sorted(maps.Keys(t.rows))
	}
	return t.sorted
}

// newMainSystem plans the kinds, parents first, with all their fields.
func newMainSystem(t *testing.T, kinds ...string) *mainSystem {
	t.Helper()
	m := &mainSystem{lineage: "first", kinds: map[string]*table{}}
	for _, name := range kinds {
		r := record.ByName(name)
		var fields []string
		for _, f := range r.Fields {
			fields = append(fields, f.Name)
		}
		s, err := protocol.NewSchema(r, fields)
		if err != nil {
			t.Fatal(err)
		}
		m.planned = append(m.planned, source.Kind{Record: r, Schema: protocol.PrepareSchema(s)})
		m.kinds[name] = &table{epoch: "1", rows: map[string][]protocol.Value{}, changed: map[string]protocol.Position{}, bad: map[string]bool{}}
	}
	return m
}

// put commits one transaction that inserts or updates rows of a kind.
func (m *mainSystem) put(kind, name string, keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick()
	t := m.fork(kind)
	for _, key := range keys {
		m.set(t, kind, key, name)
	}
}

// slip commits one transaction that changes rows of a kind without telling it, as the end of a joined row does by rowversion.
func (m *mainSystem) slip(kind, name string, keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick()
	t := m.fork(kind)
	told := t.changed
	t.changed = maps.Clone(told)
	for _, key := range keys {
		m.set(t, kind, key, name)
	}
	t.changed = told
}

func (m *mainSystem) set(t *table, kind, key, name string) {
	s := m.planned[m.order(kind)].Schema
	values := make([]protocol.Value, len(s.Fields))
	for i, f := range s.Fields {
		switch {
		case slices.Contains(s.Key, i):
			values[i] = protocol.TextValue(key)
		case f.Name == "name" || f.Name == "title":
			values[i] = protocol.TextValue(name)
		case f.Name == "content":
			values[i] = protocol.BytesValue("content of " + key)
			if t.huge[key] {
				values[i] = protocol.BytesValue(strings.Repeat("x", protocol.MaxBlobBytes+1))
			}
		case f.Type == "bool":
			values[i] = protocol.BoolValue(true)
		}
	}
	t.rows[key], t.changed[key] = values, m.position
}

// remove commits one transaction that deletes rows.
func (m *mainSystem) remove(kind string, keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick()
	t := m.fork(kind)
	for _, key := range keys {
		delete(t.rows, key)
		t.changed[key] = m.position
	}
}

// move commits one transaction that changes a row's key.
func (m *mainSystem) move(kind, from, to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick()
	t := m.fork(kind)
	delete(t.rows, from)
	t.changed[from] = m.position
	m.set(t, kind, to, "moved")
}

// truncate empties a table without a trace of its rows.
func (m *mainSystem) truncate(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick()
	t := m.fork(kind)
	clear(t.rows)
	clear(t.changed)
	t.minValid = m.position
}

// expire forgets the change data up to now.
func (m *mainSystem) expire(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.fork(kind)
	clear(t.changed)
	t.minValid = m.position
}

// elsewhere commits a transaction that touches no planned table.
func (m *mainSystem) elsewhere(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.position += protocol.Position(n)
}

// restore goes back to rows of a kind under another lineage, as a restored backup does.
func (m *mainSystem) restore(lineage protocol.Lineage, position protocol.Position, kind string, keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lineage, m.position = lineage, position
	for name := range m.kinds {
		t := m.fork(name)
		clear(t.rows)
		clear(t.changed)
		t.minValid = 0
	}
	for _, key := range keys {
		m.set(m.kinds[kind], kind, key, "restored")
	}
}

func (m *mainSystem) order(kind string) int {
	return slices.IndexFunc(m.planned, func(k source.Kind) bool { return k.Record.Name == kind })
}

// name returns the name field of every row of a kind, by key.
func (m *mainSystem) names(kind string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := map[string]string{}
	for key, values := range m.kinds[kind].rows {
		names[key] = nameOf(m.planned[m.order(kind)].Schema, values)
	}
	return names
}

// nameOf returns what tells two states of a row apart in these tests.
func nameOf(s *protocol.SectionSchema, values []protocol.Value) string {
	for i, f := range s.Fields {
		if f.Name == "name" || f.Name == "title" {
			return values[i].S
		}
	}
	return ""
}

func (m *mainSystem) Kinds() []source.Kind { return slices.Clone(m.planned) }

func (m *mainSystem) Begin(context.Context) (source.Tx, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begins = append(m.begins, time.Now())
	if m.err != nil {
		return nil, m.err
	}
	tx := &modelTx{m: m, state: source.State{Lineage: m.lineage, Position: m.position, At: time.Now(), Kinds: map[string]source.KindState{}}, tables: map[string]*table{}}
	for name, t := range m.kinds {
		tx.state.Kinds[name] = source.KindState{MinValid: t.minValid, Epoch: t.epoch, Estimate: int64(len(t.rows)), Err: t.err}
		tx.tables[name] = t
	}
	return tx, nil
}

// modelTx is one consistent state of a mainSystem.
type modelTx struct {
	m      *mainSystem
	state  source.State
	tables map[string]*table
	bad    []source.Bad
}

func (tx *modelTx) State() source.State { return tx.state }
func (tx *modelTx) Bad() []source.Bad   { return tx.bad }
func (tx *modelTx) Close() error        { return nil }

func (tx *modelTx) schema(kind string) *protocol.SectionSchema {
	return tx.m.planned[tx.m.order(kind)].Schema
}

// give yields a row, or of a bad one its key.
func (tx *modelTx) give(kind, key string, yield func(*protocol.Row) error) error {
	if t := tx.tables[kind]; !t.bad[key] {
		return yield(&protocol.Row{Op: protocol.Update, Version: tx.state.Position, Values: slices.Clone(t.rows[key])})
	}
	tx.bad = append(tx.bad, source.Bad{Kind: kind, Field: "name", Rows: 1, Reason: fmt.Errorf("field name of %s is not text", kind)})
	return tx.name(protocol.Keep, kind, key, yield)
}

func (tx *modelTx) gone(kind, key string, yield func(*protocol.Row) error) error {
	return tx.name(protocol.Delete, kind, key, yield)
}

// name yields a row of the key alone.
func (tx *modelTx) name(op protocol.Op, kind, key string, yield func(*protocol.Row) error) error {
	s := tx.schema(kind)
	values := make([]protocol.Value, len(s.Fields))
	values[s.Key[0]] = protocol.TextValue(key)
	return yield(&protocol.Row{Op: op, Version: tx.state.Position, Values: values})
}

func (tx *modelTx) Upserts(_ context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error {
	t := tx.tables[kind]
	for _, key := range t.keys() {
		if t.changed[key] > from && tx.tells(kind, false) {
			err := tx.give(kind, key, func(r *protocol.Row) error {
				if r.Op == protocol.Keep {
					return nil
				}
				return yield(r)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (tx *modelTx) Deletes(_ context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error {
	t := tx.tables[kind]
	for _, key := range slices.Sorted(maps.Keys(t.changed)) {
		if _, there := t.rows[key]; !there && t.changed[key] > from && tx.tells(kind, true) {
			if err := tx.gone(kind, key, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

func (tx *modelTx) CountChanges(_ context.Context, kind string, from protocol.Position) (n int64, err error) {
	if tx.m.countless {
		n = 1
	}
	for key, at := range tx.tables[kind].changed {
		if _, there := tx.tables[kind].rows[key]; at > from && tx.tells(kind, !there) {
			n++
		}
	}
	return n, nil
}

func (tx *modelTx) Chunk(_ context.Context, kind string, after []byte, limit int, yield func(*protocol.Row) error) ([]byte, bool, error) {
	if tx.m.read != nil {
		tx.m.read(kind)
	}
	last := after
	n := 0
	for _, key := range tx.tables[kind].keys() {
		if after != nil && strings.Compare(key, string(after)) <= 0 {
			continue
		}
		if n++; n > limit {
			return last, false, nil
		}
		if err := tx.give(kind, key, yield); err != nil {
			return nil, false, err
		}
		last = []byte(key)
	}
	return last, true, nil
}

func (tx *modelTx) ByKey(_ context.Context, kind string, keys [][]protocol.Value, yield func(*protocol.Row) error) error {
	for _, key := range keys {
		give := tx.give
		if _, there := tx.tables[kind].rows[key[0].S]; !there {
			give = tx.gone
		}
		if err := give(kind, key[0].S, yield); err != nil {
			return err
		}
	}
	return nil
}

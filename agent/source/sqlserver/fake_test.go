package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/source"
)

// server is a SQL Server as far as a Source asks it: counters, catalog and rows are what a test sets, and every statement
// is noted. It stands at the driver's place.
type server struct {
	mu sync.Mutex

	// What factsSQL and validitySQL tell. before and inside are the counter outside and inside the transaction; nil is null.
	before, inside any
	updateable     string
	primary        any
	snapshot       int64
	created, fork  string
	noFork         bool // sys.database_recovery_status is not there
	minimum        map[string]any

	tables map[string]*fakeTable // by name

	// rows answers the statements that read rows.
	rows func(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error)
	// refuse returns an error for a statement, or nil.
	refuse func(query string) error

	statements []string
	levels     []driver.IsolationLevel
	ended      int
	open, most int // connections, now and at once
}

// fakeTable is what the catalog says of a table.
type fakeTable struct {
	object, begin int64
	columns       []column
	key           []string
	sees, tracked bool
}

const fakePlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: Afdeling, as: d, key: Nr, fields: {department_no: d.Nr, name: d.Navn}}
  place: {table: Sted, as: s, key: Nr, fields: {place_no: s.Nr, name: s.Navn}}
`

func newServer() *server {
	s := &server{before: int64(100), inside: int64(100), updateable: "READ_WRITE", snapshot: snapshotOn, created: "2026-01-01T00:00:00.000",
		fork: "F1", minimum: map[string]any{"[dbo].[Afdeling]": int64(10), "[dbo].[Sted]": int64(20)}, tables: map[string]*fakeTable{}}
	for i, name := range []string{"Afdeling", "Sted"} {
		nr, text := whole("Nr"), nvarchar("Navn")
		nr.id, nr.readable, text.id, text.readable = 1, true, 2, true
		s.tables[name] = &fakeTable{object: int64(i + 1), begin: 5, columns: []column{nr, text}, key: []string{"Nr"}, sees: true, tracked: true}
	}
	return s
}

// source opens a Source on the server.
func (s *server) source(t *testing.T, text string) *Source {
	t.Helper()
	src, err := newSource(s, parsed(t, text), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

// look tells the state now.
func (s *server) look(t *testing.T, src *Source) source.State {
	t.Helper()
	tx := s.begin(t, src)
	defer tx.Close()
	return tx.State()
}

// begin looks once; the transaction is closed with the test.
func (s *server) begin(t *testing.T, src *Source) *Tx {
	t.Helper()
	tx, err := src.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Close() })
	return tx.(*Tx)
}

func (s *server) Connect(context.Context) (driver.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.most = max(s.most, s.open)
	return &fakeConn{s}, nil
}

func (s *server) Driver() driver.Driver { return nil }

type fakeConn struct{ server *server }

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *fakeConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }

func (c *fakeConn) Close() error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.open--
	return nil
}

func (c *fakeConn) CheckNamedValue(*driver.NamedValue) error { return nil }

func (c *fakeConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &fakeStmt{c.server, query}, nil
}

func (c *fakeConn) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.levels = append(c.server.levels, opts.Isolation)
	c.server.statements = append(c.server.statements, "BEGIN TRANSACTION")
	return &fakeTx{c.server}, nil
}

type fakeTx struct{ server *server }

func (t *fakeTx) Commit() error { return errors.ErrUnsupported }

func (t *fakeTx) Rollback() error {
	t.server.mu.Lock()
	defer t.server.mu.Unlock()
	t.server.ended++
	return nil
}

type fakeStmt struct {
	server *server
	query  string
}

func (s *fakeStmt) Close() error                               { return nil }
func (s *fakeStmt) NumInput() int                              { return -1 }
func (s *fakeStmt) Exec([]driver.Value) (driver.Result, error) { return nil, errors.ErrUnsupported }
func (s *fakeStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, errors.ErrUnsupported }

func (s *fakeStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.statements = append(s.server.statements, s.query)
	if s.server.refuse != nil {
		if err := s.server.refuse(s.query); err != nil {
			return nil, err
		}
	}
	return s.server.answer(ctx, s.query, args)
}

// answer tells what a server would.
func (s *server) answer(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	switch {
	case strings.Contains(query, "fn_hadr_is_primary_replica"):
		return resultOf([]driver.Value{s.primary}), nil
	case strings.Contains(query, "DATABASEPROPERTYEX"):
		if s.noFork && strings.Contains(query, "recovery") {
			return nil, mssql.Error{Number: 208, Message: "Invalid object name"}
		}
		var fork, family any
		if s.fork != "" && strings.Contains(query, "recovery") {
			fork, family = s.fork, "A"
		}
		return resultOf([]driver.Value{s.before, "loen", s.updateable, s.snapshot, s.created, "B", fork, family}), nil
	case strings.Contains(query, "sys.objects AS o"):
		return resultOf(s.glances()...), nil
	case query == columnsSQL:
		return resultOf(s.columns(args[0].Value.(int64))...), nil
	case query == indexesSQL:
		return resultOf(s.indexes(args[0].Value.(int64))...), nil
	case query == describeSQL:
		return resultOf(), nil
	case strings.Contains(query, "CHANGE_TRACKING_MIN_VALID_VERSION"):
		first := resultOf([]driver.Value{int64(0), s.minimum["[dbo].[Afdeling]"]}, []driver.Value{int64(1), s.minimum["[dbo].[Sted]"]})
		first.next = resultOf([]driver.Value{s.inside})
		return first, nil
	case query == estimateSQL:
		return resultOf([]driver.Value{int64(7)}), nil
	case strings.HasPrefix(query, "SELECT TOP (1) ["):
		return resultOf([]driver.Value{int64(1)}), nil
	}
	if s.rows != nil {
		return s.rows(ctx, query, args)
	}
	return resultOf(), nil
}

func (s *server) glances() [][]driver.Value {
	var list [][]driver.Value
	for i, name := range []string{"Afdeling", "Sted"} {
		t := s.tables[name]
		if t == nil {
			list = append(list, []driver.Value{int64(i), nil, nil, nil, int64(0), nil, nil, nil, nil, nil})
			continue
		}
		var tracked, begin any
		if t.tracked {
			tracked, begin = t.object, t.begin
		}
		visible := slices.Clone(t.columns)
		for i := range visible {
			visible[i].readable = true // a right to a column is no part of the definition
		}
		stamp := int64(crc32.ChecksumIEEE(fmt.Append(nil, visible, t.key)))
		sees := int64(0)
		if t.sees {
			sees = 1
		}
		list = append(list, []driver.Value{int64(i), t.object, "U", "2026-01-01", int64(len(t.columns)), stamp, int64(1), sees, tracked, begin})
	}
	return list
}

func (s *server) tableOf(object int64) *fakeTable {
	for _, t := range s.tables {
		if t.object == object {
			return t
		}
	}
	return &fakeTable{}
}

func (s *server) columns(object int64) [][]driver.Value {
	var list [][]driver.Value
	for _, c := range s.tableOf(object).columns {
		list = append(list, []driver.Value{int64(c.id), c.name, c.typ, int64(c.length), int64(c.precision), int64(c.scale), c.nullable,
			c.collation, false, int64(0), false, c.readable})
	}
	for _, row := range list {
		if row[11] == true {
			row[11] = int64(1)
		} else {
			row[11] = int64(0)
		}
	}
	return list
}

func (s *server) indexes(object int64) [][]driver.Value {
	var list [][]driver.Value
	for i, name := range s.tableOf(object).key {
		list = append(list, []driver.Value{int64(1), true, true, int64(i + 1), name})
	}
	return list
}

// result is a statement's rows. broken ends them with an error; wait blocks the next one and ends them.
type result struct {
	rows   [][]driver.Value
	types  []string
	next   *result
	broken error
	wait   func() error
}

func resultOf(rows ...[]driver.Value) *result { return &result{rows: rows} }

func (r *result) Columns() []string {
	n := len(r.types)
	if len(r.rows) > 0 {
		n = len(r.rows[0])
	}
	return make([]string, max(n, 1))
}

func (r *result) Close() error { return nil }

func (r *result) Next(dest []driver.Value) error {
	if len(r.rows) == 0 {
		if r.wait != nil {
			return r.wait()
		}
		if r.broken != nil {
			return r.broken
		}
		return io.EOF
	}
	copy(dest, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

func (r *result) HasNextResultSet() bool { return r.next != nil }

func (r *result) NextResultSet() error {
	if r.next == nil {
		return io.EOF
	}
	r.rows, r.next = r.next.rows, r.next.next
	return nil
}

func (r *result) ColumnTypeDatabaseTypeName(i int) string {
	if i < len(r.types) {
		return r.types[i]
	}
	return ""
}

// noted returns the statements since the last call, and forgets them.
func (s *server) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.statements)
	s.statements = nil
	return list
}

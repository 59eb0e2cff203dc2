package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/cell"
	"lessor.dk/portalsync/protocol"
)

// Tx is one read transaction. See [source.Tx].
type Tx struct {
	source     *Source
	conn       *sql.Conn
	state      source.State
	layouts    map[string]*layout
	converters map[string]*converters
	bad        map[badKey]*source.Bad
}

// badKey finds the count of a field's rows that were left out for one reason.
type badKey struct {
	kind, field string
	reason      error
}

// converters make one kind's rows.
type converters struct {
	schema *protocol.SectionSchema
	fields []*cell.Converter
	row    protocol.Row
	dest   []driver.Value
}

const stateSQL = `
SELECT lineage, version
FROM   portalsync_ct_state`

// begin pins the database's state with its first read and describes it.
func (t *Tx) begin(ctx context.Context) error {
	if _, err := t.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	var schema int64
	if err := t.conn.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&schema); err != nil {
		return err
	}
	t.state.At = time.Now()
	if err := t.conn.QueryRowContext(ctx, stateSQL).Scan(&t.state.Lineage, &t.state.Position); err != nil {
		if resultCode(err) != 0 && !passing(ctx, classify(ctx, err)) || errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: change tracking is not installed in it: %w", source.ErrGone, err)
		}
		return err
	}
	known, err := readTracked(ctx, t.conn)
	if err != nil {
		return err
	}
	if t.layouts, err = t.source.layoutsAt(ctx, t.conn, schema, known); err != nil {
		return err
	}
	t.state.Kinds = make(map[string]source.KindState, len(t.layouts))
	for name, l := range t.layouts {
		k := source.KindState{MinValid: l.minValid(known), Err: firstError(l.err, t.source.failure(name))}
		k.Epoch = l.epoch(t.source.plan.Mapping(l.kind), known)
		if k.Err == nil {
			if k.Estimate, err = t.source.estimate(ctx, t.conn, l.kind.Table.Name); err != nil {
				return err
			}
		}
		t.state.Kinds[name] = k
	}
	return nil
}

// layoutsAt returns the layouts for a version of the database's schema, made anew only when that has changed.
func (s *Source) layoutsAt(ctx context.Context, conn *sql.Conn, schema int64, known map[string]*tracked) (map[string]*layout, error) {
	s.mu.Lock()
	layouts, current := s.layouts, s.schema == schema
	s.mu.Unlock()
	if layouts != nil && current {
		return layouts, nil
	}
	layouts, err := layoutsOf(ctx, conn, s.plan, known)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.layouts, s.schema = layouts, schema
	s.mu.Unlock()
	return layouts, nil
}

func (s *Source) estimate(ctx context.Context, conn *sql.Conn, table string) (int64, error) {
	s.mu.Lock()
	e, ok := s.estimates[table]
	s.mu.Unlock()
	if ok && time.Since(e.at) < estimateAge {
		return e.rows, nil
	}
	e.at = time.Now()
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM "+quote(table)).Scan(&e.rows); err != nil {
		return 0, fmt.Errorf("count table %s: %w", table, err)
	}
	s.mu.Lock()
	s.estimates[table] = e
	s.mu.Unlock()
	return e.rows, nil
}

// State tells what the transaction sees.
func (t *Tx) State() source.State { return t.state }

// Upserts yields the rows of a kind that changed after from and exist, as they are now. Of one that cannot be
// converted it says nothing.
func (t *Tx) Upserts(ctx context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error {
	l, c, err := t.open(kind)
	if err != nil {
		return err
	}
	s := &l.statements
	return t.scan(ctx, l, s.upserts, []any{int64(from)}, s.selected, func(dest []driver.Value) error {
		if !t.convert(l, c, dest) {
			return nil
		}
		return yield(&c.row)
	})
}

// Deletes yields the keys of a kind that changed after from and are gone. A key that cannot be converted
// never left, so nothing is to be deleted for it.
func (t *Tx) Deletes(ctx context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error {
	l, c, err := t.open(kind)
	if err != nil {
		return err
	}
	s := &l.statements
	return t.scan(ctx, l, s.deletes, []any{int64(from)}, len(s.recordKey), func(dest []driver.Value) error {
		if !c.convertKey(l, dest) {
			return nil
		}
		return yield(&c.row)
	})
}

// convertKey makes the delete of the key in dest and reports whether it can be converted.
func (c *converters) convertKey(l *layout, dest []driver.Value) bool {
	c.clear(protocol.Delete)
	for i, field := range l.statements.recordKey {
		if constant := l.kind.Fields[field].Value; constant != nil {
			c.row.Values[field] = *constant
		} else if c.fields[field].Convert(&c.row.Values[field], dest[i]) != nil {
			return false
		}
	}
	return true
}

// CountChanges returns an upper bound of the rows that Upserts and Deletes would yield together.
func (t *Tx) CountChanges(ctx context.Context, kind string, from protocol.Position) (int64, error) {
	l, _, err := t.open(kind)
	if err != nil {
		return 0, err
	}
	var n int64
	if err := t.conn.QueryRowContext(ctx, l.statements.count, int64(from)).Scan(&n); err != nil {
		return 0, t.readError(ctx, l, err)
	}
	return n, nil
}

// Bad tells which rows were left out so far.
func (t *Tx) Bad() []source.Bad {
	var list []source.Bad
	for _, b := range t.bad {
		list = append(list, *b)
	}
	slices.SortFunc(list, func(a, b source.Bad) int {
		return compare(a.Kind, b.Kind, a.Field, b.Field, a.Reason.Error(), b.Reason.Error())
	})
	return list
}

// Close ends the transaction. It may be called twice.
func (t *Tx) Close() error {
	if t.conn == nil {
		return nil
	}
	conn := t.conn
	t.conn = nil
	_, err := conn.ExecContext(context.Background(), "ROLLBACK")
	return firstError(conn.Close(), err)
}

// open returns a kind's layout and converters.
func (t *Tx) open(kind string) (*layout, *converters, error) {
	l := t.layouts[kind]
	if l == nil {
		return nil, nil, fmt.Errorf("read %s: the plan has no such kind", kind)
	}
	if l.err != nil {
		return nil, nil, &source.KindError{Kind: kind, Err: l.err}
	}
	c := t.converters[kind]
	if c == nil {
		c = &converters{}
		for _, k := range t.source.kinds {
			if k.Record.Name == kind {
				c.schema = k.Schema
			}
		}
		for _, f := range l.kind.Fields {
			converter := cell.New(f.Field, t.source.plan.Timezone)
			if f.Map != nil {
				converter.Translate(f.Map, f.Others)
			}
			c.fields = append(c.fields, converter)
		}
		c.row.Values = make([]protocol.Value, len(c.fields))
		c.dest = make([]driver.Value, max(l.statements.selected, len(l.statements.recordKey)))
		t.converters[kind] = c
	}
	return l, c, nil
}

func (c *converters) clear(op protocol.Op) {
	c.row.Op = op
	clear(c.row.Values)
}

// convert makes the row of the selected columns, or counts it as bad and reports false.
func (t *Tx) convert(l *layout, c *converters, dest []driver.Value) bool {
	c.row.Op = protocol.Update
	for i, field := range l.statements.columns {
		if err := c.fields[field].Convert(&c.row.Values[field], dest[i]); err != nil {
			t.leaveOut(l, field, err)
			return false
		}
	}
	for i := range l.kind.Fields {
		if v := l.kind.Fields[i].Value; v != nil {
			c.row.Values[i] = *v
		}
	}
	return true
}

func (t *Tx) leaveOut(l *layout, field int, reason error) {
	f := &l.kind.Fields[field]
	key := badKey{l.kind.Record.Name, f.Name, reason}
	if t.bad[key] == nil {
		t.bad[key] = &source.Bad{Kind: key.kind, Field: f.Name,
			Reason: fmt.Errorf("%s.%s from table %s %w", key.kind, f.Name, l.kind.Table, reason)}
	}
	t.bad[key].Rows++
}

// cancelEvery is how many rows are read between looks at the context.
const cancelEvery = 256

// scan runs a query on the driver itself: the rows of a first load pass here, and database/sql's conversions
// would cost as much again as reading them.
func (t *Tx) scan(ctx context.Context, l *layout, query string, args []any, columns int, row func([]driver.Value) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := t.converters[l.kind.Record.Name]
	c.row.Version = t.state.Position
	dest := c.dest[:columns]
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	var stopped error
	err := t.conn.Raw(func(raw any) error {
		rows, err := raw.(driver.QueryerContext).QueryContext(context.WithoutCancel(ctx), query, named)
		if err != nil {
			return err
		}
		defer rows.Close()
		for n := 1; ; n++ {
			if err := rows.Next(dest); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if stopped = row(dest); stopped != nil {
				return nil
			}
			if n%cancelEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
		}
	})
	if stopped != nil {
		return stopped
	}
	return t.readError(ctx, l, err)
}

// readError tells the database's troubles from those of a kind's statement.
func (t *Tx) readError(ctx context.Context, l *layout, err error) error {
	if err == nil {
		return nil
	}
	classified := classify(ctx, err)
	if !passing(ctx, classified) {
		t.source.fail(l.kind.Record.Name, err)
		return &source.KindError{Kind: l.kind.Record.Name, Err: err}
	}
	return fmt.Errorf("read %s: %w", l.kind.Record.Name, classified)
}

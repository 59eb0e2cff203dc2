package sqlserver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Tx is one read transaction. See [source.Tx].
type Tx struct {
	source  *Source
	conn    *sql.Conn
	tx      *sql.Tx
	state   source.State
	glances []glance
	layouts map[string]*layout
	rows    map[string]*relational.Rows
	leftOut relational.LeftOut
}

// begin reads the counter, then pins the database's state with the first data it reads, and describes it.
func (t *Tx) begin(ctx context.Context) error {
	s := t.source
	f, err := s.readFacts(ctx, t.conn)
	if err != nil {
		return err
	}
	if err := refuseReadOnly(ctx, t.conn, f); err != nil {
		return err
	}
	level, unsafe := f.isolation()
	if t.tx, err = t.conn.BeginTx(ctx, &sql.TxOptions{Isolation: level}); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	t.state.At = time.Now()
	if t.glances, err = readGlances(ctx, t.tx, s.glances, len(s.plan.Tables())); err != nil {
		return err
	}
	if t.layouts, err = s.layoutsAt(ctx, t.tx, t.glances); err != nil {
		return err
	}
	if err := t.touch(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	s.facts = f
	s.mu.Unlock()
	return t.describe(ctx, f, unsafe)
}

// layoutsAt returns the layouts for the database as the glances show it, made anew only when that has changed.
// Transactions share them, so each gets copies.
func (s *Source) layoutsAt(ctx context.Context, q querier, glances []glance) (map[string]*layout, error) {
	now := fmt.Sprint(glances)
	s.mu.Lock()
	layouts, current := s.layouts, s.fingerprint == now
	s.mu.Unlock()
	if layouts == nil || !current {
		c, err := catalogOf(ctx, q, s.plan, glances)
		if err != nil {
			return nil, err
		}
		if layouts, err = c.layouts(ctx); err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.layouts, s.fingerprint = layouts, now
		s.mu.Unlock()
	}
	own := make(map[string]*layout, len(layouts))
	for name, l := range layouts {
		copied := *l
		own[name] = &copied
	}
	return own, nil
}

// State tells what the transaction sees.
func (t *Tx) State() source.State { return t.state }

// Upserts yields the rows of a kind that changed after from and exist, as they are now. Of one that cannot be converted
// it says nothing. Of a kind that is compared there are none.
func (t *Tx) Upserts(ctx context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error {
	l, r, err := t.open(kind)
	if err != nil || l.statements.upserts == "" {
		return err
	}
	return t.scan(ctx, l, l.statements.upserts, t.since(l, from), l.selected(), func(_, dest []driver.Value) error {
		if !r.Update(dest) {
			return nil
		}
		return yield(r.Row())
	})
}

// Deletes yields the keys of a kind that changed after from and are gone. Where only digests find them there are none.
func (t *Tx) Deletes(ctx context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error {
	l, r, err := t.open(kind)
	if err != nil || l.statements.deletes == "" {
		return err
	}
	return t.scan(ctx, l, l.statements.deletes, t.since(l, from), l.statements.RecordKey, func(_, dest []driver.Value) error {
		if !r.Delete(dest) {
			return nil
		}
		return yield(r.Row())
	})
}

// since returns the parameters that bound what changed.
func (t *Tx) since(l *layout, from protocol.Position) []any {
	if l.kind.Mode == plan.Rowversion {
		return []any{int64(from), int64(t.state.Position)}
	}
	return []any{int64(from)}
}

// CountChanges returns an upper bound of the rows that Upserts and Deletes would yield together.
func (t *Tx) CountChanges(ctx context.Context, kind string, from protocol.Position) (int64, error) {
	l, _, err := t.open(kind)
	if err != nil || l.statements.count == "" {
		return 0, err
	}
	defer t.source.budget.spend(time.Now())
	var n int64
	if err := t.tx.QueryRowContext(ctx, l.statements.count, t.since(l, from)...).Scan(&n); err != nil {
		return 0, t.readError(ctx, l, err)
	}
	return n, nil
}

// Bad tells which rows were left out so far.
func (t *Tx) Bad() []source.Bad { return t.leftOut.List() }

// Close ends the transaction. It may be called twice. A connection that broke has no transaction left to end.
func (t *Tx) Close() error {
	if t.conn == nil {
		return nil
	}
	conn, tx := t.conn, t.tx
	t.conn, t.tx = nil, nil
	var err error
	if tx != nil {
		if err = tx.Rollback(); errors.Is(err, sql.ErrTxDone) || lost(err) {
			err = nil
		}
	}
	if cerr := conn.Close(); !errors.Is(cerr, sql.ErrConnDone) {
		err = firstError(err, cerr)
	}
	return err
}

// open returns a kind's layout and what makes its rows.
func (t *Tx) open(kind string) (*layout, *relational.Rows, error) {
	l := t.layouts[kind]
	if l == nil {
		return nil, nil, fmt.Errorf("read %s: %w", kind, errNoKind)
	}
	if err := firstError(l.err, l.suspended); err != nil {
		return nil, nil, &source.KindError{Kind: kind, Err: err}
	}
	if t.rows[kind] == nil {
		t.rows[kind] = relational.NewRows(l.kind, t.source.plan.Timezone, l.statements.Selection, t.state.Position, &t.leftOut)
	}
	return l, t.rows[kind], nil
}

// selected returns the place in the schema of each selected column; -1 for one that is no field.
func (l *layout) selected() []int {
	places := make([]int, l.statements.selected)
	for i := range places {
		places[i] = -1
	}
	copy(places, l.statements.Columns)
	return places
}

// cancelEvery is how many rows are read between looks at the context.
const cancelEvery = 256

// scan runs a query on the driver itself: the rows of a first load pass here, and database/sql's conversions would cost
// as much again as reading them. The function gets each row as the driver handed it out, and as package cell reads it.
// fields tells for each column the field it is for.
func (t *Tx) scan(ctx context.Context, l *layout, query string, args []any, fields []int, row func(raw, dest []driver.Value) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer t.source.budget.spend(time.Now())
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	raw, dest := make([]driver.Value, len(fields)), make([]driver.Value, len(fields))
	// Neither error leaves Raw: database/sql would close a connection that broke, and wait for ever for the transaction
	// that is open on it.
	var stopped, failed error
	err := t.conn.Raw(func(connection any) error {
		failed = stream(ctx, connection, query, named, raw, func(rows driver.Rows) func() error {
			readers := l.readers(rows, fields)
			return func() error {
				for i, v := range raw {
					if dest[i] = v; readers[i] != nil {
						dest[i] = readers[i](v)
					}
				}
				stopped = row(raw, dest)
				return stopped
			}
		})
		return nil
	})
	if stopped != nil {
		return stopped
	}
	return t.readError(ctx, l, firstError(failed, err))
}

// stream runs a query on the driver's connection and reads each row into raw. The function gets the result once, and
// returns what is called for each row; an error of that ends the read.
func stream(ctx context.Context, connection any, query string, args []driver.NamedValue, raw []driver.Value,
	begin func(driver.Rows) func() error) error {
	statement, err := connection.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer statement.Close()
	rows, err := statement.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := begin(rows)
	for n := 1; ; n++ {
		if err := rows.Next(raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := row(); err != nil {
			return err
		}
		if n%cancelEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// readers returns what reads each column of a result.
func (l *layout) readers(rows driver.Rows, fields []int) []reader {
	readers := make([]reader, len(fields))
	typed, ok := rows.(driver.RowsColumnTypeDatabaseTypeName)
	if !ok {
		return readers
	}
	for i, field := range fields {
		if field < 0 {
			continue
		}
		f := l.kind.Fields[field]
		to := f.Type
		if f.Map != nil {
			to = record.Text // codes are listed as a text field would hold them
		}
		readers[i] = readerOf(typed.ColumnTypeDatabaseTypeName(i), to)
	}
	return readers
}

// readError tells the database's troubles from those of a kind's statement.
func (t *Tx) readError(ctx context.Context, l *layout, err error) error {
	if err == nil {
		return nil
	}
	classified := classify(ctx, err)
	if !passing(ctx, classified) {
		err = withoutValues(err)
		t.source.fail(l.kind.Record.Name, err)
		return &source.KindError{Kind: l.kind.Record.Name, Err: err}
	}
	return fmt.Errorf("read %s: %w", l.kind.Record.Name, classified)
}

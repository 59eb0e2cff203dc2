package sqlite

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
)

// Tx is one read transaction. See [source.Tx].
type Tx struct {
	source  *Source
	conn    *sql.Conn
	state   source.State
	layouts map[string]*layout
	rows    map[string]*relational.Rows
	leftOut relational.LeftOut
}

const stateSQL = `
SELECT lineage, version
FROM   portalsync_ct_state`

// begin pins the database's state with its first read and describes it.
func (t *Tx) begin(ctx context.Context) error {
	if _, err := t.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	return t.look(ctx)
}

// look reads what the connection's transaction sees of the database's state.
func (t *Tx) look(ctx context.Context) error {
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
	l, r, err := t.open(kind)
	if err != nil {
		return err
	}
	if l.kind.Mode == plan.Compare {
		return nil
	}
	s := &l.statements
	return t.scan(ctx, l, s.upserts, []any{int64(from)}, s.selected, func(dest []driver.Value) error {
		if !r.Update(dest) {
			return nil
		}
		return yield(r.Row())
	})
}

// Deletes yields the keys of a kind that changed after from and are gone. A key that cannot be converted
// never left, so nothing is to be deleted for it.
func (t *Tx) Deletes(ctx context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error {
	l, r, err := t.open(kind)
	if err != nil {
		return err
	}
	if l.kind.Mode == plan.Compare {
		return nil
	}
	s := &l.statements
	return t.scan(ctx, l, s.deletes, []any{int64(from)}, len(s.RecordKey), func(dest []driver.Value) error {
		if !r.Delete(dest) {
			return nil
		}
		return yield(r.Row())
	})
}

// CountChanges returns an upper bound of the rows that Upserts and Deletes would yield together.
func (t *Tx) CountChanges(ctx context.Context, kind string, from protocol.Position) (int64, error) {
	l, _, err := t.open(kind)
	if err != nil {
		return 0, err
	}
	if l.kind.Mode == plan.Compare {
		return 0, nil
	}
	var n int64
	if err := t.conn.QueryRowContext(ctx, l.statements.count, int64(from)).Scan(&n); err != nil {
		return 0, t.readError(ctx, l, err)
	}
	return n, nil
}

// Bad tells which rows were left out so far.
func (t *Tx) Bad() []source.Bad { return t.leftOut.List() }

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

// open returns a kind's layout and what makes its rows.
func (t *Tx) open(kind string) (*layout, *relational.Rows, error) {
	l := t.layouts[kind]
	if l == nil {
		return nil, nil, fmt.Errorf("read %s: the plan has no such kind", kind)
	}
	if l.err != nil {
		return nil, nil, &source.KindError{Kind: kind, Err: l.err}
	}
	if t.rows[kind] == nil {
		t.rows[kind] = relational.NewRows(l.kind, t.source.plan.Timezone, l.statements.Selection, t.state.Position, &t.leftOut)
	}
	return l, t.rows[kind], nil
}

// cancelEvery is how many rows are read between looks at the context.
const cancelEvery = 256

// scan runs a query on the driver itself: the rows of a first load pass here, and database/sql's conversions
// would cost as much again as reading them.
func (t *Tx) scan(ctx context.Context, l *layout, query string, args []any, columns int, row func([]driver.Value) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dest := make([]driver.Value, columns)
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

package company

import (
	"context"
	"database/sql"
	_ "embed" // the tables
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	_ "modernc.org/sqlite" // the main system's database
)

//go:embed schema.sql
var sqliteTables string

// Create makes the company's database in a new SQLite file. 300 employees take about two seconds.
func Create(ctx context.Context, file string, cfg Config) (err error) {
	c, err := Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := c.db.ExecContext(ctx, sqliteTables); err != nil {
		return fmt.Errorf("make the tables of %s: %w", file, err)
	}
	return c.fill(ctx, cfg.withDefaults())
}

// Open opens a company's SQLite file as its payroll program does: in WAL mode, one writer at a time.
func Open(file string) (*Company, error) {
	query := url.Values{"_pragma": {"journal_mode(WAL)", "busy_timeout(10000)", "synchronous(NORMAL)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+query.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(1)
	return &Company{db: db, kept: inSQLite{}}, nil
}

// inSQLite keeps a company in SQLite: dates and instants as texts, numbers as they come.
type inSQLite struct{}

func (inSQLite) spell(value any) any {
	switch v := value.(type) {
	case time.Time:
		return day(v)
	case moment:
		return time.Time(v).UTC().Format(time.RFC3339)
	case hundredths:
		if v%100 == 0 {
			return int64(v / 100)
		}
		return float64(v) / 100
	case clock:
		return string(v)
	case documentNo:
		return int64(v)
	}
	return value
}

func (s inSQLite) writer(tx *sql.Tx) rowWriter {
	return &inserters{tx: tx, spell: s.spell, tables: map[string]*inserter{}}
}

// inserters adds rows to many tables.
type inserters struct {
	tx     *sql.Tx
	spell  func(any) any
	tables map[string]*inserter
}

func (i *inserters) add(ctx context.Context, table string, row []any) error {
	t, ok := i.tables[table]
	if !ok {
		t = newInserter(i.tx, table)
		i.tables[table] = t
	}
	for n, v := range row {
		row[n] = i.spell(v)
	}
	return t.add(ctx, row)
}

func (i *inserters) flush(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(i.tables)) { // in one order, so that one seed gives one file
		if err := i.tables[name].flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

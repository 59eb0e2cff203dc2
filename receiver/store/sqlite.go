package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"lessor.dk/portalsync/protocol/record"
)

// sqliteDialect is the dialect of SQLite: one file, one writing connection, any number of readers that a writer never
// blocks (write-ahead log).
type sqliteDialect struct{}

// Settings of every connection. synchronous is FULL but for the writer's batches: with NORMAL a power cut may lose the
// last commits. Records are read again from the checkpoint that is lost with them, but a report whose receipt an employee
// has seen would not come back. A full commit takes those before it to the disk. busy_timeout covers another process (a backup, a second
// receiver by mistake); inside this one the single writing connection queues.
const (
	sqliteSettings = "_busy_timeout=10000&_foreign_keys=on&_journal_mode=WAL&_synchronous=FULL&_pragma=temp_store(MEMORY)"
	sqliteWriter   = sqliteSettings + "&_txlock=immediate&_pragma=cache_size(-65536)&_pragma=wal_autocheckpoint(4000)"
	sqliteReader   = sqliteSettings + "&_pragma=cache_size(-8192)&_query_only=on"
)

func openSQLite(ctx context.Context, file string, cfg Config) (*Store, error) {
	if file == "" {
		return nil, errors.New("open store: the address sqlite: names no file; give sqlite:FILE")
	}
	write, err := sqlitePool(file, sqliteWriter, 1)
	if err != nil {
		return nil, err
	}
	if err := write.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: open SQLite file %s: %w", file, err), write.Close())
	}
	read, err := sqlitePool(file, sqliteReader, cfg.MaxConns)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &Store{read: read, write: write, dialect: sqliteDialect{}, sweeps: sweepCache{most: cfg.SweepMarks}}, nil
}

func sqlitePool(file, settings string, conns int) (*sql.DB, error) {
	c, err := sqlite.NewConnector("file:" + (&url.URL{Path: file}).EscapedPath() + "?" + settings)
	if err != nil {
		return nil, fmt.Errorf("open store: SQLite file %s: %w", file, err)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func (sqliteDialect) migrations() (goose.Dialect, string, []goose.ProviderOption, error) {
	return goose.DialectSQLite3, "migrations/sqlite", nil, nil
}

func (sqliteDialect) forUpdate() string { return "" } // BEGIN IMMEDIATE holds the whole file

func (sqliteDialect) clock() string { return "CAST(unixepoch('subsec') * 1000 AS INTEGER)" }

func (sqliteDialect) replan(args ...any) []any { return args }

func (sqliteDialect) unique(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

func (sqliteDialect) newRows(k *record.Kind) stagedRows {
	return &valueRows{kind: k, keys: keyPlaces(k), stride: len(k.Fields) + stampCount}
}

// begin takes the writing connection: how far its commits wait for the disk cannot be changed inside of a transaction.
func (sqliteDialect) begin(ctx context.Context, db *sql.DB, lasting bool) (bulkTx, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("take the writing connection: %w", err)
	}
	t := &valueTx{conn: conn, lasting: lasting}
	if !lasting {
		if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = NORMAL"); err != nil {
			return nil, errors.Join(err, t.end())
		}
	}
	if t.sqlTx, err = conn.BeginTx(ctx, nil); err != nil {
		return nil, errors.Join(err, t.end())
	}
	return t, nil
}

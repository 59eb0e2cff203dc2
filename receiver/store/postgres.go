package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"lessor.dk/portalsync/protocol/record"
)

const (
	postgresIdle            = 5 * time.Minute
	postgresUniqueViolation = "23505"
)

// postgres is the dialect of PostgreSQL 15 and later, through the standard library's pool so that every query is the
// same text as SQLite's. COPY goes through the raw connection.
type postgres struct{}

func openPostgres(ctx context.Context, url string, cfg Config) (*Store, error) {
	conn, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open store: read the PostgreSQL address: %w", err)
	}
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "portalsync"
	}
	conn.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {} // "relation exists already" at every staging table
	db := stdlib.OpenDB(*conn)
	db.SetMaxOpenConns(cfg.MaxConns)
	db.SetMaxIdleConns(cfg.MaxConns)
	db.SetConnMaxIdleTime(postgresIdle)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: reach PostgreSQL database %s at %s: %w", conn.Database, conn.Host, err), db.Close())
	}
	return &Store{read: db, write: db, dialect: postgres{}, sweeps: sweepCache{most: cfg.SweepMarks}}, nil
}

func (postgres) migrations() (goose.Dialect, string, []goose.ProviderOption, error) {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return "", "", nil, fmt.Errorf("make migration lock: %w", err)
	}
	return goose.DialectPostgres, "migrations/postgres", []goose.ProviderOption{goose.WithSessionLocker(locker)}, nil
}

func (postgres) forUpdate() string { return " FOR UPDATE" }

func (postgres) clock() string { return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)" }

func (postgres) unique(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == postgresUniqueViolation
}

// replan has the statement sent unnamed. A named one may keep for hours the plan that it got while the table was empty.
func (postgres) replan(args ...any) []any {
	return append([]any{pgx.QueryExecModeCacheDescribe}, args...)
}

func (postgres) newRows(k *record.Kind) stagedRows { return &copyRows{kind: k, keys: keyPlaces(k)} }

// Settings of a transaction that need not last. Of a table that was just filled the planner knows nothing and would sort
// all of it for its first rows in key order, which the key's index gives; a compiled plan costs more than such statements.
const settingsSQL = `
SELECT set_config('synchronous_commit', 'off', true), set_config('enable_sort', 'off', true), set_config('jit', 'off', true)`

// begin takes one connection for the transaction, so that COPY can go beside database/sql on it.
func (postgres) begin(ctx context.Context, db *sql.DB, lasting bool) (bulkTx, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("take a connection: %w", err)
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	t := &copyTx{conn: conn, sqlTx: tx, loaded: map[string]load{}}
	if lasting {
		return t, nil
	}
	if _, err := tx.ExecContext(ctx, settingsSQL); err != nil {
		return nil, errors.Join(err, t.rollback())
	}
	return t, nil
}

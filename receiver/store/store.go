// Package store keeps what the portal knows: the records of every tenant, the checkpoint of every stream, the agents
// and what they may do. It runs on PostgreSQL and on SQLite with one set of SQL texts; only the bulk paths and the
// migrations differ. The promises of both are the sentences of package storetest.
//
// The tenant is the first argument of every method that touches a tenant's data and the first predicate of its SQL
// (invariant I10). The only exceptions look up what has no tenant yet: a key id, an invite id, a shard.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that callers decide on.
var (
	// ErrNotFound reports that the tenant has no such thing.
	ErrNotFound = errors.New("not found")
	// ErrExists reports that a name or code is taken.
	ErrExists = errors.New("exists already")
	// ErrInvite reports an invite that is unknown, expired or burnt, or a proof that does not match it.
	ErrInvite = errors.New("the invite is unknown, expired, burnt or was not proven")
	// ErrInviteTaken reports an invite that another key has used.
	ErrInviteTaken = errors.New("the invite was used with another key")
	// ErrKindClosed reports rows of a record kind that is neither ok, running nor sweeping.
	ErrKindClosed = errors.New("the record kind takes no rows in its state")
	// ErrSchemaVersion reports a database that is not at the version this program was built for.
	ErrSchemaVersion = errors.New("the database is not migrated to this program's version")
)

// Config tunes a Store. The zero value is usable.
type Config struct {
	MaxConns   int // connections to PostgreSQL, readers of SQLite; 0 means 16
	SweepMarks int // marks that a sweep holds in memory, 16 bytes each; 0 means 4 Mi; a kind with more is swept in parts
}

// Store is the portal's database. It is safe for concurrent use.
type Store struct {
	read, write *sql.DB // the same pool on PostgreSQL; SQLite has one writing connection
	dialect     dialect
	sweeps      sweepCache
}

// Open connects to a database: postgres://USER:PASSWORD@HOST/NAME or sqlite:FILE. It does not migrate it.
// The error never repeats the password of the URL.
func Open(ctx context.Context, url string, cfg Config) (*Store, error) {
	cfg.MaxConns = cmp.Or(cfg.MaxConns, 16)
	cfg.SweepMarks = cmp.Or(cfg.SweepMarks, 4<<20)
	switch {
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return openPostgres(ctx, url, cfg)
	case strings.HasPrefix(url, "sqlite:"):
		return openSQLite(ctx, strings.TrimPrefix(url, "sqlite:"), cfg)
	}
	scheme, _, _ := strings.Cut(url, ":")
	return nil, fmt.Errorf("open store: address begins with %q; give postgres://USER:PASSWORD@HOST/NAME or sqlite:FILE", scheme)
}

// Close ends all connections after their current statement.
func (s *Store) Close() error {
	err := s.write.Close()
	if s.read != s.write {
		err = errors.Join(err, s.read.Close())
	}
	if err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// inTx runs f in one writing transaction and commits it when f returns nil.
func (s *Store) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(tx); err != nil {
		return errors.Join(err, rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// rollback ends a transaction that is being given up; one that a cancelled context ended already is no error.
func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// found turns "no row" into ErrNotFound.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// millis is an instant as the store keeps its own: unix milliseconds, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant is the reverse of millis.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

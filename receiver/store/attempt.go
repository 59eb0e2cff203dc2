package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Attempt runs f in a savepoint: when f fails, what it did is undone and the transaction goes on.
func (tx *StreamTx) Attempt(ctx context.Context, f func() error) error {
	if _, err := tx.tx().ExecContext(ctx, "SAVEPOINT attempt"); err != nil {
		return fmt.Errorf("set savepoint: %w", err)
	}
	stream, kinds := tx.stream, slices.Clone(tx.kinds)
	err := f()
	end := "RELEASE SAVEPOINT attempt"
	if err != nil {
		end = "ROLLBACK TO SAVEPOINT attempt"
		tx.stream, tx.kinds = stream, kinds
		tx.bulk.undone()
	}
	if _, endErr := tx.tx().ExecContext(ctx, end); endErr != nil {
		return errors.Join(err, fmt.Errorf("end savepoint: %w", endErr))
	}
	return err
}

// Unfit reports whether err is the database's refusal of a row's content, which no second try will change.
func (s *Store) Unfit(err error) bool { return s.dialect.unfit(err) }

// unfit knows the classes cardinality violation, data exception, integrity violation and program limit exceeded.
func (postgres) unfit(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, class := range []string{"21", "22", "23", "54"} {
		if strings.HasPrefix(pg.Code, class) {
			return true
		}
	}
	return false
}

const sqlitePrimaryCode = 0xff // of an extended result code

func (sqliteDialect) unfit(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & sqlitePrimaryCode {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return true
	}
	return false
}

// undone notes that nobody knows what the staging tables hold, nor whether they still exist.
func (t *copyTx) undone() {
	for kind := range t.loaded {
		t.loaded[kind] = load{}
	}
}

func (t *valueTx) undone() {}

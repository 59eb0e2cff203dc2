package store

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"

	"lessor.dk/portalsync/protocol/record"
)

// dialect is what PostgreSQL and SQLite do differently: locking, migrations and moving many rows at once.
type dialect interface {
	// migrations returns goose's name of the dialect, the directory of its files and how several receivers take turns.
	migrations() (goose.Dialect, string, []goose.ProviderOption, error)
	// forUpdate ends a SELECT that locks the row it reads until the transaction ends.
	forUpdate() string
	// clock is the expression of the database's own time in unix milliseconds.
	clock() string
	// replan returns the arguments of a statement that must be planned for the tables as they are now.
	replan(args ...any) []any
	// unique reports whether err is the violation of a unique key.
	unique(err error) bool
	// unfit reports whether err is a refusal of a row's content.
	unfit(err error) bool
	// begin starts a writing transaction. A lasting one is on disk when its commit returns, and those before it too.
	begin(ctx context.Context, db *sql.DB, lasting bool) (bulkTx, error)
	// newRows returns an empty buffer for rows of a kind.
	newRows(k *record.Kind) stagedRows
}

// bulkTx is a writing transaction that can move many rows.
type bulkTx interface {
	tx() *sql.Tx
	// upsert writes staged rows whose hash differs and returns how many it wrote.
	upsert(ctx context.Context, rows stagedRows, w writing) (int64, error)
	// remove deletes the staged deletes and returns how many rows there were.
	remove(ctx context.Context, rows stagedRows, w writing) (int64, error)
	// unmark takes the running snapshot's id off the rows of the staged deletes and returns how many there were.
	unmark(ctx context.Context, rows stagedRows, w writing) (int64, error)
	// blanked counts the staged rows that empty a field which the stored row has filled.
	blanked(ctx context.Context, rows stagedRows, w writing) (int64, error)
	// deleted counts the staged deletes whose rows are stored.
	deleted(ctx context.Context, rows stagedRows, w writing) (int64, error)
	// undone is told that a savepoint was rolled back.
	undone()
	commit() error
	rollback() error
}

// stagedRows is a dialect's buffer of rows. Cells stand in the kind's field order.
type stagedRows interface {
	upsert(r *stagedRow)
	remove(r *stagedRow)
	upserts() int
	removes() int
	// without returns the upserts but those that skip is true for.
	without(skip func(i int) bool) stagedRows
}

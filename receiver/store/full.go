package store

import (
	"errors"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// postgresDiskFull is SQLSTATE disk_full.
const postgresDiskFull = "53100"

// Full reports whether an error of this package says that the database's disk is full, or the space that the
// receiver may use of it. Nothing was written: the transaction is gone, and the same again succeeds when there is space.
func Full(err error) bool {
	var lite *sqlite.Error
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &lite): // a quota and a limit of the process are a failed write to SQLite
		return lite.Code() == sqlite3.SQLITE_FULL || lite.Code() == sqlite3.SQLITE_IOERR_WRITE
	case errors.As(err, &pg):
		return pg.Code == postgresDiskFull
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

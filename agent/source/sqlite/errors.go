package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"lessor.dk/portalsync/agent/source"
)

// primary masks SQLite's extended result codes.
const primary = 0xff

// classify wraps err as the kind of trouble that a source's caller tells apart.
func classify(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, source.ErrBusy) || errors.Is(err, source.ErrGone) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch resultCode(err) {
	case code.SQLITE_BUSY, code.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", source.ErrBusy, err)
	case code.SQLITE_CANTOPEN, code.SQLITE_IOERR, code.SQLITE_NOTADB, code.SQLITE_CORRUPT, code.SQLITE_PERM,
		code.SQLITE_AUTH, code.SQLITE_PROTOCOL:
		return fmt.Errorf("%w: %w", source.ErrGone, err)
	}
	return err
}

// passing reports whether classify found an error to be no fault of the statement: the database is busy or gone, or
// the read was stopped.
func passing(ctx context.Context, classified error) bool {
	return ctx.Err() != nil || errors.Is(classified, source.ErrBusy) || errors.Is(classified, source.ErrGone)
}

// resultCode returns SQLite's primary result code, 0 if err is none of SQLite's.
func resultCode(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code() & primary
	}
	return 0
}

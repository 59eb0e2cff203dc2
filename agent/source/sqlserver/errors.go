package sqlserver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/source"
)

// What SQL Server says when it would serve us another time: out of memory or of workers, deadlock victim, lock
// timeout, resource limits, snapshot conflicts (3960), a table altered under a snapshot (3961), version store gone
// (3958, 3966), and what Azure answers while it moves a database.
var busyNumbers = []int32{701, 1204, 1205, 1222, 3950, 3957, 3958, 3960, 3961, 3966, 8628, 8645, 8651, 10928, 10929,
	40197, 40501, 40549, 40550, 40613, 49918, 49919, 49920}

// What it says when the database cannot be reached as it was configured: no such database (911, 4060), login refused
// (18452 …), being started, stopped, restored or failed over (922, 927, 942, 945, 952, 976, 983, 6005, 18401), no right
// to connect (916).
var goneNumbers = []int32{596, 911, 916, 922, 924, 927, 942, 945, 952, 976, 978, 983, 4060, 4064, 6005, 18401, 18452, 18456,
	18461, 18486, 18487, 18488}

// numbers of single conditions that the code tells apart.
const (
	errAmbiguous = 209
	fatalClass   = 20 // from here on the server closes the connection
)

// classify wraps err as the kind of trouble that a source's caller tells apart.
func classify(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, source.ErrBusy) || errors.Is(err, source.ErrGone) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var said mssql.Error
	if errors.As(err, &said) {
		switch {
		case slices.Contains(busyNumbers, said.Number):
			return fmt.Errorf("%w: %w", source.ErrBusy, err)
		case slices.Contains(goneNumbers, said.Number) || said.Class >= fatalClass || said.Number == 0:
			return fmt.Errorf("%w: %w", source.ErrGone, err)
		}
		return err
	}
	if lost(err) {
		return fmt.Errorf("%w: %w", source.ErrGone, err)
	}
	return err
}

// withoutValues returns err as it may leave the building: in the server's own words unless those quote a row.
func withoutValues(err error) error {
	var said mssql.Error
	if !errors.As(err, &said) {
		return err
	}
	if why, ok := valueNumbers[said.Number]; ok {
		return fmt.Errorf("%s (%d)", why, said.Number)
	}
	return err
}

// lost reports whether the connection broke or could not be made.
func lost(err error) bool {
	var network net.Error
	var stream mssql.StreamError
	var server mssql.ServerError
	return errors.As(err, &network) || errors.As(err, &stream) || errors.As(err, &server) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, context.DeadlineExceeded)
}

// passing reports whether classify found an error to be no fault of the statement: the database is busy or gone, or
// the read was stopped.
func passing(ctx context.Context, classified error) bool {
	return ctx.Err() != nil || errors.Is(classified, source.ErrBusy) || errors.Is(classified, source.ErrGone)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

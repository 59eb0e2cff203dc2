package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

func isGone(err error) bool { return errors.Is(err, source.ErrGone) }

func isBusy(err error) bool { return errors.Is(err, source.ErrBusy) }

func isKindError(err error) bool {
	var k *source.KindError
	return errors.As(err, &k)
}

// TestTroubleInTheMiddle breaks a result after its first row, in every way a server or the way to it does.
func TestTroubleInTheMiddle(t *testing.T) {
	tests := map[string]struct {
		err  error
		want func(error) bool
	}{
		"a deadlock's victim":                {mssql.Error{Number: 1205, Class: 13}, isBusy},
		"a lock waited for too long":         {mssql.Error{Number: 1222, Class: 16}, isBusy},
		"a snapshot conflict":                {mssql.Error{Number: 3960, Class: 16}, isBusy},
		"a table altered under the snapshot": {mssql.Error{Number: 3961, Class: 16}, isBusy},
		"a version store that is gone":       {mssql.Error{Number: 3958, Class: 16}, isBusy},
		"a database that Azure moves":        {mssql.Error{Number: 40613, Class: 17}, isBusy},
		"a fail-over":                        {mssql.Error{Number: 983, Class: 14}, isGone},
		"a shutdown":                         {mssql.Error{Number: 6005, Class: 14}, isGone},
		"a session that was killed":          {mssql.Error{Number: 596, Class: 21}, isGone},
		"a fatal error":                      {mssql.Error{Number: 824, Class: 24}, isGone},
		"a transaction the server ended":     {mssql.Error{Number: 0}, isGone},
		"a connection that ends":             {io.EOF, isGone},
		"a connection that is reset":         {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, isGone},
		"a stream that is none":              {mssql.StreamError{InnerError: errors.New("invalid token")}, isGone},
		"a connection the driver gave up":    {driver.ErrBadConn, isGone},
		"a value that cannot be converted": {mssql.Error{Number: 245, Class: 16,
			Message: "Conversion failed when converting the varchar value 'Salg' to data type int."}, isKindError},
		"a division by zero in the plan":      {mssql.Error{Number: 8134, Class: 16}, isKindError},
		"a column that went since the glance": {mssql.Error{Number: 207, Class: 16}, isKindError},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.rows = func(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
				broken := tt.err
				if errors.Is(broken, io.EOF) {
					broken = io.ErrUnexpectedEOF // the driver's own: io.EOF ends a result well
				}
				return &result{rows: [][]driver.Value{{int64(1), "Salg"}}, broken: broken}, nil
			}
			src := s.source(t, fakePlan)
			tx := s.begin(t, src)
			rows := 0
			err := tx.Upserts(t.Context(), "department", 1, func(*protocol.Row) error { rows++; return nil })
			if rows != 1 || !tt.want(err) {
				t.Errorf("%d rows, then %v", rows, err)
			}
			if err != nil && strings.Contains(err.Error(), "Salg") {
				t.Errorf("%v holds what a row holds", err)
			}
			tx.Close()
			// The other kind flows; a kind whose statement was refused says so at the next look.
			state := s.look(t, src)
			if told := state.Kinds["department"].Err; told != nil && strings.Contains(told.Error(), "Salg") {
				t.Errorf("%v holds what a row holds", told)
			}
			if state.Kinds["place"].Err != nil || (state.Kinds["department"].Err != nil) != isKindError(err) {
				t.Errorf("then department: %v, place: %v", state.Kinds["department"].Err, state.Kinds["place"].Err)
			}
		})
	}
}

func TestTroubleAtBegin(t *testing.T) {
	tests := map[string]struct {
		err  error
		want func(error) bool
	}{
		"a login that is refused":    {mssql.Error{Number: 18456, Class: 14}, isGone},
		"a database that is not one": {mssql.Error{Number: 4060, Class: 11}, isGone},
		"a server without workers":   {mssql.Error{Number: 10928, Class: 16}, isBusy},
		"a lock on the catalog":      {mssql.Error{Number: 1222, Class: 16}, isBusy},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.refuse = func(query string) error {
				if strings.Contains(query, "sys.objects AS o") {
					return tt.err
				}
				return nil
			}
			if _, err := s.source(t, fakePlan).Begin(t.Context()); !tt.want(err) {
				t.Errorf("Begin = %v", err)
			}
			if s.ended != len(s.levels) {
				t.Errorf("%d transactions begun, %d ended", len(s.levels), s.ended)
			}
		})
	}
}

func TestCancelWithinASecond(t *testing.T) {
	s := newServer()
	s.rows = func(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
		return &result{rows: [][]driver.Value{{int64(1), "Salg"}}, wait: func() error { <-ctx.Done(); return ctx.Err() }}, nil
	}
	tx := s.begin(t, s.source(t, fakePlan))
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	err := tx.Upserts(ctx, "department", 1, func(*protocol.Row) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || time.Since(began) > time.Second {
		t.Errorf("Upserts = %v after %s", err, time.Since(began))
	}
}

func TestAddressesKeepTheirPassword(t *testing.T) {
	for _, address := range []string{
		"sqlserver://agent:hemmelig@h", "Server=h;Password=hemmelig", "sqlserver://agent:hemmelig@h:port?database=d",
		"sqlserver://agent:hemmelig@h?database=d&encrypt=hemmelig",
	} {
		_, err := parameters(address, Config{})
		if err == nil || strings.Contains(err.Error(), "hemmelig") {
			t.Errorf("%s: %v, want an error without the password", address, err)
		}
	}
	if got := Name("sqlserver://agent:hemmelig@h:1433/LOEN?database=d"); got != "d on h:1433/LOEN" {
		t.Errorf("Name = %s", got)
	}
}

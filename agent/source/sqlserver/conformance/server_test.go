package conformance

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scratch is a database as far as preparing and emptying it goes. It notes what is done to it.
type scratch struct {
	objects            []driver.Value // kind, schema, name of what is in it
	owned              bool
	tracked, snapshots bool
	noTracking         bool // the server has none
	done               []string
}

func (s *scratch) Connect(context.Context) (driver.Conn, error) { return &scratchConn{s}, nil }
func (s *scratch) Driver() driver.Driver                        { return nil }

type scratchConn struct{ *scratch }

func (c *scratchConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *scratchConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (c *scratchConn) Close() error                        { return nil }

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (c *scratchConn) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	switch query {
	case countSQL:
		return &oneRow{[]driver.Value{int64(len(c.objects))}}, nil
	case ownsSQL:
		return &oneRow{[]driver.Value{bit(c.owned)}}, nil
	case stateSQL:
		return &oneRow{[]driver.Value{bit(c.tracked), bit(c.snapshots)}}, nil
	case leftSQL:
		return &oneRow{c.objects}, nil
	}
	return nil, errors.ErrUnsupported
}

func (c *scratchConn) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	if strings.HasPrefix(statement, "DECLARE") {
		if c.noTracking {
			return nil, errors.New("no such function")
		}
		return driver.RowsAffected(0), nil
	}
	c.done = append(c.done, statement)
	return driver.RowsAffected(0), nil
}

// oneRow is a result of one row, or of none when it has no columns.
type oneRow struct{ values []driver.Value }

func (r *oneRow) Columns() []string { return make([]string, len(r.values)) }
func (r *oneRow) Close() error      { return nil }

func (r *oneRow) Next(dest []driver.Value) error {
	if r.values == nil {
		return io.EOF
	}
	copy(dest, r.values)
	r.values = nil
	return nil
}

func TestPrepareAndClose(t *testing.T) {
	const (
		snapshotsOn  = "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON"
		snapshotsOff = "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION OFF"
		trackingOn   = "ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON)"
		trackingOff  = "ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF"
		noSchema     = "DROP SCHEMA IF EXISTS [portalsync]"
	)
	tests := map[string]struct {
		scratch scratch
		refused string
		left    []driver.Value // what a check leaves behind
		want    []string
	}{
		"a database that holds something is not touched": {scratch{objects: []driver.Value{"TABLE", "dbo", "Løn"}, owned: true}, "not empty", nil, nil},
		"a database that is somebody else's":             {scratch{}, "does not own it", nil, nil},
		"one that has nothing on": {scratch{owned: true}, "", []driver.Value{"TABLE", "dbo", "Et ]"},
			[]string{snapshotsOn, trackingOn, "DROP TABLE [dbo].[Et ]]]", noSchema, trackingOff, snapshotsOff}},
		"one that had everything on keeps it":  {scratch{owned: true, tracked: true, snapshots: true}, "", nil, []string{noSchema}},
		"a server that has no change tracking": {scratch{owned: true, snapshots: true, noTracking: true}, "", nil, []string{noSchema}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &Server{db: sql.OpenDB(&tt.scratch)}
			err := s.prepare(t.Context())
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || len(tt.scratch.done) > 0 {
					t.Errorf("prepare: %v, did %v, want %q and nothing done", err, tt.scratch.done, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tt.scratch.objects = tt.left
			ended, cancel := context.WithCancel(t.Context())
			cancel() // who breaks it off finds the database empty all the same
			if err := s.Close(ended); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.scratch.done); diff != "" {
				t.Errorf("done (-want +got)\n%s", diff)
			}
		})
	}
}

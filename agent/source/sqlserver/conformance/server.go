package conformance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sourcetest"
	"lessor.dk/portalsync/agent/source/sqlserver"
)

// Server is an empty scratch database, and an account that owns it.
type Server struct {
	address string
	cfg     sqlserver.Config
	db      *sql.DB
	// What the database had before.
	tracked, snapshots bool
	// able reports whether the server has change tracking at all.
	able bool
}

// ErrNotEmpty reports a database that holds something. Nothing in it was touched.
var ErrNotEmpty = errors.New("the database is not empty: make an empty one, and name that")

const (
	countSQL = `SELECT COUNT(*) FROM sys.objects AS o WHERE o.is_ms_shipped = 0 AND o.type IN ('U', 'V', 'P', 'FN', 'IF', 'TF', 'SN', 'SO')`
	stateSQL = `SELECT (SELECT COUNT(*) FROM sys.change_tracking_databases WHERE database_id = DB_ID()),
       (SELECT COUNT(*) FROM sys.databases WHERE database_id = DB_ID() AND snapshot_isolation_state = 1)`
	ownsSQL = `SELECT COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), 'DATABASE', 'CONTROL'), 0)`
)

// Open connects to an empty database, which the account must own, and prepares it. Close empties it.
func Open(ctx context.Context, address string, cfg sqlserver.Config) (*Server, error) {
	db, err := sqlserver.OpenDatabase(address, cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{address: address, cfg: cfg, db: db}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare database %s: %w", sqlserver.Name(address), err), db.Close())
	}
	return s, nil
}

func (s *Server) prepare(ctx context.Context) error {
	var objects int
	var owns bool
	if err := s.db.QueryRowContext(ctx, countSQL).Scan(&objects); err != nil {
		return err
	}
	if objects > 0 {
		return ErrNotEmpty
	}
	if err := s.db.QueryRowContext(ctx, ownsSQL).Scan(&owns); err != nil {
		return err
	}
	if !owns {
		return errors.New("the account does not own it: make it a member of db_owner there")
	}
	if err := s.db.QueryRowContext(ctx, stateSQL).Scan(&s.tracked, &s.snapshots); err != nil {
		return err
	}
	if !s.snapshots {
		if _, err := s.db.ExecContext(ctx, "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON"); err != nil {
			return err
		}
	}
	_, err := s.db.ExecContext(ctx, "DECLARE @v bigint = CHANGE_TRACKING_CURRENT_VERSION()")
	if s.able = err == nil; s.able && !s.tracked {
		_, err = s.db.ExecContext(ctx, "ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON)")
		return err
	}
	return nil
}

// closeTimeout is how long emptying the database may take, also after ctx has ended.
const closeTimeout = time.Minute

// Close empties the database, puts it back as it was, and lets it go.
func (s *Server) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	errs := []error{s.empty(ctx)}
	if s.able && !s.tracked {
		_, err := s.db.ExecContext(ctx, "ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF")
		errs = append(errs, err)
	}
	if !s.snapshots {
		_, err := s.db.ExecContext(ctx, "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION OFF")
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, s.db.Close())...); err != nil {
		return fmt.Errorf("empty the scratch database: %w", err)
	}
	return nil
}

// leftSQL lists what there is to drop: the database was empty, so that all of it is ours. Procedures and views go first.
const leftSQL = `SELECT CASE o.type WHEN 'P' THEN 'PROCEDURE' WHEN 'V' THEN 'VIEW' ELSE 'TABLE' END, SCHEMA_NAME(o.schema_id), o.name
FROM   sys.objects AS o
WHERE  o.is_ms_shipped = 0 AND o.type IN ('P', 'V', 'U')
ORDER  BY o.type`

// empty drops everything in the database.
func (s *Server) empty(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, leftSQL)
	if err != nil {
		return fmt.Errorf("list what is in the scratch database: %w", err)
	}
	defer rows.Close()
	var drops []string
	for rows.Next() {
		var what, schema, name string
		if err := rows.Scan(&what, &schema, &name); err != nil {
			return fmt.Errorf("list what is in the scratch database: %w", err)
		}
		drops = append(drops, "DROP "+what+" "+quote(schema)+"."+quote(name))
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list what is in the scratch database: %w", err)
	}
	for _, drop := range append(drops, "DROP SCHEMA IF EXISTS [portalsync]") {
		if _, err := s.db.ExecContext(ctx, drop); err != nil {
			return fmt.Errorf("%s: %w", drop, err)
		}
	}
	return nil
}

func quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// do runs statements as a user of the main system.
func (s *Server) do(t T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := s.db.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// number asks for one number; null is -1.
func (s *Server) number(t T, query string) int64 {
	t.Helper()
	var n sql.NullInt64
	if err := s.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if !n.Valid {
		return -1
	}
	return n.Int64
}

// open reads the database through a plan until the check ends.
func (s *Server) open(t T, text string) *sqlserver.Source {
	t.Helper()
	p, err := plan.Parse("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	src, err := sqlserver.Open(s.address, p, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

// begin looks at the database until the check ends.
func begin(t T, src *sqlserver.Source) source.Tx {
	t.Helper()
	tx, err := src.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Close() })
	return tx
}

// harness is the database as the promises of every source know it.
func (s *Server) harness(t T, mode plan.Mode) sourcetest.Harness {
	t.Helper()
	each := func(format string) func(...string) {
		return func(tables ...string) {
			for _, table := range tables {
				s.do(t, fmt.Sprintf(format, quote(table)))
			}
		}
	}
	none := func(...string) {}
	h := sourcetest.Harness{
		Mode: mode,
		Exec: func(statement string) error {
			_, err := s.db.ExecContext(context.WithoutCancel(t.Context()), strings.ReplaceAll(statement, "INTEGER", "int"))
			return err
		},
		Truncate: func(table string) { s.do(t, "TRUNCATE TABLE "+quote(table)) },
		Rename: func(table, from, to string) {
			s.do(t, fmt.Sprintf("EXEC sp_rename N'[%s].[%s]', N'%s', N'COLUMN'", table, from, to))
		},
		Forget: func() {},
		Open: func(p *plan.Plan) source.Source {
			src, err := sqlserver.Open(s.address, p, s.cfg)
			if err != nil {
				t.Fatal(err)
			}
			return src
		},
		Track: none, Untrack: none, Cannot: map[string]string{},
	}
	switch mode {
	case plan.ChangeTracking:
		s.needsTracking(t)
		h.Track, h.Untrack = each("ALTER TABLE %s ENABLE CHANGE_TRACKING"), each("ALTER TABLE %s DISABLE CHANGE_TRACKING")
		for _, name := range []string{"a restored database has another lineage", "a restore that passes the old position again has another lineage",
			"clean-up ends the validity of positions before it, of its kind alone"} {
			h.Cannot[name] = "it takes an administrator of the server and a place for backups"
		}
	case plan.Rowversion:
		h.Track = each("ALTER TABLE %s ADD rv rowversion")
	case plan.Compare:
	}
	return h
}

// needsTracking skips a check where the server, of another make, has no change tracking.
func (s *Server) needsTracking(t T) {
	t.Helper()
	if !s.able {
		t.Skip("this server has no change tracking")
	}
}

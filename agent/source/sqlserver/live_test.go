package sqlserver_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	_ "github.com/microsoft/go-mssqldb" // the driver

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sourcetest"
	"lessor.dk/portalsync/agent/source/sqlserver"
)

// live returns the address of a server on which the account may make and drop everything in one empty database, or skips
// the test by name. The database is emptied.
func live(t testing.TB) string {
	t.Helper()
	address := os.Getenv("TEST_SQLSERVER_DSN")
	if address == "" {
		t.Skip("TEST_SQLSERVER_DSN is not set: sqlserver://USER:PASSWORD@HOST?database=EMPTY runs this on a real server")
	}
	return address
}

// emptied drops every table of the tests.
func emptied(t testing.TB, db *sql.DB) {
	t.Helper()
	for _, table := range []string{"Afdeling", "Medarbejder", "Telefon", "Adresse", "Bynavn", "Sats", "Typer"} {
		if _, err := db.Exec("DROP TABLE IF EXISTS [" + table + "]"); err != nil {
			t.Fatal(err)
		}
	}
}

// supports reports whether the server has change tracking; a server of another make that speaks its protocol has not.
func supports(t testing.TB, db *sql.DB) bool {
	t.Helper()
	_, err := db.Exec("DECLARE @v bigint = CHANGE_TRACKING_CURRENT_VERSION()")
	return err == nil
}

func harness(t *testing.T, mode plan.Mode) sourcetest.Harness {
	address := live(t)
	db, err := sql.Open("sqlserver", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	emptied(t, db)
	do := func(format string, args ...any) {
		t.Helper()
		if _, err := db.Exec(fmt.Sprintf(format, args...)); err != nil {
			t.Fatal(err)
		}
	}
	h := sourcetest.Harness{
		Mode: mode,
		Exec: func(statement string) error {
			_, err := db.ExecContext(context.WithoutCancel(t.Context()), strings.ReplaceAll(statement, "INTEGER", "int"))
			return err
		},
		Truncate: func(table string) { t.Helper(); do("TRUNCATE TABLE [%s]", table) },
		Rename: func(table, from, to string) {
			do("EXEC sp_rename N'[%s].[%s]', N'%s', N'COLUMN'", table, from, to)
		},
		Open: func(p *plan.Plan) source.Source {
			s, err := sqlserver.Open(address, p, sqlserver.Config{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Cannot: map[string]string{},
	}
	switch mode {
	case plan.ChangeTracking:
		if !supports(t, db) {
			t.Skip("this server has no change tracking")
		}
		tracking(&h, do)
	case plan.Rowversion:
		h.Track = func(tables ...string) {
			for _, table := range tables {
				do("ALTER TABLE [%s] ADD rv rowversion", table)
			}
		}
		h.Untrack = func(...string) {}
	case plan.Compare:
		h.Track, h.Untrack = func(...string) {}, func(...string) {}
	}
	h.Forget = func() {}
	if mode == plan.ChangeTracking {
		for _, name := range []string{"a restored database has another lineage", "a restore that passes the old position again has another lineage",
			"clean-up ends the validity of positions before it, of its kind alone"} {
			h.Cannot[name] = "it takes an administrator of the server and a place for backups"
		}
	}
	return h
}

func tracking(h *sourcetest.Harness, do func(string, ...any)) {
	do("IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_databases WHERE database_id = DB_ID()) ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON)")
	do("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")
	h.Track = func(tables ...string) {
		for _, table := range tables {
			do("ALTER TABLE [%s] ENABLE CHANGE_TRACKING", table)
		}
	}
	h.Untrack = func(tables ...string) {
		for _, table := range tables {
			do("ALTER TABLE [%s] DISABLE CHANGE_TRACKING", table)
		}
	}
}

func TestPromisesOfChangeTracking(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness { return harness(t, plan.ChangeTracking) })
}

func TestPromisesOfRowversion(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness { return harness(t, plan.Rowversion) })
}

func TestPromisesOfCompare(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness { return harness(t, plan.Compare) })
}

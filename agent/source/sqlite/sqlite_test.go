package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sourcetest"
	"lessor.dk/portalsync/agent/source/sqlite"
)

// database makes an empty main system's file.
func database(t testing.TB) (*sql.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hovedsystem.db")
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)&_pragma=synchronous(off)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, path
}

func TestPromises(t *testing.T) {
	for _, promise := range sourcetest.Promises() {
		t.Run(promise.Name, func(t *testing.T) { promise.Show(t, harness(t)) })
	}
}

func harness(t *testing.T) sourcetest.Harness {
	db, path := database(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return sourcetest.Harness{
		Exec: func(statement string) error {
			_, err := db.Exec(statement)
			return err
		},
		Track:    func(tables ...string) { t.Helper(); check(sqlite.Install(t.Context(), db, tables)) },
		Untrack:  func(tables ...string) { t.Helper(); check(sqlite.Uninstall(t.Context(), db, tables)) },
		Truncate: func(table string) { t.Helper(); check(sqlite.Truncate(t.Context(), db, table)) },
		Forget:   func() { t.Helper(); check(sqlite.Cleanup(t.Context(), db, 0)) },
		Backup: func() func() {
			file := filepath.Join(t.TempDir(), "backup.db")
			check(sqlite.Backup(t.Context(), db, file))
			return func() { check(sqlite.Restore(t.Context(), db, file)) }
		},
		Rename: func(table, from, to string) {
			_, err := db.Exec(`ALTER TABLE "` + table + `" RENAME COLUMN "` + from + `" TO "` + to + `"`)
			check(err)
		},
		Open: func(p *plan.Plan) source.Source {
			s, err := sqlite.Open(path, p, sqlite.Config{})
			check(err)
			return s
		},
	}
}

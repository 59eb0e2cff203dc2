package store_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/store/storetest"
	"lessor.dk/portalsync/receiver/testenv"
)

// migrated makes the template of every test's PostgreSQL database.
func migrated(ctx context.Context, url string) error {
	s, err := store.Open(ctx, url, store.Config{})
	if err != nil {
		return err
	}
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	return s.Close()
}

// testMarks makes the sweeps of the tests go in several parts.
const testMarks = 30

func openStore(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Config{SweepMarks: testMarks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openDB(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func scalar(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var s string
	if err := db.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opened {
		url := testenv.PostgresFrom(t, "store", migrated)
		db := openDB(t, "pgx", url)
		return storetest.Opened{Store: openStore(t, url), DB: db, Writes: func(t *testing.T, table string) string {
			return scalar(t, db, "SELECT COALESCE(STRING_AGG(ctid::TEXT || ' ' || xmin::TEXT, ',' ORDER BY ctid), '') FROM "+table)
		}}
	})
}

// sqliteURL returns the address of a file that does not exist, in a directory of the test's own.
func sqliteURL(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "portal 1%.db")
}

// sqliteFile returns a migrated file.
func sqliteFile(t testing.TB) string {
	t.Helper()
	url := sqliteURL(t)
	if err := openStore(t, url).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(url, "sqlite:")
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opened {
		file := sqliteFile(t)
		db := openDB(t, "sqlite", file+"?_busy_timeout=10000")
		return storetest.Opened{Store: openStore(t, "sqlite:"+file), DB: db, Writes: func(t *testing.T, table string) string {
			return writes(t, db, table)
		}}
	})
}

// writes counts, by triggers from the first call on, the rows written to a table.
func writes(t *testing.T, db *sql.DB, table string) string {
	t.Helper()
	statements := []string{"CREATE TABLE IF NOT EXISTS test_writes (table_name TEXT)"}
	for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
		statements = append(statements, "CREATE TRIGGER IF NOT EXISTS test_"+table+event+" AFTER "+event+" ON "+table+
			" BEGIN INSERT INTO test_writes VALUES ('"+table+"'); END")
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return scalar(t, db, "SELECT COUNT(*) FROM test_writes WHERE table_name = '"+table+"'")
}

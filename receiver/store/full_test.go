package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestFull(t *testing.T) {
	tests := map[string]struct {
		err  error
		want bool
	}{
		"PostgreSQL's disk":          {fmt.Errorf("commit: %w", &pgconn.PgError{Code: "53100"}), true},
		"PostgreSQL out of sessions": {&pgconn.PgError{Code: "53300"}, false},
		"a quota":                    {&fs.PathError{Op: "write", Path: "portal.db", Err: syscall.EDQUOT}, true},
		"another error":              {errors.New("no"), false},
		"none":                       {nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Full(tt.err); got != tt.want {
				t.Errorf("Full(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

// TestFullSQLite fills a database that may not grow, and goes on when it may.
func TestFullSQLite(t *testing.T) {
	ctx := t.Context()
	s, err := Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.ExecContext(ctx, "PRAGMA max_page_count = 1"); err != nil { // SQLite takes what it has already
		t.Fatal(err)
	}
	made := 0
	for ; err == nil && made < 10_000; made++ {
		_, err = s.CreateTenant(ctx, fmt.Sprintf("K%d", made), "Vestkystens Savværk A/S")
	}
	if !Full(err) {
		t.Fatalf("CreateTenant = %v after %d, want a full disk", err, made)
	}
	if _, err := s.write.ExecContext(ctx, "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateTenant(ctx, "after", "Vestkystens Savværk A/S"); err != nil {
		t.Errorf("CreateTenant with space = %v", err)
	}
	if tenants, err := s.Tenants(ctx); err != nil || len(tenants) != made {
		t.Errorf("%d tenants, %v; want %d: those before and the one after", len(tenants), err, made)
	}
}

package demo

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lessor.dk/portalsync/installer/demo/company"
)

// scratch makes an empty database on the server of TEST_SQLSERVER_DSN and returns its address.
func scratch(t *testing.T) string {
	t.Helper()
	address := os.Getenv("TEST_SQLSERVER_DSN")
	if address == "" {
		t.Skip("TEST_SQLSERVER_DSN is not set: sqlserver://USER:PASSWORD@HOST:PORT?database=master of a login that may make databases")
	}
	server, err := company.OpenServer(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	name := "portalsync_" + strings.ToLower(rand.Text()[:12])
	if _, err := server.DB().ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("the login of TEST_SQLSERVER_DSN may not make a database for this test: %v", err)
	}
	t.Cleanup(func() {
		if _, err := server.DB().ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+name); err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("database", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// The whole proof on a SQL Server: programs, server and database are as they were afterwards.
func TestCheckOnSQLServerLeavesNothingBehind(t *testing.T) {
	address := scratch(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var out strings.Builder
	if err := Check(t.Context(), &out, Config{Employees: 60, SQLServer: address}, true); err != nil {
		t.Fatalf("Check = %v\n%s", err, out.String())
	}
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	main, err := company.OpenServer(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer main.Close()
	var tables int
	if err := main.DB().QueryRowContext(t.Context(), "SELECT count(*) FROM sys.tables").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("tables left behind: %d, %v", tables, err)
	}
}

func TestRemoveNeedsAServer(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no address":     {},
		"another scheme": {SQLServer: "main.db"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Remove(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "--sqlserver") {
				t.Errorf("Remove = %v, want that --sqlserver is wanted", err)
			}
		})
	}
}

package sqlserver_test

import (
	"os"
	"testing"

	_ "github.com/microsoft/go-mssqldb" // the driver

	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/agent/source/sqlserver/conformance"
)

// live returns the address of a server on which the account owns an empty database, which is empty again after the test,
// or skips the test by name.
func live(t testing.TB) string {
	t.Helper()
	address := os.Getenv("TEST_SQLSERVER_DSN")
	if address == "" {
		t.Skip("TEST_SQLSERVER_DSN is not set: sqlserver://USER:PASSWORD@HOST?database=EMPTY runs this on a real server")
	}
	s, err := conformance.Open(t.Context(), address, sqlserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return address
}

package testenv

import (
	"os"
	"syscall"
	"testing"
)

// PostgresServer is a PostgreSQL server of the test's own, which may be killed and started again.
type PostgresServer struct {
	bin, dir string
	as       *syscall.Credential
	settings []string
	program  *program
}

// NewPostgresServer starts a server with PostgreSQL's own settings but for the given ones, each as "name=value".
func NewPostgresServer(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	s := &PostgresServer{bin: postgresBin(t), settings: settings}
	var err error
	if s.dir, err = os.MkdirTemp("", "portalsync-postgres-"); err != nil { //nolint:usetesting // the server removes it when it ends
		t.Fatalf("make PostgreSQL directory: %v", err)
	}
	if s.as, err = postgresUser(s.dir); err == nil {
		err = initPostgres(t.Context(), s.bin, s.dir, s.as)
	}
	if err != nil {
		t.Fatalf("make PostgreSQL server: %v", err)
	}
	s.Start(t)
	t.Cleanup(func() {
		if s.program == nil {
			_ = os.RemoveAll(s.dir)
		} else if err := s.program.stop(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return s
}

// URL returns the address of the server's first database.
func (s *PostgresServer) URL() string { return (&cluster{dir: s.dir}).url("postgres") }

// Start starts the server again after Kill and returns when it has recovered.
func (s *PostgresServer) Start(t testing.TB) {
	t.Helper()
	var err error
	if s.program, err = servePostgres(t.Context(), s.bin, s.dir, s.as, s.settings...); err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
}

// Kill ends the server without a checkpoint, as a power cut would: commits that were not on disk are gone.
func (s *PostgresServer) Kill(t testing.TB) {
	t.Helper()
	if err := s.program.kill(); err != nil {
		t.Fatalf("kill PostgreSQL: %v", err)
	}
	s.program = nil
}

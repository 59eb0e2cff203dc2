package e2e_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"lessor.dk/portalsync/receiver/testenv"
)

// A crash of PostgreSQL takes back the last batch, which was applied, taken off the queue and shown: its commit does not
// wait for the disk. The agent notices and sends it again.
func TestPostgresCrashTakesABatchBack(t *testing.T) {
	server := testenv.NewPostgresServer(t, "wal_writer_delay=10s")
	s, _ := onPostgres(t, server.URL())
	employees := func() (n int) {
		conn, err := pgx.Connect(t.Context(), server.URL())
		s.must(err)
		defer conn.Close(context.WithoutCancel(t.Context()))
		s.must(conn.QueryRow(t.Context(), "SELECT count(*) FROM rec_employee").Scan(&n))
		return n
	}
	lost := 0
	for round := 0; lost == 0 && round < 10; round++ {
		before := employees()
		s.queued(server.URL(), func() { s.hire(100) })
		s.await("the batch is applied", func() (bool, string) { return employees() == before+100, "" })
		server.Kill(t)
		server.Start(t)
		lost = before + 100 - employees()
		s.must(syscall.Kill(s.running.Pid(), syscall.SIGCONT))
		s.equal()
	}
	if lost != 100 {
		t.Errorf("the crashes took back %d rows, want the 100 of a batch", lost)
	}
}

// queued has the change captured and queued while the stream is locked, and stops the agent in its tracks before the
// writer can go on: nobody else writes to the database then.
func (s *scene) queued(database string, change func()) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), database)
	s.must(err)
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	holder, err := conn.Begin(s.t.Context())
	s.must(err)
	_, err = holder.Exec(s.t.Context(), "SELECT 1 FROM stream FOR UPDATE")
	s.must(err)
	change()
	s.await("the writer waits in its transaction", func() (bool, string) {
		var n int
		s.must(conn.QueryRow(s.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").Scan(&n))
		return n > 0, ""
	})
	agent := s.running.Pid()
	s.t.Cleanup(func() { _ = syscall.Kill(agent, syscall.SIGCONT) }) // else it could not be stopped
	s.must(syscall.Kill(agent, syscall.SIGSTOP))
	s.must(holder.Rollback(s.t.Context()))
}

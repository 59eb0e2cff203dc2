package e2e_test

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5"

	"lessor.dk/portalsync/installer/stage"
	"lessor.dk/portalsync/receiver/testenv"
)

// onPostgres is a scene whose portal is a PostgreSQL, and a connection to that.
func onPostgres(t *testing.T, url string) (*scene, *pgx.Conn) {
	t.Helper()
	programs, err := stage.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, programs, stage.ReceiverSettings{Database: url})
	conn, err := pgx.Connect(t.Context(), url)
	s.must(err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return s, conn
}

// A PostgreSQL whose disk takes no more: operations are told under a code, nobody ends, nothing is lost, and all goes on
// by itself when there is room.
func TestPostgresFullDisk(t *testing.T) {
	disk := testenv.NewSmallDisk(t, 128)
	s, _ := onPostgres(t, testenv.PostgresOn(t, disk))
	disk.Fill(t, 256<<10)
	s.hire(5_000)
	s.receiverTells("/status", `"code":"disk-full"`, "because its disk takes no more", "No space left on device",
		"free space there; nothing is lost, agents wait and go on by themselves", `"ready":true`)
	s.receiverTells("/metrics", `portalsync_trouble{code="disk-full"} 1`)
	select {
	case <-s.receiving.Done():
		t.Fatal("the receiver ended on a full disk")
	case <-s.running.Done():
		t.Fatal("the agent ended when the receiver's disk was full")
	default:
	}
	disk.Free(t)
	s.equal()
	s.receiverTells("/status", `"troubles":[]`)
}

// A signal in the middle of a transaction: it commits, the leases are given back, and the process ends without an error.
func TestASignalLetsTheBatchBeWritten(t *testing.T) {
	s, conn := onPostgres(t, testenv.Postgres(t))
	holder, err := conn.Begin(t.Context())
	s.must(err)
	_, err = holder.Exec(t.Context(), "SELECT 1 FROM stream FOR UPDATE")
	s.must(err)
	find := func(query string) (n int) {
		t.Helper()
		s.must(conn.QueryRow(t.Context(), query).Scan(&n))
		return n
	}
	waiting := func() int {
		t.Helper()
		return find("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
	}
	s.hire(3)
	s.await("the writer waits in its transaction", func() (bool, string) { return waiting() > 0, "" })
	ended := make(chan error, 1)
	go func() { ended <- s.receiving.Stop() }()
	s.await("the receiver takes no more calls", func() (bool, string) {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.receiver.Address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil, ""
	})
	if waiting() == 0 {
		t.Error("the transaction was given up")
	}
	s.must(holder.Commit(t.Context()))
	if err := <-ended; err != nil {
		t.Errorf("the receiver ended with %v", err)
	}
	if got := find("SELECT count(*) FROM rec_employee"); got != 53 {
		t.Errorf("%d employees in the portal, want the 50 from before and the 3 of the batch", got)
	}
	if got := find("SELECT count(*) FROM lease WHERE expires_at > 0"); got != 0 {
		t.Errorf("%d leases are still held", got)
	}
	s.serve()
	s.equal()
}

//go:build linux

package e2e_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/installer/stage"
	"lessor.dk/portalsync/protocol"
)

// TestVerify holds the real programs to what `agent verify` promises: it finds exactly the rows of the portal that are
// not the main system's, changes nothing unless told to, and operations see its outcome.
func TestVerify(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, programs, stage.ReceiverSettings{})
	s.hire(1500)
	s.equal()

	for kind, v := range s.verify(true) {
		if !v.Equal() || v.Unreadable != 0 || v.Rows == 0 {
			t.Errorf("%s of a portal that is equal: %+v", kind, v)
		}
	}

	s.spoilPortal()
	spoilt := s.portalRows()
	got := s.verify(false)
	if v := got["employee"]; v.Differences != 4 || v.AtLeast || v.Mended || v.Rows != 1550 {
		t.Errorf("employee = %+v, want 4 differences in 1550 rows", v)
	}
	if v := got["department"]; !v.Equal() {
		t.Errorf("department = %+v, want equal", v)
	}
	if diff := cmp.Diff(spoilt, s.portalRows()); diff != "" {
		t.Errorf("verifying changed the portal:\n%s", diff)
	}

	if v := s.verify(true, "--repair")["employee"]; v.Differences != 4 || !v.Mended {
		t.Errorf("employee = %+v, want 4 differences mended", v)
	}
	s.equal()

	s.verifyWhileItChanges()

	last := s.verify(true)["employee"]
	page := s.operations(fmt.Sprintf("/operations/agents/%d/%d", s.tenant, s.status().Agent))
	if want := fmt.Sprintf("position %d", last.Position); !strings.Contains(page, want) || strings.Count(page, "equal ") < 2 {
		t.Errorf("operations' page shows neither %q nor that both kinds are equal:\n%s", want, page)
	}
}

// verify runs `agent verify --json`, which is to succeed or to tell by its exit code that something differs.
func (s *scene) verify(succeeds bool, flags ...string) map[string]protocol.Verification {
	s.t.Helper()
	out, err := s.agent.Run(s.t.Context(), "", append([]string{"verify", "--json"}, flags...)...)
	if (err == nil) != succeeds {
		s.t.Errorf("agent verify %v = %v, succeeds %v", flags, err, succeeds)
	}
	outcomes := map[string]protocol.Verification{}
	for line := range strings.Lines(out) {
		var v protocol.Verification
		s.must(json.Unmarshal([]byte(line), &v))
		outcomes[v.Kind] = v
	}
	if len(outcomes) != 2 {
		s.t.Fatalf("agent verify %v told %q (%v), want a line for each of two kinds", flags, out, err)
	}
	return outcomes
}

// portal opens the portal's database behind the receiver's back.
func (s *scene) portal() *sql.DB {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.path("data/portal.db")+"?_pragma=busy_timeout(10000)")
	s.must(err)
	return db
}

// spoilPortal makes four differences: a cell behind an intact row_hash, two rows that are gone and one that never was.
func (s *scene) spoilPortal() {
	s.t.Helper()
	db := s.portal()
	defer db.Close()
	for _, statement := range []string{
		`UPDATE rec_employee SET name = 'Bodil Opdigtet' WHERE employee_no = 'H2-77'`,
		`DELETE FROM rec_employee WHERE employee_no IN ('H2-500', 'H2-501')`,
		`INSERT INTO rec_employee (tenant_id, stream_id, employee_no, name, active, key_hash, row_hash, source_version, captured_at, received_at)
			SELECT tenant_id, stream_id, 'X9', name, active, key_hash + 1, row_hash, source_version, captured_at, received_at FROM rec_employee WHERE employee_no = 'H2-1'`,
	} {
		_, err := db.ExecContext(s.t.Context(), statement)
		s.must(err)
	}
}

// portalRows returns what the portal holds of every employee, hashes and times included.
func (s *scene) portalRows() map[string]string {
	s.t.Helper()
	db := s.portal()
	defer db.Close()
	rows, err := db.QueryContext(s.t.Context(), `SELECT employee_no, name || '|' || key_hash || '|' || row_hash || '|' || source_version || '|' || received_at FROM rec_employee`)
	s.must(err)
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var no, rest string
		s.must(rows.Scan(&no, &rest))
		all[no] = rest
	}
	s.must(rows.Err())
	return all
}

// verifyWhileItChanges verifies while payroll renames, hires and dismisses without a pause: none of that is a difference.
func (s *scene) verifyWhileItChanges() {
	s.t.Helper()
	done := make(chan struct{})
	var life sync.WaitGroup
	var err error
	changes := 0
	life.Go(func() {
		for err == nil {
			select {
			case <-done:
				return
			default:
			}
			changes++
			for _, statement := range []string{
				`UPDATE Medarbejder SET Navn = 'Opdigtet Person ' || $1 WHERE Nr IN ('H2-1', 'H2-2', 'H2-' || ($1 % 1500))`,
				`INSERT INTO Medarbejder VALUES ('L-' || $1, 'Opdigtet Vikar')`,
				`DELETE FROM Medarbejder WHERE Nr = 'L-' || ($1 - 1)`,
			} {
				_, more := s.main.ExecContext(s.t.Context(), statement, changes)
				err = errors.Join(err, more)
			}
		}
	})
	for range 3 {
		if v := s.verify(true)["employee"]; !v.Equal() {
			s.t.Errorf("employee while it changes = %+v, want equal", v)
		}
	}
	close(done)
	life.Wait()
	s.must(err)
	if changes < 10 {
		s.t.Errorf("changes beside three verifications = %d, too few to show anything", changes)
	}
	s.equal()
}

// operations returns a page as an operator of the portal gets it, in English.
func (s *scene) operations(path string) string {
	s.t.Helper()
	const user, password = "drift", "Havtorn-og-brombær-27"
	_, err := s.receiver.Run(s.t.Context(), password+"\n", "user", "add", user, "--role", "operations", "--name", "Drift", "--language", "en")
	s.must(err)
	jar, err := cookiejar.New(nil)
	s.must(err)
	form := url.Values{"username": {user}, "password": {password}}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.receiver.URL()+"/sign-in", strings.NewReader(form.Encode()))
	s.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", s.receiver.URL())
	s.sendWith(jar, req)
	req, err = http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.receiver.URL()+path, http.NoBody)
	s.must(err)
	status, page := s.sendWith(jar, req)
	if status != http.StatusOK {
		s.t.Fatalf("%s is answered %d", path, status)
	}
	return string(page)
}

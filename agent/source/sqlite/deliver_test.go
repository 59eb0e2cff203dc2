package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/inbox"
	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
)

const inboxPlan = `
version: 1
timezone: Europe/Copenhagen
kinds: {department: {table: d, as: d, key: n, fields: {department_no: d.n, name: d.navn}}}
inbox:
  absence:
    table: PortalIndberetning
    id: RapportID
    columns:
      MedarbejderNr: employee_no
      Fra: fields.first_day
      Note: fields.note
      Art: {from: fields.absence_type_no, map: {"1": F, "2": S}}
      Kilde: {value: portal}
      Indsendt: submitted_at
`

func mainSystem(t testing.TB) (*sql.DB, string) {
	db, path := database(t)
	execute(t, db, `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`,
		`CREATE TABLE PortalIndberetning (RapportID TEXT, MedarbejderNr TEXT NOT NULL CHECK (MedarbejderNr <> ''), Fra TEXT, Note TEXT,
			Art TEXT, Kilde TEXT, Indsendt TEXT)`)
	if err := sqlite.Install(t.Context(), db, []string{"d"}); err != nil {
		t.Fatal(err)
	}
	return db, path
}

func report(id string) protocol.Report {
	return protocol.Report{ID: protocol.ReportID(id), Type: "absence", EmployeeNo: "1007",
		SubmittedAt: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC).UnixMilli(),
		Fields:      map[string]string{"first_day": "2026-07-06", "absence_type_no": "1"}}
}

func rows(t testing.TB, db *sql.DB) int {
	t.Helper()
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM PortalIndberetning`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDeliver(t *testing.T) {
	db, path := mainSystem(t)
	s := open(t, path, inboxPlan)
	before := begin(t, s).State()
	ack, err := s.Deliver(t.Context(), report("r1"))
	if err != nil {
		t.Fatal(err)
	}
	if ack.Outcome != protocol.AckStored || ack.Lineage != before.Lineage || ack.Position <= before.Position {
		t.Errorf("ack = %+v, want stored after %s %d", ack, before.Lineage, before.Position)
	}
	var got string
	err = db.QueryRow(`SELECT RapportID || '|' || MedarbejderNr || '|' || Fra || '|' || ifnull(Note, '-') || '|' || Art || '|' || Kilde || '|' || Indsendt
		FROM PortalIndberetning`).Scan(&got)
	if want := "r1|1007|2026-07-06|-|F|portal|2026-07-01 12:00:00"; err != nil || got != want {
		t.Errorf("row = %s, %v, want %s", got, err, want)
	}
	t.Run("the same id again is stored, without a second row", func(t *testing.T) {
		again, err := s.Deliver(t.Context(), report("r1"))
		if err != nil || again != ack || rows(t, db) != 1 {
			t.Errorf("again = %+v, %v with %d rows, want %+v", again, err, rows(t, db), ack)
		}
	})
	t.Run("also when payroll has taken the row away", func(t *testing.T) {
		execute(t, db, `DELETE FROM PortalIndberetning`)
		if _, err := s.Deliver(t.Context(), report("r1")); err != nil || rows(t, db) != 0 {
			t.Errorf("%v with %d rows, want none", err, rows(t, db))
		}
	})
	t.Run("a row that the table does not take is refused, and nothing stays", func(t *testing.T) {
		r := report("r2")
		r.EmployeeNo = ""
		ack, err := s.Deliver(t.Context(), r)
		if err != nil || ack.Outcome != protocol.AckRefused || !strings.Contains(ack.Reason, "PortalIndberetning") {
			t.Errorf("ack = %+v, %v", ack, err)
		}
		if ack, err := s.Deliver(t.Context(), report("r2")); err != nil || ack.Outcome != protocol.AckStored {
			t.Errorf("mended: %+v, %v", ack, err)
		}
	})
	t.Run("a code that the plan does not translate is refused", func(t *testing.T) {
		r := report("r3")
		r.Fields["absence_type_no"] = "9"
		if ack, err := s.Deliver(t.Context(), r); err != nil || ack.Outcome != protocol.AckRefused || strings.Contains(ack.Reason, "9") {
			t.Errorf("ack = %+v, %v", ack, err)
		}
	})
	t.Run("a type without inbox is refused with the reason, until the plan has one", func(t *testing.T) {
		r := report("r4")
		r.Type = "mileage"
		before := rows(t, db)
		at := begin(t, s).State()
		want := protocol.Ack{ID: "r4", Outcome: protocol.AckRefused, Reason: "the main system takes no reports of type mileage",
			Lineage: at.Lineage, Position: at.Position}
		for range 2 {
			if ack, err := s.Deliver(t.Context(), r); err != nil || ack != want || rows(t, db) != before {
				t.Errorf("ack = %+v, %v with %d rows, want %+v", ack, err, rows(t, db), want)
			}
		}
		later := open(t, path, strings.Replace(inboxPlan, "absence:", "mileage:", 1))
		if ack, err := later.Deliver(t.Context(), r); err != nil || ack.Outcome != protocol.AckStored || rows(t, db) != before+1 {
			t.Errorf("with an inbox: %+v, %v", ack, err)
		}
		if ack, err := s.Deliver(t.Context(), r); err != nil || ack.Outcome != protocol.AckStored || rows(t, db) != before+1 {
			t.Errorf("stored before the plan lost its inbox: %+v, %v", ack, err)
		}
	})
	t.Run("a restore takes the report along, and it can be delivered again", func(t *testing.T) {
		file := path + ".backup"
		if err := sqlite.Backup(t.Context(), db, file); err != nil {
			t.Fatal(err)
		}
		at := begin(t, s).State().Position
		lost, err := s.Deliver(t.Context(), report("r5"))
		if err != nil || lost.Position <= at {
			t.Fatalf("ack = %+v, %v, want a position above %d", lost, err, at)
		}
		if err := sqlite.Restore(t.Context(), db, file); err != nil {
			t.Fatal(err)
		}
		n := rows(t, db)
		again, err := s.Deliver(t.Context(), report("r5"))
		if err != nil || again.Lineage == lost.Lineage || rows(t, db) != n+1 {
			t.Errorf("again = %+v, %v with %d rows, want another lineage than %s and %d rows", again, err, rows(t, db), lost.Lineage, n+1)
		}
	})
}

func TestDeliverAnExpectedRecord(t *testing.T) {
	db, path := mainSystem(t)
	execute(t, db, `INSERT INTO d VALUES ('7', 'Værksted')`)
	s := open(t, path, inboxPlan)
	schema := s.Kinds()[0].Schema
	expected := func(name string) *protocol.Expected {
		values := []protocol.Value{protocol.TextValue("7"), protocol.TextValue(name)}
		pair := new(protocol.Hasher).StoredPair(schema, values)
		return &protocol.Expected{Kind: "department", Key: protocol.KeyBytes(schema, values), RowHash: pair.Row}
	}
	tests := []struct {
		name     string
		change   string
		expected *protocol.Expected
		want     protocol.Ack
	}{
		{name: "as it was seen", expected: expected("Værksted"), want: protocol.Ack{Outcome: protocol.AckStored}},
		{name: "otherwise", expected: expected("Lager"), want: protocol.Ack{Outcome: protocol.AckConflict, Reason: "the record has been changed in the main system since it was shown"}},
		{name: "of a kind that is not planned", expected: &protocol.Expected{Kind: "place"}, want: protocol.Ack{Outcome: protocol.AckConflict, Reason: "the plan holds no place any more"}},
		{name: "gone", change: `DELETE FROM d`, expected: expected("Værksted"), want: protocol.Ack{Outcome: protocol.AckConflict, Reason: "the record is not in the main system any more"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change != "" {
				execute(t, db, tt.change)
			}
			r, before := report(fmt.Sprint("r", i)), rows(t, db)
			r.Expected = tt.expected
			ack, err := s.Deliver(t.Context(), r)
			got := protocol.Ack{Outcome: ack.Outcome, Reason: ack.Reason}
			if stored := got.Outcome == protocol.AckStored; err != nil || got != tt.want || stored != (rows(t, db) == before+1) {
				t.Errorf("ack = %+v, %v with %d rows after %d, want %+v", ack, err, rows(t, db), before, tt.want)
			}
		})
	}
}

func TestDeliverWhileAnotherWrites(t *testing.T) {
	db, path := mainSystem(t)
	p, err := plan.Parse("plan.yaml", []byte(inboxPlan))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(path, p, sqlite.Config{Busy: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deliver(t.Context(), report("r1")); !errors.Is(err, source.ErrBusy) {
		t.Errorf("err = %v, want %v", err, source.ErrBusy)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deliver(t.Context(), report("r1")); err != nil {
		t.Error(err)
	}
}

// envDie makes the test program an agent that delivers one report and waits to be killed before its
// acknowledgement is out.
const envDie = "PORTALSYNC_TEST_DELIVER_TO"

func TestAnAgentKilledBeforeItsAcknowledgementLeavesOneRow(t *testing.T) {
	if path := os.Getenv(envDie); path != "" {
		deliverOnce(t, path, func(ctx context.Context, _ []protocol.Ack) error {
			fmt.Fprintln(os.Stdout, "delivered")
			<-ctx.Done()
			return ctx.Err()
		})
		return
	}
	db, path := mainSystem(t)
	for range 3 {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), envDie+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		delivered := false
		for !delivered && lines.Scan() {
			delivered = lines.Text() == "delivered"
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
		if !delivered || rows(t, db) != 1 {
			t.Fatalf("delivered %t, %d rows, want one", delivered, rows(t, db))
		}
	}
	var acks []protocol.Ack
	deliverOnce(t, path, func(_ context.Context, a []protocol.Ack) error {
		acks = append(acks, a...)
		return nil
	})
	if len(acks) != 1 || acks[0].Outcome != protocol.AckStored || rows(t, db) != 1 {
		t.Errorf("acks = %+v with %d rows, want one of each", acks, rows(t, db))
	}
}

// deliverOnce runs an inbox with one report until it is acknowledged.
func deliverOnce(t *testing.T, path string, ack func(context.Context, []protocol.Ack) error) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	unseal := func(s protocol.SealedReport) (protocol.Report, error) { return report(string(s.ID)), nil }
	i := inbox.New(open(t, path, inboxPlan), unseal, func(ctx context.Context, acks []protocol.Ack) error {
		err := ack(ctx, acks)
		cancel()
		return err
	}, inbox.Config{})
	i.Receive(ctx, []protocol.SealedReport{{ID: "r1"}})
	if err := i.Run(ctx); err != nil {
		t.Error(err)
	}
}

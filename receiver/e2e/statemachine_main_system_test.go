package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlite"
)

const mainSystemSchema = `
CREATE TABLE Afdeling (Nr TEXT PRIMARY KEY, Navn TEXT NOT NULL);
CREATE TABLE Adresse (ID INTEGER PRIMARY KEY, Bynavn TEXT);
CREATE TABLE Medarbejder (Nr TEXT PRIMARY KEY, Navn TEXT NOT NULL, Aktiv INTEGER NOT NULL, AdresseID INTEGER);
CREATE TABLE Saldo (MedarbejderNr TEXT NOT NULL, Type TEXT NOT NULL, Beloeb TEXT NOT NULL, Dato TEXT NOT NULL, PRIMARY KEY (MedarbejderNr, Type));
CREATE TABLE Bilag (Nr TEXT PRIMARY KEY, MedarbejderNr TEXT NOT NULL, Titel TEXT NOT NULL, Stoerrelse INTEGER NOT NULL, Indhold BLOB NOT NULL);
CREATE TABLE Uvedkommende (ID INTEGER PRIMARY KEY, Tekst TEXT);
CREATE TABLE PortalIndberetning (ID INTEGER PRIMARY KEY, RapportID TEXT NOT NULL, MedarbejderNr TEXT, Fra TEXT);
INSERT INTO Afdeling VALUES ('A1', 'Løn');
INSERT INTO Adresse VALUES (1, 'Allerød'), (2, 'Hillerød');
INSERT INTO Medarbejder VALUES ('M-fast-1', 'Aase Prøve', 1, 1), ('M-fast-2', 'Bo Prøve', 1, NULL), ('M-fast-3', 'Carl Prøve', 0, 2);
`

// spoilt is in Aktiv what no truth value is: the row is there and cannot be sent.
const spoilt = 7

// permanent are employees that the main system always holds.
var permanent = []string{"M-fast-1", "M-fast-2", "M-fast-3"}

var trackedTables = []string{"Afdeling", "Adresse", "Medarbejder", "Saldo", "Bilag", "Uvedkommende"}

const mainSystemPlan = `
version: 1
timezone: Europe/Copenhagen
kinds:
  department:
    table: Afdeling
    as: d
    key: [Nr]
    fields: {department_no: d.Nr, name: d.Navn}
  employee:
    table: Medarbejder
    as: m
    key: [Nr]
    join:
      - {table: Adresse, as: a, on: {ID: m.AdresseID}, optional: true}
    fields: {employee_no: m.Nr, name: m.Navn, active: m.Aktiv, city: a.Bynavn}
  balance:
    table: Saldo
    as: s
    key: [MedarbejderNr, Type]
    fields: {employee_no: s.MedarbejderNr, balance_type_no: s.Type, amount: s.Beloeb, as_of: s.Dato}
  document:
    table: Bilag
    as: b
    key: [Nr]
    fields: {document_no: b.Nr, employee_no: b.MedarbejderNr, title: b.Titel, media_type: {value: application/pdf}, size: b.Stoerrelse, content: b.Indhold}
inbox:
  absence:
    table: PortalIndberetning
    id: RapportID
    columns: {MedarbejderNr: employee_no, Fra: fields.first_day}
`

// projection is what a kind's rows are, as read from the main system and from the portal: the first column is the key.
type projection struct{ kind, table, source, portal string }

// The date of a balance is days since 1970, its amount ten-thousandths.
var projections = []projection{
	{"department", "Afdeling", `SELECT Nr, Navn FROM Afdeling`,
		`SELECT department_no, name FROM rec_department WHERE tenant_id = $1 AND stream_id = $2`},
	{"employee", "Medarbejder", `SELECT m.Nr, m.Navn, m.Aktiv, COALESCE(a.Bynavn, '-') FROM Medarbejder m LEFT JOIN Adresse a ON a.ID = m.AdresseID`,
		`SELECT employee_no, name, active, COALESCE(city, '-') FROM rec_employee WHERE tenant_id = $1 AND stream_id = $2`},
	{"balance", "Saldo", `SELECT MedarbejderNr || '/' || Type, CAST(round(Beloeb * 10000) AS INTEGER), unixepoch(Dato) / 86400 FROM Saldo`,
		`SELECT employee_no || '/' || balance_type_no, amount, as_of FROM rec_balance WHERE tenant_id = $1 AND stream_id = $2`},
	{"document", "Bilag", `SELECT Nr, MedarbejderNr, Titel, Stoerrelse, 'true' FROM Bilag`,
		`SELECT d.document_no, d.employee_no, d.title, d.size, CASE WHEN EXISTS (SELECT 1 FROM blob b WHERE b.tenant_id = d.tenant_id AND b.name = d.content AND b.stored_at > 0) THEN 'true' ELSE 'false' END
		 FROM rec_document d WHERE tenant_id = $1 AND stream_id = $2`},
}

// mainSystem is the customer's database.
type mainSystem struct {
	dir, path string
	db        *sql.DB
	plan      *plan.Plan
	backups   int
	untracked string // a table whose tracking is off just now
	wasOff    string // and when the backup was taken
}

func newMainSystem(ctx context.Context, dir string) (*mainSystem, error) {
	p, err := plan.Parse("plan.yaml", []byte(mainSystemPlan))
	if err != nil {
		return nil, err
	}
	m := &mainSystem{dir: dir, path: filepath.Join(dir, "hovedsystem.db"), plan: p}
	m.db, err = sql.Open("sqlite", m.path+"?_pragma=busy_timeout(10000)&_pragma=synchronous(off)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	m.db.SetMaxOpenConns(1)
	if _, err := m.db.ExecContext(ctx, mainSystemSchema); err != nil {
		return nil, errors.Join(err, m.db.Close())
	}
	return m, errors.Join(sqlite.Install(ctx, m.db, trackedTables), m.backup(ctx))
}

func (m *mainSystem) open() (*sqlite.Source, error) {
	return sqlite.Open(m.path, m.plan, sqlite.Config{})
}

// change commits one random transaction of the company's life.
func (m *mainSystem) change(ctx context.Context, t *rapid.T) error {
	nr := rapid.IntRange(1, 12)
	word := rapid.StringMatching(`[a-zæøå]{1,6}`)
	m1, a1 := fmt.Sprintf("M%d", nr.Draw(t, "employee")), fmt.Sprintf("A%d", nr.Draw(t, "department"))
	text := word.Draw(t, "text")
	changes := map[string]func() (string, []any){
		"insert employee": func() (string, []any) {
			return `INSERT OR IGNORE INTO Medarbejder VALUES (?, ?, 1, ?)`, []any{m1, text, nr.Draw(t, "address")}
		},
		"update employee": func() (string, []any) { return `UPDATE Medarbejder SET Navn = ? WHERE Nr = ?`, []any{text, m1} },
		"update permanent": func() (string, []any) {
			return `UPDATE Medarbejder SET Navn = ? WHERE Nr = ?`, []any{text, rapid.SampledFrom(permanent).Draw(t, "permanent")}
		},
		"spoil permanent": func() (string, []any) {
			return `UPDATE Medarbejder SET Aktiv = ? WHERE Nr = ?`, []any{spoilt, rapid.SampledFrom(permanent).Draw(t, "permanent")}
		},
		"mend employees":  func() (string, []any) { return `UPDATE Medarbejder SET Aktiv = 1 WHERE Aktiv = ?`, []any{spoilt} },
		"delete employee": func() (string, []any) { return `DELETE FROM Medarbejder WHERE Nr = ?`, []any{m1} },
		"renumber employee": func() (string, []any) {
			return `UPDATE OR IGNORE Medarbejder SET Nr = ? WHERE Nr = ?`, []any{fmt.Sprintf("M%d", nr.Draw(t, "to")), m1}
		},
		"employees in bulk": func() (string, []any) { return bulkEmployees, []any{rapid.IntRange(5, 30).Draw(t, "rows"), text} },
		"update in bulk": func() (string, []any) {
			return `UPDATE Medarbejder SET Navn = Navn || ? WHERE Nr LIKE 'B%'`, []any{text}
		},
		"delete in bulk": func() (string, []any) { return `DELETE FROM Medarbejder WHERE Nr LIKE 'B%'`, nil },
		"move town": func() (string, []any) {
			return `INSERT INTO Adresse VALUES (?, ?) ON CONFLICT DO UPDATE SET Bynavn = excluded.Bynavn`, []any{nr.Draw(t, "address"), text}
		},
		"employees lose their towns": func() (string, []any) {
			return `UPDATE Medarbejder SET AdresseID = NULL WHERE Nr LIKE ?`, []any{rapid.SampledFrom([]string{"B%", "M%", "%"}).Draw(t, "whose")}
		},
		"employees have towns again": func() (string, []any) { return townsAgain, nil },
		"a town loses its name": func() (string, []any) {
			return `UPDATE Adresse SET Bynavn = NULL WHERE ID = ?`, []any{rapid.IntRange(1, 2).Draw(t, "address")}
		},
		"insert department": func() (string, []any) { return `INSERT OR IGNORE INTO Afdeling VALUES (?, ?)`, []any{a1, text} },
		"update department": func() (string, []any) { return `UPDATE Afdeling SET Navn = ? WHERE Nr = ?`, []any{text, a1} },
		"delete department": func() (string, []any) { return `DELETE FROM Afdeling WHERE Nr = ?`, []any{a1} },
		"renumber department": func() (string, []any) {
			return `UPDATE OR IGNORE Afdeling SET Nr = ? WHERE Nr = ?`, []any{fmt.Sprintf("A%d", nr.Draw(t, "to")), a1}
		},
		"balance": func() (string, []any) {
			return `INSERT INTO Saldo VALUES (?, ?, ?, '2026-10-31') ON CONFLICT DO UPDATE SET Beloeb = excluded.Beloeb`,
				[]any{m1, a1, fmt.Sprintf("%d.%02d", nr.Draw(t, "hours"), nr.Draw(t, "hundredths"))}
		},
		"delete balances": func() (string, []any) { return `DELETE FROM Saldo WHERE MedarbejderNr = ?`, []any{m1} },
		"document": func() (string, []any) {
			return `INSERT INTO Bilag VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET Indhold = excluded.Indhold, Stoerrelse = excluded.Stoerrelse`,
				[]any{"D" + a1, m1, "Lønseddel", len(text), []byte(text)}
		},
		"delete document": func() (string, []any) { return `DELETE FROM Bilag WHERE Nr = ?`, []any{"D" + a1} },
		"elsewhere":       func() (string, []any) { return `INSERT INTO Uvedkommende (Tekst) VALUES (?)`, []any{text} },
	}
	statement, args := changes[rapid.SampledFrom(sortedKeys(changes)).Draw(t, "change")]()
	_, err := m.db.ExecContext(ctx, statement, args...)
	return err
}

const bulkEmployees = `
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO Medarbejder SELECT printf('B%03d', i), ?, 1, i % 4 FROM n WHERE TRUE
ON CONFLICT DO UPDATE SET Navn = excluded.Navn`

// bulk writes a number of employees in one transaction.
func (m *mainSystem) bulk(ctx context.Context, rows int, name string) error {
	_, err := m.db.ExecContext(ctx, bulkEmployees, rows, name)
	return err
}

// townsAgain gives employees written in bulk a town; the addresses 1 and 2 are always there.
const townsAgain = `UPDATE Medarbejder SET AdresseID = 1 + rowid % 2 WHERE Nr LIKE 'B%'`

// moveIn gives every employee written in bulk a town.
func (m *mainSystem) moveIn(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, townsAgain+`; UPDATE Adresse SET Bynavn = 'Birkerød' WHERE Bynavn IS NULL`)
	return err
}

// moveOut takes the towns from all employees, in one transaction: there are none any more, or they are not named.
func (m *mainSystem) moveOut(ctx context.Context, t *rapid.T) error {
	_, err := m.db.ExecContext(ctx, rapid.SampledFrom([]string{
		`UPDATE Medarbejder SET AdresseID = NULL`, `UPDATE Adresse SET Bynavn = NULL`,
	}).Draw(t, "how"))
	return err
}

// truncate empties a table. Employees are spared: some of them are always there.
func (m *mainSystem) truncate(ctx context.Context, t *rapid.T) error {
	table := rapid.SampledFrom([]string{"Afdeling", "Saldo", "Bilag"}).Draw(t, "table")
	if table == m.untracked {
		return nil
	}
	return sqlite.Truncate(ctx, m.db, table)
}

// tracking switches the change tracking of a table off, or on again.
func (m *mainSystem) tracking(ctx context.Context, t *rapid.T) error {
	if m.untracked != "" {
		return m.track(ctx)
	}
	m.untracked = rapid.SampledFrom([]string{"Afdeling", "Adresse", "Medarbejder", "Saldo"}).Draw(t, "table")
	return sqlite.Uninstall(ctx, m.db, []string{m.untracked})
}

func (m *mainSystem) track(ctx context.Context) error {
	if m.untracked == "" {
		return nil
	}
	err := sqlite.Install(ctx, m.db, []string{m.untracked})
	m.untracked = ""
	return err
}

func (m *mainSystem) expire(ctx context.Context) error { return sqlite.Cleanup(ctx, m.db, 0) }

func (m *mainSystem) file() string {
	return filepath.Join(m.dir, fmt.Sprintf("backup-%d.db", m.backups))
}

func (m *mainSystem) backup(ctx context.Context) error {
	if m.backups > 0 {
		if err := os.Remove(m.file()); err != nil {
			return err
		}
	}
	m.backups++
	m.wasOff = m.untracked
	return sqlite.Backup(ctx, m.db, m.file())
}

func (m *mainSystem) restore(ctx context.Context) error {
	m.untracked = m.wasOff
	return sqlite.Restore(ctx, m.db, m.file())
}

// close ends the company; the files go with the test.
func (m *mainSystem) close(t testing.TB) {
	if err := errors.Join(m.db.Close(), os.RemoveAll(m.dir)); err != nil {
		t.Error(err)
	}
}

// records reads a projection: values by key.
func records(ctx context.Context, db *sql.DB, query string, args ...any) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, places := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	found := map[string]string{}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return nil, err
		}
		text := ""
		for _, v := range values[1:] {
			text += "|" + v.String
		}
		found[values[0].String] = text
	}
	return found, rows.Err()
}

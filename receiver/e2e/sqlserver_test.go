package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/push"
	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/installer/compare"
)

// serverPlan reads a table alone, a view, and a table with a joined one.
const serverPlan = `version: 1
timezone: Europe/Copenhagen
mode: rowversion
kinds:
  department: {table: PsAfdeling, as: d, key: Nr, fields: {department_no: d.Nr, name: d.Navn}}
  place: {mode: compare, table: PsSteder, as: s, fields: {place_no: s.Nr, name: s.Navn}, key: Nr}
  employee:
    table: PsMedarbejder
    as: m
    key: Nr
    join:
      - {table: PsAdresse, as: a, on: {ID: m.AdresseID}, optional: true}
    fields: {employee_no: m.Nr, name: m.Navn, active: m.Aktiv, city: a.Bynavn}
`

// serverRows is how many employees there are: a chunk of them does not fit what a connection has under way.
const serverRows = 3000

var serverTables = []string{
	`DROP VIEW IF EXISTS PsSteder`, `DROP TABLE IF EXISTS PsAfdeling`, `DROP TABLE IF EXISTS PsSted`,
	`DROP TABLE IF EXISTS PsMedarbejder`, `DROP TABLE IF EXISTS PsAdresse`,
	`CREATE TABLE PsAfdeling (Nr varchar(10) NOT NULL PRIMARY KEY, Navn nvarchar(50) NOT NULL, [timestamp] rowversion)`,
	`CREATE TABLE PsSted (Nr varchar(10) NOT NULL PRIMARY KEY, Navn nvarchar(50) NOT NULL, Vises bit NOT NULL)`,
	`CREATE VIEW PsSteder AS SELECT Nr, Navn FROM PsSted WHERE Vises = 1`,
	`CREATE TABLE PsAdresse (ID int NOT NULL PRIMARY KEY, Bynavn nvarchar(50) NOT NULL, [timestamp] rowversion)`,
	`CREATE TABLE PsMedarbejder (Nr varchar(10) NOT NULL PRIMARY KEY, Navn nvarchar(200) NOT NULL, Aktiv bit NOT NULL, AdresseID int NULL, [timestamp] rowversion)`,
	`INSERT INTO PsAfdeling (Nr, Navn) VALUES ('A1', N'Løn'), ('A2', N'Salg'), ('a3', N'Lager')`,
	`INSERT INTO PsSted (Nr, Navn, Vises) VALUES ('S1', N'Allerød', 1), ('S2', N'Hillerød', 1), ('S3', N'Farum', 0)`,
	`INSERT INTO PsAdresse (ID, Bynavn) VALUES (1, N'Allerød'), (2, N'Hillerød'), (3, N'Farum'), (4, N'Greve')`,
}

// serverWorld is a customer whose main system is a SQL Server, on a real receiver.
type serverWorld struct {
	*testing.T
	h       *hosted
	id      push.Identity
	db      *sql.DB
	line    *line
	source  *sqlserver.Source
	capture *capture.Capture
}

func newServerWorld(t *testing.T, address string, mode plan.Mode) *serverWorld {
	w := &serverWorld{T: t, h: newHosted(t, newSQLiteFile(t), newEmbeddedRedis(t)), line: &line{}}
	w.line.left.Store(endless)
	var err error
	if w.db, err = sql.Open("sqlserver", address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	w.main(serverTables...)
	for from := 0; from < serverRows; from += 500 {
		rows := make([]string, 500)
		for i := range rows {
			rows[i] = fmt.Sprintf("('M%04d', N'Aase Prøve %s', 1, %d)", from+i, strings.Repeat("æ", 100), 1+max(0, i-495))
		}
		w.main("INSERT INTO PsMedarbejder (Nr, Navn, Aktiv, AdresseID) VALUES " + strings.Join(rows, ", "))
	}
	text := serverPlan
	if mode == plan.Compare {
		text = strings.NewReplacer("mode: rowversion\n", "", "key: Nr,", "key: Nr, mode: compare,", "key: Nr\n", "key: Nr\n    mode: compare\n").Replace(text)
	}
	p, err := plan.Parse("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if w.source, err = sqlserver.Open(address, p, sqlserver.Config{Dial: w.line}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.source.Close() })
	if w.id, err = w.h.enrol(t.Context()); err != nil {
		t.Fatal(err)
	}
	client, err := push.New("https://"+authority, w.id, push.Config{Transport: w.h.net, Wait: func(int, time.Duration) time.Duration { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	w.capture = capture.New(w.source, client, capture.Config{Tenant: w.id.Tenant, Stream: w.id.Stream, Plan: p.Hash(),
		BatchRows: serverRows / 2, Advance: time.Hour, Log: testLog()})
	return w
}

// main runs statements as a user of the main system.
func (w *serverWorld) main(statements ...string) {
	w.Helper()
	for _, s := range statements {
		if _, err := w.db.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%s: %v", s, err)
		}
	}
}

// stillSteps is more than two rounds of comparisons take that find nothing: one may have begun before a change.
const stillSteps = 60

// settle runs both sides until no row moves. Errors are part of it; the last is returned.
func (w *serverWorld) settle() (last error) {
	w.Helper()
	sent := w.capture.Status().RowsSent
	for still, step := 0, 0; still < stillSteps; step++ {
		if step > 1000 {
			w.Fatalf("both sides never rest: %+v, %v", w.capture.Status(), last)
		}
		_, err := w.capture.Step(w.Context())
		if err != nil {
			last = err
		}
		wrote, werr := w.h.writer.Step(w.Context())
		w.h.must(werr)
		now := w.capture.Status()
		if still++; wrote || err != nil || now.BatchesOut > 0 || now.RowsSent != sent {
			still = 0
		}
		sent = now.RowsSent
	}
	return last
}

// equal settles both sides and holds the portal against the main system.
func (w *serverWorld) equal() {
	w.Helper()
	if err := w.settle(); err != nil {
		w.Errorf("without trouble: %v", err)
	}
	w.holds()
}

// holds holds the portal against the main system, field by field.
func (w *serverWorld) holds() {
	w.Helper()
	c, err := compare.Open(w.source, w.h.db.url(), w.id.Tenant, w.id.Stream)
	w.h.must(err)
	defer c.Close()
	results, err := c.Run(w.Context())
	w.h.must(err)
	for _, r := range results {
		if !r.Equal() {
			w.Errorf("%+v", r)
		}
	}
}

// name returns what the portal shows of an employee.
func (w *serverWorld) name(nr string) (name string) {
	w.Helper()
	err := w.h.probe.QueryRowContext(w.Context(), `SELECT name FROM rec_employee WHERE employee_no = $1 AND tenant_id = $2`, nr, w.id.Tenant).Scan(&name)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		w.Fatal(err)
	}
	return name
}

// TestSQLServer follows a main system in a SQL Server database with the real capture, ingest, queue, writer and store. It
// makes its tables, whose names begin with Ps, in the database that TEST_SQLSERVER_DSN names.
func TestSQLServer(t *testing.T) {
	address := os.Getenv("TEST_SQLSERVER_DSN")
	if address == "" {
		t.Skip("TEST_SQLSERVER_DSN is not set: sqlserver://USER:PASSWORD@HOST?database=EMPTY runs this on a real server")
	}
	for _, mode := range []plan.Mode{plan.Rowversion, plan.Compare} {
		t.Run(string(mode), func(t *testing.T) {
			w := newServerWorld(t, address, mode)
			w.line.left.Store(300_000) // a first chunk is more than twice that
			if err := w.settle(); err == nil || w.line.cuts.Load() != 1 {
				t.Errorf("the connection was cut %d times in the middle of a chunk, and the agent met %v", w.line.cuts.Load(), err)
			}
			w.holds()

			w.main(`INSERT INTO PsMedarbejder (Nr, Navn, Aktiv, AdresseID) VALUES ('N1', N'Bo Prøve', 1, 2)`,
				`UPDATE PsMedarbejder SET Navn = N'Carl Prøve', Aktiv = 0 WHERE Nr = 'M0007'`,
				`DELETE FROM PsMedarbejder WHERE Nr IN ('M0008', 'M0009')`,
				`UPDATE PsMedarbejder SET Nr = 'm0010' WHERE Nr = 'M0010'`, // one key to the server, two to the portal
				`UPDATE PsSted SET Vises = 1 - Vises`, `UPDATE PsSted SET Nr = 'S4' WHERE Nr = 'S2'`)
			w.equal()

			w.main(`UPDATE PsAdresse SET Bynavn = N'Køge' WHERE ID = 2`, `UPDATE PsAdresse SET ID = 6 WHERE ID = 3`,
				`DELETE FROM PsAdresse WHERE ID = 4`, `INSERT INTO PsAdresse (ID, Bynavn) VALUES (5, N'Solrød')`)
			w.equal()

			w.main(`TRUNCATE TABLE PsAfdeling`)
			w.equal()

			w.main(`INSERT INTO PsAfdeling (Nr, Navn) VALUES ('A9', N'Drift')`)
			w.equal()
			w.main(`ALTER TABLE PsAfdeling DROP COLUMN Navn`, `UPDATE PsMedarbejder SET Navn = N'Dorte Prøve' WHERE Nr = 'N1'`)
			if err := w.settle(); err != nil {
				t.Errorf("with a column dropped: %v", err)
			}
			if s := w.capture.Status(); s.Code != "source-drift" || !strings.Contains(s.Error, "Navn") || strings.Count(s.Error, ";") > 1 {
				t.Errorf("status = %s, %q, want one sentence that names the column", s.Code, s.Error)
			}
			if got := w.name("N1"); got != "Dorte Prøve" {
				t.Errorf("employee = %q: the other kinds do not flow", got)
			}
			w.main(`ALTER TABLE PsAfdeling ADD Navn nvarchar(50) NOT NULL DEFAULT N'Ny'`)
			w.equal()
		})
	}
}

// endless is what a line carries that is not cut.
const endless = 1 << 60

// line is the way to the main system. It is cut once when it has carried what is left.
type line struct {
	left atomic.Int64 // bytes
	cuts atomic.Int64
}

// DialContext opens a connection.
func (l *line) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &lineConn{Conn: conn, line: l}, nil
}

type lineConn struct {
	net.Conn
	line *line
}

// Read reads, unless the line is cut.
func (c *lineConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.line.left.Add(-int64(n)) < 0 {
		c.line.left.Store(endless)
		c.line.cuts.Add(1)
		return 0, errors.Join(net.ErrClosed, c.Conn.Close())
	}
	return n, err
}

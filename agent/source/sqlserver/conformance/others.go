package conformance

import (
	"context"
	"errors"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/protocol"
)

func otherChecks() []Check {
	return []Check{
		{"a table named as Business Central does is read", longName},
		{"names with quotes, brackets and signs are read", oddNames},
		{"a read is cancelled within a second", cancelled},
		{"a report is one row, however often it is delivered", delivered},
		{"a report that the table refuses leaves nothing", refused},
	}
}

const longPlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: "CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972", as: e, key: No_, mode: compare, fields: {department_no: e.No_, name: e.Search Name}}
`

func longName(t T, s *Server) {
	s.do(t, "CREATE TABLE [CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] ([timestamp] rowversion, [No_] nvarchar(20) NOT NULL PRIMARY KEY, [Search Name] nvarchar(50) NOT NULL)",
		"INSERT INTO [CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972] ([No_], [Search Name]) VALUES (N'E1', N'ASTA')")
	if got := only(t, s, longPlan); got != "ASTA" {
		t.Errorf("read %q", got)
	}
}

const oddPlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: "Løn 'tabel'; \"x\" [1]", as: e, key: "Nr ]", mode: compare, fields: {department_no: "e.Nr ]", name: "e.Navn 'på' $"}}
`

func oddNames(t T, s *Server) {
	create := `CREATE TABLE [Løn 'tabel'; "x" [1]]] ([Nr ]]] int NOT NULL PRIMARY KEY, [Navn 'på' $] nvarchar(50) NOT NULL)`
	if _, err := s.db.ExecContext(t.Context(), create); err != nil {
		t.Skip("this server takes no such names: ", err)
	}
	s.do(t, `INSERT INTO [Løn 'tabel'; "x" [1]]] ([Nr ]]], [Navn 'på' $]) VALUES (1, N'Løn')`)
	if got := only(t, s, oddPlan); got != "Løn" {
		t.Errorf("read %q", got)
	}
}

const manyPlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: Mange, as: m, key: Nr, mode: compare, fields: {department_no: m.Nr, name: m.Navn}}
`

func cancelled(t T, s *Server) {
	s.do(t, "CREATE TABLE Mange (Nr int NOT NULL PRIMARY KEY, Navn nvarchar(200) NOT NULL)",
		"INSERT INTO Mange (Nr, Navn) SELECT n, REPLICATE(N'x', 200) FROM (SELECT TOP (100000) ROW_NUMBER() OVER (ORDER BY (SELECT 1)) AS n FROM sys.all_columns AS a CROSS JOIN sys.all_columns AS b) AS r")
	src := s.open(t, manyPlan)
	tx := begin(t, src)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var at time.Time
	rows := 0
	_, _, err := tx.Chunk(ctx, "department", nil, 1<<30, func(*protocol.Row) error {
		if rows++; rows == 1000 {
			at = time.Now()
			cancel()
		}
		return nil
	})
	if took := time.Since(at); !errors.Is(err, context.Canceled) || took > time.Second {
		t.Errorf("%v after %s and %d rows, want the end within a second", err, took, rows)
	}
	if err := tx.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	begin(t, src)
}

const inboxPlan = `version: 1
mode: rowversion
timezone: Europe/Copenhagen
kinds:
  department: {table: Afdeling, as: d, key: Nr, mode: compare, fields: {department_no: d.Nr, name: d.Navn}}
inbox:
  absence: {table: Indbakke, id: RapportID, columns: {Nr: employee_no, Note: fields.note}}
`

// inbox makes a table for reports, and what delivers into it.
func inbox(t T, s *Server) *sqlserver.Source {
	t.Helper()
	s.do(t, "CREATE TABLE Afdeling (Nr int NOT NULL PRIMARY KEY, Navn nvarchar(50) NOT NULL)",
		"CREATE TABLE Indbakke (RapportID varchar(64) NOT NULL PRIMARY KEY, Nr int NOT NULL, Note nvarchar(10) NULL)",
		"CREATE SCHEMA [portalsync]", sqlserver.DeliveredSQL)
	return s.open(t, inboxPlan)
}

func absence(note string) protocol.Report {
	return protocol.Report{ID: "R1", Type: "absence", EmployeeNo: "1007", Fields: map[string]string{"note": note}}
}

func delivered(t T, s *Server) {
	src := inbox(t, s)
	for range 2 {
		ack, err := src.Deliver(t.Context(), absence("Ærø"))
		if err != nil || ack.Outcome != protocol.AckStored {
			t.Fatalf("deliver: %+v, %v", ack, err)
		}
	}
	if n := s.number(t, "SELECT COUNT(*) FROM Indbakke WHERE RapportID = 'R1' AND Note = N'Ærø'"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func refused(t T, s *Server) {
	src := inbox(t, s)
	ack, err := src.Deliver(t.Context(), absence(strings.Repeat("x", 11)))
	if err != nil || ack.Outcome != protocol.AckRefused || ack.Reason == "" {
		t.Errorf("deliver: %+v, %v, want a refusal with its reason", ack, err)
	}
	if n := s.number(t, "SELECT (SELECT COUNT(*) FROM Indbakke) + (SELECT COUNT(*) FROM [portalsync].[delivered])"); n != 0 {
		t.Errorf("%d rows are left, want none", n)
	}
}

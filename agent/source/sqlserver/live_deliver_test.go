package sqlserver_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/protocol"
)

const livePlan = `version: 1
timezone: Europe/Copenhagen
mode: rowversion
kinds:
  place: {table: Sted, as: s, key: Nr, fields: {place_no: s.Nr, name: s.Navn, city: s.Bynavn}}
inbox:
  absence:
    table: PortalFravær
    id: Rapport ID
    columns: {Nr: employee_no, Fra: fields.first_day, Fra tid: fields.first_day, Antal: fields.quantity, Note: fields.note,
      Art: {from: fields.type, map: {"1": F}}, Kilde: {value: portal}, Indsendt: submitted_at, Indsendt tekst: submitted_at}
  mileage:
    schema: dbo
    procedure: IndlæsKørsel
    id: RapportID
    parameters: {Nr: employee_no, Km: fields.distance, Dato: fields.day, Indsendt: submitted_at}
    status: Status
    message: Besked
    later: [90]
  master-data: {schema: dbo, procedure: RetSted, id: RapportID, parameters: {Nr: fields.place, Navn: fields.name}}
`

var liveInbox = []string{
	"IF SCHEMA_ID('portalsync') IS NULL EXEC('CREATE SCHEMA portalsync')",
	"DROP TABLE IF EXISTS [portalsync].[delivered]", "DROP TABLE IF EXISTS [PortalFravær]", "DROP TABLE IF EXISTS [Kørsel]", "DROP TABLE IF EXISTS [Sted]",
	"DROP PROCEDURE IF EXISTS [IndlæsKørsel]", "DROP PROCEDURE IF EXISTS [RetSted]",
	`CREATE TABLE [PortalFravær] ([Rapport ID] varchar(64) NOT NULL PRIMARY KEY, Nr int NOT NULL, Fra date, [Fra tid] datetime, Antal decimal(9,2),
		Note nvarchar(20), Art char(1), Kilde varchar(10), Indsendt datetimeoffset(3), [Indsendt tekst] varchar(30),
		CONSTRAINT [Antal er rimeligt] CHECK (Antal < 100))`,
	`CREATE TABLE [Kørsel] (RapportID varchar(64) PRIMARY KEY, Nr int, Km decimal(9,2), Dato date, Indsendt datetime)`,
	`CREATE TABLE [Sted] (Nr int NOT NULL PRIMARY KEY, Navn nvarchar(50) NOT NULL, Bynavn nvarchar(50), rv rowversion)`,
	`INSERT INTO [Sted] (Nr, Navn, Bynavn) VALUES (7, N'Værkstedet', N'Ølstykke')`,
	`CREATE PROCEDURE [IndlæsKørsel] @RapportID varchar(64), @Nr int, @Km decimal(9,2) = 1, @Dato date = NULL, @Indsendt datetime, @Status int OUTPUT, @Besked nvarchar(200) OUTPUT AS
	BEGIN
		INSERT INTO [Kørsel] VALUES (@RapportID, @Nr, @Km, @Dato, @Indsendt);
		SELECT COUNT(*) AS stoej FROM [Kørsel];
		SET @Status = 0;
		IF @Km > 500 BEGIN SET @Status = 4; SET @Besked = N' Så langt kører ingen på én dag. '; END
		IF @Km = 90 SET @Status = 90;
		IF @Km = 80 RAISERROR(N'Perioden er lukket', 16, 1);
		IF @Km = 70 SET @Status = NULL;
		RETURN 77;
	END`,
	`CREATE PROCEDURE [RetSted] @RapportID varchar(64), @Nr int, @Navn nvarchar(50) AS
	BEGIN UPDATE [Sted] SET Navn = @Navn WHERE Nr = @Nr; RETURN 0; END`,
}

func liveDelivery(t *testing.T) (*sql.DB, *sqlserver.Source) {
	t.Helper()
	address := live(t)
	db, err := sql.Open("sqlserver", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, statement := range append(liveInbox[:], sqlserver.DeliveredSQL) {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	p, err := plan.Parse("plan.yaml", []byte(livePlan))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlserver.Open(address, p, sqlserver.Config{LockTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return db, s
}

func text(t *testing.T, db *sql.DB, query string) (s string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&s); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func absence(id string, fields map[string]string) protocol.Report {
	all := map[string]string{"first_day": "2026-07-06", "quantity": "2.50", "note": "Sommer på Ærø", "type": "1"}
	for name, v := range fields {
		all[name] = v
	}
	return protocol.Report{ID: protocol.ReportID(id), Type: "absence", EmployeeNo: "1007", Fields: all,
		SubmittedAt: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC).UnixMilli()}
}

func TestLiveDeliverIntoATable(t *testing.T) {
	db, s := liveDelivery(t)
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := tx.State()
	tx.Close()
	ack, err := s.Deliver(t.Context(), absence("R1", nil))
	if err != nil || ack.Outcome != protocol.AckStored || ack.Lineage != before.Lineage || ack.Position <= before.Position {
		t.Fatalf("Deliver = %+v, %v, want stored after %s %d", ack, err, before.Lineage, before.Position)
	}
	row := `SELECT CONCAT([Rapport ID], '|', Nr, '|', CONVERT(char(10), Fra, 23), '|', CONVERT(char(19), [Fra tid], 126), '|', Antal, '|', Note, '|', Art, '|', Kilde, '|',
		CONVERT(char(19), Indsendt, 120), RIGHT(CONVERT(varchar(40), Indsendt, 121), 7), '|', [Indsendt tekst]) FROM [PortalFravær]`
	want := "R1|1007|2026-07-06|2026-07-06T00:00:00|2.50|Sommer på Ærø|F|portal|2026-07-01 12:00:00 +02:00|2026-07-01 12:00:00"
	if got := text(t, db, row); got != want {
		t.Errorf("row\n%s, want\n%s", got, want)
	}
	t.Run("the same id again is stored, without a second row, also when payroll took the row away", func(t *testing.T) {
		if _, err := db.Exec("DELETE FROM [PortalFravær]"); err != nil {
			t.Fatal(err)
		}
		again, err := s.Deliver(t.Context(), absence("R1", nil))
		if err != nil || again != ack || text(t, db, row) != "" {
			t.Errorf("again %+v, %v, want %+v and no row", again, err, ack)
		}
	})
	refused := map[string]struct {
		report protocol.Report
		reason string
	}{
		"a rule of the table":         {absence("R2", map[string]string{"quantity": "100"}), "Antal er rimeligt"},
		"a text that is too long":     {absence("R3", map[string]string{"note": strings.Repeat("æ", 21)}), "table PortalFravær does not take it: "},
		"a value of another type":     {absence("R4", map[string]string{"quantity": "mange"}), "table PortalFravær does not take it: "},
		"a day that is none":          {absence("R5", map[string]string{"first_day": "2026-02-30"}), "table PortalFravær does not take it: "},
		"a code that is not in a map": {absence("R6", map[string]string{"type": "9"}), "the plan's map for column Art"},
		"a type without an inbox":     {protocol.Report{ID: "R7", Type: "travel"}, "takes no reports of type travel"},
	}
	for name, tt := range refused {
		t.Run(name+" refuses, and nothing stays", func(t *testing.T) {
			ack, err := s.Deliver(t.Context(), tt.report)
			if err != nil || ack.Outcome != protocol.AckRefused || !strings.Contains(strings.ToLower(ack.Reason), strings.ToLower(tt.reason)) {
				t.Errorf("ack %+v, %v, want refused: %s", ack, err, tt.reason)
			}
			if got := text(t, db, "SELECT COUNT(*) FROM [portalsync].[delivered]"); got != "1" {
				t.Errorf("%s ids are kept, want 1", got)
			}
		})
	}
	t.Run("a report that was mended is stored", func(t *testing.T) {
		if ack, err := s.Deliver(t.Context(), absence("R2", nil)); err != nil || ack.Outcome != protocol.AckStored {
			t.Errorf("ack %+v, %v", ack, err)
		}
	})
	t.Run("a row that is there although its id was lost is not written again", func(t *testing.T) {
		if _, err := db.Exec("DELETE FROM [portalsync].[delivered]"); err != nil {
			t.Fatal(err)
		}
		ack, err := s.Deliver(t.Context(), absence("R2", nil))
		if err != nil || ack.Outcome != protocol.AckStored || text(t, db, "SELECT COUNT(*) FROM [PortalFravær]") != "1" {
			t.Errorf("ack %+v, %v", ack, err)
		}
	})
}

func TestLiveDeliverToAProcedure(t *testing.T) {
	db, s := liveDelivery(t)
	drive := func(id, km string) (protocol.Ack, error) {
		r := absence(id, map[string]string{"day": "2026-07-06"})
		if r.Type = "mileage"; km != "" {
			r.Fields["distance"] = km
		}
		return s.Deliver(t.Context(), r)
	}
	for range 2 {
		if ack, err := drive("R1", "12.5"); err != nil || ack.Outcome != protocol.AckStored {
			t.Fatalf("ack %+v, %v", ack, err)
		}
		row := "SELECT CONCAT(COUNT(*), '|', MAX(Nr), '|', MAX(Km), '|', MAX(CONVERT(char(10), Dato, 23)), '|', MAX(CONVERT(char(19), Indsendt, 126))) FROM [Kørsel]"
		if got, want := text(t, db, row), "1|1007|12.50|2026-07-06|2026-07-01T12:00:00"; got != want {
			t.Errorf("rows %s, want %s", got, want)
		}
	}
	t.Run("a field that the report lacks is the procedure's default", func(t *testing.T) {
		if ack, err := drive("R2", ""); err != nil || ack.Outcome != protocol.AckStored || text(t, db, "SELECT Km FROM [Kørsel] WHERE RapportID = 'R2'") != "1.00" {
			t.Errorf("ack %+v, %v", ack, err)
		}
	})
	t.Run("a status refuses with the message, and nothing stays", func(t *testing.T) {
		ack, err := drive("R3", "501")
		if err != nil || ack.Outcome != protocol.AckRefused || ack.Reason != "Så langt kører ingen på én dag." {
			t.Errorf("ack %+v, %v", ack, err)
		}
	})
	t.Run("a status asks to come later", func(t *testing.T) {
		if ack, err := drive("R4", "90"); !errors.Is(err, source.ErrBusy) {
			t.Errorf("ack %+v, %v, want %v", ack, err, source.ErrBusy)
		}
	})
	t.Run("an error of the procedure's own refuses with its words", func(t *testing.T) {
		ack, err := drive("R5", "80")
		if err != nil || ack.Outcome != protocol.AckRefused || ack.Reason != "Perioden er lukket" {
			t.Errorf("ack %+v, %v", ack, err)
		}
	})
	t.Run("no status is trouble, not an outcome", func(t *testing.T) {
		if ack, err := drive("R6", "70"); err == nil || !strings.Contains(err.Error(), "tells no status") {
			t.Errorf("ack %+v, %v", ack, err)
		}
	})
	if got := text(t, db, "SELECT CONCAT((SELECT COUNT(*) FROM [portalsync].[delivered]), '|', (SELECT COUNT(*) FROM [Kørsel]))"); got != "2|2" {
		t.Errorf("ids and rows %s, want 2|2", got)
	}
}

func TestLiveAnExpectedRecord(t *testing.T) {
	db, s := liveDelivery(t)
	shown := func() protocol.Expected {
		tx, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Close()
		e := protocol.Expected{Kind: "place"}
		schema := s.Kinds()[0].Schema
		_, _, err = tx.Chunk(t.Context(), "place", nil, 10, func(r *protocol.Row) error {
			pair, err := new(protocol.Hasher).Pair(schema, r)
			e.Key, e.RowHash = protocol.KeyBytes(schema, r.Values), pair.Row
			return err
		})
		if err != nil || e.RowHash == 0 {
			t.Fatalf("%+v, %v", e, err)
		}
		return e
	}
	change := func(id, name string, e protocol.Expected) (protocol.Ack, error) {
		r := absence(id, map[string]string{"place": "7", "name": name})
		r.Type, r.Expected = "master-data", &e
		return s.Deliver(t.Context(), r)
	}
	first := shown()
	if ack, err := change("R1", "Smedjen", first); err != nil || ack.Outcome != protocol.AckStored {
		t.Fatalf("ack %+v, %v", ack, err)
	}
	if ack, err := change("R1", "Smedjen", first); err != nil || ack.Outcome != protocol.AckStored {
		t.Errorf("the same id again, after its own change: %+v, %v", ack, err)
	}
	ack, err := change("R2", "Lageret", first)
	if err != nil || ack.Outcome != protocol.AckConflict || !strings.Contains(ack.Reason, "has been changed") {
		t.Errorf("ack %+v, %v, want a conflict", ack, err)
	}
	if got := text(t, db, "SELECT CONCAT(Navn, (SELECT COUNT(*) FROM [portalsync].[delivered])) FROM [Sted]"); got != "Smedjen1" {
		t.Errorf("name and ids %s, want Smedjen1", got)
	}
	second := shown()
	if _, err := db.Exec("UPDATE [Sted] SET Bynavn = N'Køge'"); err != nil {
		t.Fatal(err)
	}
	if ack, err := change("R3", "Lageret", second); err != nil || ack.Outcome != protocol.AckConflict {
		t.Errorf("after another's change: %+v, %v", ack, err)
	}
	if _, err := db.Exec("DELETE FROM [Sted]"); err != nil {
		t.Fatal(err)
	}
	if ack, err := change("R4", "Lageret", second); err != nil || ack.Outcome != protocol.AckConflict || !strings.Contains(ack.Reason, "not in the main system") {
		t.Errorf("after a delete: %+v, %v", ack, err)
	}
}

func TestLiveDeliverWhileAnotherHoldsTheRow(t *testing.T) {
	db, s := liveDelivery(t)
	other, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback()
	if _, err := other.Exec("INSERT INTO [portalsync].[delivered] (report_id, type, position) VALUES ('R1', 'absence', 1)"); err != nil {
		t.Fatal(err)
	}
	if ack, err := s.Deliver(t.Context(), absence("R1", nil)); err == nil {
		t.Fatalf("ack %+v while another agent writes the same report", ack)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if ack, err := s.Deliver(t.Context(), absence("R1", nil)); err != nil || ack.Outcome != protocol.AckStored {
		t.Errorf("afterwards: %+v, %v", ack, err)
	}
}

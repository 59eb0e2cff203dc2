package sqlite_test

import (
	"database/sql"
	"testing"

	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
)

const benchRows = 100_000

const benchPlan = `
version: 1
timezone: Europe/Copenhagen
kinds:
  payslip_line:
    table: Linje
    as: l
    key: [SeddelNr, LinjeNr]
    fields: {payslip_no: l.SeddelNr, line_no: l.LinjeNr, employee_no: l.MedarbejderNr, code: l.Kode, label: l.Tekst,
      quantity: l.Antal, unit: l.Enhed, rate: l.Sats, amount: l.Beloeb, year_to_date: l.Aar, section: l.Afsnit, account: l.Konto}
`

func payslipLines(b *testing.B) (*sql.DB, string) {
	db, path := database(b)
	execute(b, db, `CREATE TABLE Linje (SeddelNr TEXT NOT NULL, LinjeNr INTEGER NOT NULL, MedarbejderNr TEXT NOT NULL, Kode TEXT NOT NULL,
			Tekst TEXT NOT NULL, Antal DECIMAL(12,4), Enhed TEXT, Sats DECIMAL(12,4), Beloeb DECIMAL(12,2) NOT NULL, Aar DECIMAL(12,2),
			Afsnit TEXT, Konto TEXT, PRIMARY KEY (SeddelNr, LinjeNr)) WITHOUT ROWID`,
		`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
			INSERT INTO Linje SELECT printf('%06d-2026%02d', i / 15, 1 + i % 12), i % 15, printf('%05d', i / 180), printf('%04d', 1000 + i % 40),
			'Timeløn overarbejde ' || (i % 40), 160.33, 'timer', 210.5, 33749.47 + i % 977, 404993.64, 'Løn', NULL FROM n`)
	if err := sqlite.Install(b.Context(), db, []string{"Linje"}); err != nil {
		b.Fatal(err)
	}
	return db, path
}

// BenchmarkChunks reads all rows as a first load does, in transactions of 5,000.
func BenchmarkChunks(b *testing.B) {
	_, path := payslipLines(b)
	s := open(b, path, benchPlan)
	b.ReportAllocs()
	for b.Loop() {
		var after []byte
		rows := 0
		for done := false; !done; {
			tx, err := s.Begin(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			after, done, err = tx.Chunk(b.Context(), "payslip_line", after, 5000, func(*protocol.Row) error { rows++; return nil })
			if err != nil {
				b.Fatal(err)
			}
			tx.Close()
		}
		if rows != benchRows {
			b.Fatalf("%d rows, want %d", rows, benchRows)
		}
	}
	b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSelect reads the same rows through database/sql into typed variables.
func BenchmarkSelect(b *testing.B) {
	db, _ := payslipLines(b)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := selectAll(db); err != nil || n != benchRows {
			b.Fatalf("%d rows, %v", n, err)
		}
	}
	b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func selectAll(db *sql.DB) (n int, err error) {
	rows, err := db.Query(`SELECT SeddelNr, LinjeNr, MedarbejderNr, Kode, Tekst, Antal, Enhed, Sats, Beloeb, Aar, Afsnit, Konto FROM Linje`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var no, employee, code, label string
	var line int64
	var unit, section, account sql.NullString
	var quantity, rate, amount, year sql.NullFloat64
	for rows.Next() {
		if err := rows.Scan(&no, &line, &employee, &code, &label, &quantity, &unit, &rate, &amount, &year, &section, &account); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

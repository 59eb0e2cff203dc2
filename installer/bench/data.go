package bench

import (
	"context"
	"database/sql"
	"fmt"

	"lessor.dk/portalsync/agent/source/sqlite"
)

const createLinesSQL = `
CREATE TABLE Loenlinje (
	LoenseddelNr  TEXT    NOT NULL,
	LinjeNr       INTEGER NOT NULL,
	MedarbejderNr TEXT    NOT NULL,
	Loenart       TEXT    NOT NULL,
	Tekst         TEXT    NOT NULL,
	Antal         TEXT,
	Enhed         TEXT,
	Sats          TEXT,
	Beloeb        TEXT    NOT NULL,
	AarTilDato    TEXT,
	Afsnit        TEXT,
	Konto         TEXT,
	PRIMARY KEY (LoenseddelNr, LinjeNr)
) WITHOUT ROWID`

const insertLineSQL = `INSERT INTO Loenlinje VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`

// readLinesSQL is the plain read that both the baseline and, in chunks, the agent's source do.
const readLinesSQL = `
SELECT LoenseddelNr, LinjeNr, MedarbejderNr, Loenart, Tekst, Antal, Enhed, Sats, Beloeb, AarTilDato, Afsnit, Konto
FROM   Loenlinje
ORDER  BY LoenseddelNr, LinjeNr`

// changeLinesSQL changes every row: the second measured run.
const changeLinesSQL = `
UPDATE Loenlinje
SET    Beloeb = substr(Beloeb, 1, length(Beloeb) - 1) || CASE substr(Beloeb, -1) WHEN '5' THEN '6' ELSE '5' END`

// planText sends every column.
const planText = `version: 1
timezone: Europe/Copenhagen
kinds:
  payslip_line:
    table: Loenlinje
    as: l
    key: [LoenseddelNr, LinjeNr]
    poll: 1s
    fields:
      payslip_no: l.LoenseddelNr
      line_no: l.LinjeNr
      employee_no: l.MedarbejderNr
      code: l.Loenart
      label: l.Tekst
      quantity: l.Antal
      unit: l.Enhed
      rate: l.Sats
      amount: l.Beloeb
      year_to_date: l.AarTilDato
      section: l.Afsnit
      account: l.Konto
`

const linesPerPayslip = 14

// wageItem is one invented line of a payslip.
type wageItem struct{ code, text, unit, section, account string }

func wageItems() []wageItem {
	items := []wageItem{
		{"1000", "Månedsløn", "md", "Løn", "2210"}, {"1110", "Overarbejde 50 %", "timer", "Løn", "2212"},
		{"1120", "Overarbejde 100 %", "timer", "Løn", "2212"}, {"1300", "Kvalifikationstillæg", "md", "Tillæg", "2215"},
		{"1310", "Funktionstillæg", "md", "Tillæg", "2215"}, {"1400", "Fri telefon", "md", "Personalegoder", "2230"},
		{"2000", "ATP-bidrag", "md", "Fradrag", "6710"}, {"2100", "Pension, egen andel", "%", "Fradrag", "6720"},
		{"2110", "Pension, arbejdsgiver", "%", "Pension", "6721"}, {"3000", "AM-bidrag", "%", "Skat", "6730"},
		{"3100", "A-skat", "%", "Skat", "6731"}, {"4000", "Ferietimer optjent", "timer", "Ferie", "2240"},
		{"4100", "Feriefridage", "dage", "Ferie", "2241"}, {"5000", "Kørselsgodtgørelse", "km", "Godtgørelse", "2250"},
	}
	return items[:linesPerPayslip]
}

// makeMainSystem writes a main system's database with the payslip lines numbered from first up to, but without, end.
// The same numbers always give the same rows.
func makeMainSystem(ctx context.Context, file string, first, end int) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(wal)&_pragma=synchronous(off)")
	if err != nil {
		return fmt.Errorf("open main system: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, createLinesSQL); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	stmt, err := tx.PrepareContext(ctx, insertLineSQL)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer stmt.Close()
	items := wageItems()
	for i := first; i < end; i++ {
		if _, err := stmt.ExecContext(ctx, lineOf(i, items)...); err != nil {
			return fmt.Errorf("insert row %d: %w", i, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return sqlite.Install(ctx, db, []string{"Loenlinje"})
}

// lineOf returns the columns of the i-th row.
func lineOf(i int, items []wageItem) []any {
	slip, line := i/linesPerPayslip, i%linesPerPayslip
	employee, item := slip/36, items[line]
	amount := int64(slip*7919+line*104729)%4_500_000 + 1000
	return []any{
		fmt.Sprintf("L%09d", slip), line + 1, fmt.Sprintf("M%06d", employee), item.code, item.text,
		decimalText(amount % 20000), item.unit, decimalText(amount % 90000), decimalText(amount),
		decimalText(amount * int64(slip%12+1)), item.section, item.account,
	}
}

// decimalText writes hundredths with their point, as a payroll system stores money in SQLite.
func decimalText(unscaled int64) string {
	s := fmt.Sprintf("%03d", unscaled)
	return s[:len(s)-2] + "." + s[len(s)-2:]
}

// changeMainSystem changes every row of the main system.
func changeMainSystem(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(wal)&_pragma=synchronous(off)&_pragma=busy_timeout(60000)")
	if err != nil {
		return fmt.Errorf("open main system: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, changeLinesSQL); err != nil {
		return fmt.Errorf("change every row: %w", err)
	}
	return nil
}

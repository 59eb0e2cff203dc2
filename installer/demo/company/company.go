// Package company is the main system of an invented Danish company, in SQLite or SQL Server: a payroll database with employees,
// payslips, balances, absences and schedules, and what happens in it while people work.
// Everything follows from a seed and a date, so two runs make the same company.
// The names are invented, the CPR numbers fail their check digit.
package company

import (
	"cmp"
	"context"
	"database/sql"
	_ "embed" // the plan
	"fmt"
	"time"
)

// Name is the company's.
const Name = "Nordlyng Maskinfabrik A/S"

// Plan is the company's plan file: which tables and columns leave the house.
//
//go:embed plan.yaml
var Plan []byte

// Config shapes a company. The zero value is usable.
type Config struct {
	Employees int       // 0 means 300
	Months    int       // of payslips; 0 means 36
	Documents int       // of the latest months whose payslips have a PDF; 0 means 3
	Seed      uint64    // 0 means 1
	Today     time.Time // zero means now; only the date counts
}

func (c Config) withDefaults() Config {
	c.Employees = cmp.Or(c.Employees, 300)
	c.Months = cmp.Or(c.Months, 36)
	c.Documents = cmp.Or(c.Documents, 3)
	c.Seed = cmp.Or(c.Seed, 1)
	if c.Today.IsZero() {
		c.Today = time.Now()
	}
	y, m, d := c.Today.Date()
	c.Today = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return c
}

// Company is the open database of a company, as its payroll program has it.
type Company struct {
	db   *sql.DB
	kept kept
}

// kept is what differs between the kinds of database that keep a company. All SQL but the tables is the same.
type kept interface {
	// writer returns what adds rows within a transaction.
	writer(tx *sql.Tx) rowWriter
	// spell makes of a value what the database is given for it.
	spell(value any) any
}

// DB returns the open database. It belongs to the Company.
func (c *Company) DB() *sql.DB { return c.db }

// Close releases the database.
func (c *Company) Close() error {
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("close the main system: %w", err)
	}
	return nil
}

// fill adds everything to empty tables, in one transaction.
func (c *Company) fill(ctx context.Context, cfg Config) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("fill the tables: %w", err)
	}
	defer tx.Rollback()
	f := &founder{cfg: cfg, rows: c.kept.writer(tx)}
	if err := f.found(ctx); err != nil {
		return fmt.Errorf("fill the tables: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("fill the tables: %w", err)
	}
	return nil
}

const setBalanceSQL = `
UPDATE Saldo
SET    Rest = @amount, Pr = @day
WHERE  MedarbejderNr = @employee AND SaldotypeNr = @type`

// SetBalance sets what an employee has left of a balance type, such as FE, in hundredths of its unit.
func (c *Company) SetBalance(ctx context.Context, employee, balanceType string, amount int64, asOf time.Time) error {
	_, err := c.db.ExecContext(ctx, setBalanceSQL, sql.Named("amount", c.kept.spell(hundredths(amount))), sql.Named("day", day(asOf)),
		sql.Named("employee", employee), sql.Named("type", balanceType))
	if err != nil {
		return fmt.Errorf("set a balance in the main system: %w", err)
	}
	return nil
}

const reportsSQL = `
SELECT count(*), count(CASE WHEN RapportID = @report THEN 1 END)
FROM   PortalIndberetning`

// Reports counts the rows of the inbox, all and those of one report.
func (c *Company) Reports(ctx context.Context, report string) (all, own int, err error) {
	if err = c.db.QueryRowContext(ctx, reportsSQL, sql.Named("report", report)).Scan(&all, &own); err != nil {
		err = fmt.Errorf("count the reports in the main system: %w", err)
	}
	return all, own, err
}

// Rows counts what the company's planned tables hold.
func (c *Company) Rows(ctx context.Context) (int64, error) {
	var total int64
	for _, table := range ownTables() {
		var n int64
		if err := c.db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			return 0, fmt.Errorf("count the rows of %s: %w", table, err)
		}
		total += n
	}
	return total, nil
}

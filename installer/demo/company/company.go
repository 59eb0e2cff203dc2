// Package company is the main system of an invented Danish company: a payroll database with employees,
// payslips, balances, absences and schedules, and what happens in it while people work.
// Everything follows from a seed and a date, so two runs make the same company.
// The names are invented, the CPR numbers fail their check digit.
package company

import (
	"cmp"
	"context"
	"database/sql"
	_ "embed" // schema and plan
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the main system's database
)

// Name is the company's.
const Name = "Nordlyng Maskinfabrik A/S"

//go:embed schema.sql
var schemaSQL string

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

// Create makes the company's database in a new file. 300 employees take about two seconds.
func Create(ctx context.Context, file string, cfg Config) (err error) {
	cfg = cfg.withDefaults()
	db, err := Open(file)
	if err != nil {
		return err
	}
	defer func() {
		if e := db.Close(); err == nil && e != nil {
			err = fmt.Errorf("close %s: %w", file, e)
		}
	}()
	if _, err := db.ExecContext(ctx, schemaSQL); err != nil {
		return fmt.Errorf("make the tables of %s: %w", file, err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("fill %s: %w", file, err)
	}
	defer tx.Rollback()
	if err := newFounder(tx, cfg).found(ctx); err != nil {
		return fmt.Errorf("fill %s: %w", file, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("fill %s: %w", file, err)
	}
	return nil
}

// Open opens a company's database as its payroll program does: in WAL mode, one writer at a time.
func Open(file string) (*sql.DB, error) {
	query := url.Values{"_pragma": {"journal_mode(WAL)", "busy_timeout(10000)", "synchronous(NORMAL)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+query.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// day spells a date as the database does.
func day(t time.Time) string { return t.Format(time.DateOnly) }

// date returns midnight UTC of a date; months and days may be out of range as in time.Date.
func date(year int, month time.Month, dom int) time.Time {
	return time.Date(year, month, dom, 0, 0, 0, 0, time.UTC)
}

// kroner is an amount as the database holds it, from øre.
func kroner(ore int64) any {
	if ore%100 == 0 {
		return ore / 100
	}
	return float64(ore) / 100
}

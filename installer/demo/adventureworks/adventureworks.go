// Package adventureworks makes a main system in SQLite of Microsoft's AdventureWorks sample: tab-separated
// files of the tables that belong to its 290 employees, UTF-8, no header, empty meaning NULL.
// The plan that goes with it is agent/plan/examples/adventureworks.yaml.
package adventureworks

import (
	"bufio"
	"context"
	"database/sql"
	_ "embed" // the tables
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"lessor.dk/portalsync/agent/source/sqlite"
)

//go:embed schema.sql
var schemaSQL string

// tables are loaded from the files of that name.
var tables = []struct{ file, table string }{
	{"Department.csv", "HumanResources_Department"},
	{"Employee.csv", "HumanResources_Employee"},
	{"EmployeeDepartmentHistory.csv", "HumanResources_EmployeeDepartmentHistory"},
	{"EmployeePayHistory.csv", "HumanResources_EmployeePayHistory"},
	{"Shift.csv", "HumanResources_Shift"},
	{"EmailAddress.csv", "Person_EmailAddress"},
	{"PersonPhone.csv", "Person_PersonPhone"},
	{"BusinessEntityAddress.csv", "Person_BusinessEntityAddress"},
	{"Address.csv", "Person_Address"},
}

// Loaded is how many rows went into a table.
type Loaded struct {
	Table string
	Rows  int
}

// Load makes the database file, which must not exist, of the files in dir. A line that does not fit is an
// error that names file and line; then there is no database.
func Load(ctx context.Context, dir, file string) (_ []Loaded, err error) {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s exists already: remove it or name another file", file)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(file))
		}
	}()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", file, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", file, err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, schemaSQL); err != nil {
		return nil, fmt.Errorf("make the tables of %s: %w", file, err)
	}
	var loaded []Loaded
	for _, t := range tables {
		rows, err := loadTable(ctx, tx, filepath.Join(dir, t.file), t.table)
		if err != nil {
			return nil, err
		}
		loaded = append(loaded, Loaded{t.table, rows})
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("make %s: %w", file, err)
	}
	var names []string
	for _, t := range tables {
		names = append(names, t.table)
	}
	// With change tracking on, `agent plan preview` can show what would leave before anything does.
	if err := sqlite.Install(ctx, db, names); err != nil {
		return nil, fmt.Errorf("switch change tracking on in %s: %w", file, err)
	}
	return loaded, nil
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the unfinished database: %w", err)
	}
	return nil
}

func loadTable(ctx context.Context, tx *sql.Tx, file, table string) (rows int, err error) {
	columns, err := countColumns(ctx, tx, table)
	if err != nil {
		return 0, err
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO "+table+" VALUES (?"+strings.Repeat(", ?", columns-1)+")") //nolint:gosec // a name of the list above
	if err != nil {
		return 0, fmt.Errorf("load %s: %w", table, err)
	}
	defer insert.Close()
	f, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("load %s: %w", table, err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		rows++
		cells := strings.Split(strings.TrimSuffix(lines.Text(), "\r"), "\t")
		if len(cells) != columns || !utf8.ValidString(lines.Text()) {
			return 0, fmt.Errorf("%s:%d: has %d tab-separated columns, want %d in UTF-8", file, rows, len(cells), columns)
		}
		if _, err := insert.ExecContext(ctx, values(cells)...); err != nil {
			return 0, fmt.Errorf("%s:%d: %w", file, rows, err)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	return rows, nil
}

func countColumns(ctx context.Context, tx *sql.Tx, table string) (n int, err error) {
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM pragma_table_info(?)", table).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the columns of %s: %w", table, err)
	}
	return n, nil
}

func values(cells []string) []any {
	out := make([]any, len(cells))
	for i, c := range cells {
		if c != "" {
			out[i] = c
		}
	}
	return out
}

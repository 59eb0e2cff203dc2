package company

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// rowsPerStatement is where longer statements stop being faster.
const rowsPerStatement = 40

// inserter adds rows to one table of SQLite, many to a statement.
type inserter struct {
	tx      *sql.Tx
	table   string
	columns int
	full    *sql.Stmt // of rowsPerStatement rows
	args    []any
}

func newInserter(tx *sql.Tx, table string) *inserter { return &inserter{tx: tx, table: table} }

// add takes one row, the values in the order of the table's columns.
func (i *inserter) add(ctx context.Context, row []any) error {
	if i.columns == 0 {
		i.columns = len(row)
	}
	i.args = append(i.args, row...)
	if len(i.args) < rowsPerStatement*i.columns {
		return nil
	}
	if i.full == nil {
		var err error
		if i.full, err = i.tx.PrepareContext(ctx, i.statement(rowsPerStatement)); err != nil {
			return fmt.Errorf("insert into %s: %w", i.table, err)
		}
	}
	_, err := i.full.ExecContext(ctx, i.args...)
	return i.done(err)
}

// flush writes the rows that did not fill a statement.
func (i *inserter) flush(ctx context.Context) error {
	if len(i.args) == 0 {
		return nil
	}
	_, err := i.tx.ExecContext(ctx, i.statement(len(i.args)/i.columns), i.args...)
	return i.done(err)
}

func (i *inserter) done(err error) error {
	i.args = i.args[:0]
	if err != nil {
		return fmt.Errorf("insert into %s: %w", i.table, err)
	}
	return nil
}

func (i *inserter) statement(rows int) string {
	row := "(?" + strings.Repeat(",?", i.columns-1) + ")"
	return "INSERT INTO " + i.table + " VALUES " + row + strings.Repeat(","+row, rows-1)
}

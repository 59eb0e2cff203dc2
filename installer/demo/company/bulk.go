package company

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"golang.org/x/text/encoding/charmap"
)

// bulkRows is how many rows of a table are held before they are copied.
const bulkRows = 4000

// bulkCopies adds rows to many tables of SQL Server by bulk copy. A copy occupies its connection, so the rows of one
// table wait while another's are copied.
type bulkCopies struct {
	tx     *sql.Tx
	tables map[string]*bulkTable
}

// bulkTable is one table and the rows that wait for it.
type bulkTable struct {
	name    string
	columns []bulkColumn
	rows    [][]any
}

// bulkColumn is a column that rows have a value for.
type bulkColumn struct {
	name, kind string // kind is the type's name as SQL Server spells it, in capitals
	width      int    // of a char, in bytes
	numbered   bool   // an IDENTITY column: the server makes the same numbers, since rows come in their order
}

func (b *bulkCopies) add(ctx context.Context, table string, row []any) error {
	t, ok := b.tables[table]
	if !ok {
		t = &bulkTable{name: table}
		if err := t.describe(ctx, b.tx); err != nil {
			return fmt.Errorf("look at %s: %w", table, err)
		}
		b.tables[table] = t
	}
	spelled, err := t.spell(row)
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	if t.rows = append(t.rows, spelled); len(t.rows) < bulkRows {
		return nil
	}
	return t.copy(ctx, b.tx)
}

func (b *bulkCopies) flush(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(b.tables)) {
		if err := b.tables[name].copy(ctx, b.tx); err != nil {
			return err
		}
	}
	return nil
}

const numberedSQL = `
SELECT count(*)
FROM   sys.columns
WHERE  object_id = OBJECT_ID(@table) AND is_identity = 1 AND column_id = 1`

// describe reads the columns. The last one is the row's version, which the server makes.
func (t *bulkTable) describe(ctx context.Context, tx *sql.Tx) error {
	var numbered int
	if err := tx.QueryRowContext(ctx, numberedSQL, sql.Named("table", "dbo."+t.name)).Scan(&numbered); err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, "SELECT TOP (0) * FROM dbo."+t.name) //nolint:gosec // the name is one of schema_sqlserver.sql
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	for i, c := range types[:len(types)-1] {
		column := bulkColumn{name: c.Name(), kind: c.DatabaseTypeName(), numbered: i == 0 && numbered == 1}
		if column.kind == "CHAR" {
			length, _ := c.Length()
			column.width = int(length)
		}
		t.columns = append(t.columns, column)
	}
	return rows.Err()
}

// spell makes of a row what the driver's bulk copy takes for each column.
func (t *bulkTable) spell(row []any) ([]any, error) {
	if len(row) != len(t.columns) {
		return nil, fmt.Errorf("%d values for %d columns", len(row), len(t.columns))
	}
	spelled := make([]any, 0, len(row))
	for i, c := range t.columns {
		if c.numbered {
			continue
		}
		v, err := c.spell(row[i])
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		spelled = append(spelled, v)
	}
	return spelled, nil
}

// spell gives a text for a number with decimals, because the driver takes integers there without their scale, and
// bytes of the Danish code page for a varchar, because it sends those as they are. A char is filled with spaces.
func (c bulkColumn) spell(value any) (any, error) {
	switch v := value.(type) {
	case hundredths:
		return v.String(), nil
	case clock:
		return time.Parse("15:04", string(v))
	case documentNo:
		return v.guid(), nil
	case string:
		if !strings.HasPrefix(c.kind, "N") { // neither nvarchar nor nchar
			return charmap.Windows1252.NewEncoder().Bytes(fmt.Appendf(nil, "%-*s", c.width, v))
		}
	}
	return value, nil
}

// copy writes the rows that wait.
func (t *bulkTable) copy(ctx context.Context, tx *sql.Tx) error {
	if len(t.rows) == 0 {
		return nil
	}
	var names []string
	for _, c := range t.columns {
		if !c.numbered {
			names = append(names, c.name)
		}
	}
	if err := t.send(ctx, tx, names); err != nil {
		return fmt.Errorf("copy into %s: %w", t.name, err)
	}
	t.rows = t.rows[:0]
	return nil
}

func (t *bulkTable) send(ctx context.Context, tx *sql.Tx, names []string) (err error) {
	copying, err := tx.PrepareContext(ctx, mssql.CopyIn("dbo."+t.name, mssql.BulkOptions{}, names...))
	if err != nil {
		return err
	}
	defer func() {
		if e := copying.Close(); err == nil {
			err = e
		}
	}()
	for _, row := range t.rows {
		if _, err := copying.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	_, err = copying.ExecContext(ctx) // without values it ends the copy
	return err
}

// String spells the number with a point and two decimals.
func (h hundredths) String() string {
	sign := ""
	if h < 0 {
		sign, h = "-", -h
	}
	return fmt.Sprintf("%s%d.%02d", sign, h/100, h%100)
}

// guid is the document's number as a system would have it that numbers documents by uniqueidentifier.
func (d documentNo) guid() []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "document %d", int64(d)))
	return sum[:16]
}

package sqlserver

import (
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// quote returns name as a delimited identifier: any name is legal there, a closing bracket doubled.
func quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// text returns s as a literal of national characters.
func text(s string) string { return "N'" + strings.ReplaceAll(s, "'", "''") + "'" }

// defaultSchema is where a table is that the plan gives no schema.
const defaultSchema = "dbo"

// full returns the table's name of two parts, quoted.
func full(t plan.Table) string {
	schema := t.Schema
	if schema == "" {
		schema = defaultSchema
	}
	return quote(schema) + "." + quote(t.Name)
}

// qualified returns a column under an alias. Aliases are plain words, which the plan has checked.
func qualified(alias, column string) string { return alias + "." + quote(column) }

package sqlserver

import (
	"fmt"
	"slices"
	"strings"
)

// column is a table's column as the database describes it.
type column struct {
	id         int
	name       string
	typ        string // the system type's name, in lower case
	length     int    // bytes; -1 is max
	precision  int
	scale      int
	nullable   bool
	collation  string // of texts
	identity   bool
	hasDefault bool
	computed   bool
	readable   bool // the account may select it
}

// unlimited is the length of a (max) column.
const unlimited = -1

// spelled writes the column's type as T-SQL declares it.
func (c column) spelled() string {
	switch c.typ {
	case "decimal", "numeric":
		return fmt.Sprintf("%s(%d,%d)", c.typ, c.precision, c.scale)
	case "datetime2", "datetimeoffset", "time":
		return fmt.Sprintf("%s(%d)", c.typ, c.scale)
	case "char", "varchar", "binary", "varbinary":
		return c.typ + "(" + lengthOf(c.length) + ")"
	case "nchar", "nvarchar":
		if c.length > 0 {
			return c.typ + "(" + lengthOf(c.length/2) + ")"
		}
		return c.typ + "(max)"
	case "timestamp":
		return "binary(8)"
	}
	return c.typ
}

func lengthOf(n int) string {
	if n == unlimited {
		return "max"
	}
	return fmt.Sprint(n)
}

// The system types by how their values are read. What is in none of these lists cannot be read.
var (
	wholeTypes   = []string{"tinyint", "smallint", "int", "bigint", "bit"}
	textTypes    = []string{"char", "varchar", "nchar", "nvarchar", "text", "ntext", "xml"}
	decimalTypes = []string{"decimal", "numeric", "money", "smallmoney"}
	floatTypes   = []string{"float", "real"}
	momentTypes  = []string{"date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset"}
	binaryTypes  = []string{"binary", "varbinary", "timestamp", "image"}
	otherTypes   = []string{"uniqueidentifier"}
	largeTypes   = []string{"text", "ntext", "xml", "image"}
)

// unreadable says why no field can be read from a column's type, or nothing.
func unreadable(typ string) string {
	for _, list := range [][]string{wholeTypes, textTypes, decimalTypes, floatTypes, momentTypes, binaryTypes, otherTypes} {
		if slices.Contains(list, typ) {
			return ""
		}
	}
	switch typ {
	case "sql_variant":
		return "is of type sql_variant, whose values have no type of their own; write an expr that converts it, like CONVERT(nvarchar(100), m.Value)"
	case "hierarchyid":
		return "is of type hierarchyid; write an expr that spells it, like m.Node.ToString()"
	case "geometry", "geography":
		return "is of type " + typ + ", which no field of the portal holds; leave it out"
	}
	return "is of type " + typ + ", which cannot be read; write an expr that converts it"
}

// keyProblem says why rows cannot be read in the order of a column, or nothing.
func (c column) keyProblem() string {
	if why := unreadable(c.typ); why != "" {
		return why
	}
	if slices.Contains(largeTypes, c.typ) || c.length == unlimited {
		return "is of type " + c.spelled() + ", by which rows cannot be ordered"
	}
	return ""
}

// typed writes a parameter or literal as a value of exactly the column's type, so that the server converts the value
// once and seeks the column's index. A text becomes the column's code page in the column's collation; every other type
// but the whole numbers is passed as text in the spelling that keyText gives: moments in that of ISO 8601 with a T, which no
// setting of language or date format changes.
func (c column) typed(value string) string { return c.cast("CAST", "CONVERT", value) }

// tried is typed for a value that may not be one of the type; it is null then.
func (c column) tried(value string) string { return c.cast("TRY_CAST", "TRY_CONVERT", value) }

func (c column) cast(cast, convert, value string) string {
	switch {
	case c.collation != "":
		return fmt.Sprintf("%s(%s COLLATE %s AS %s)", cast, value, c.collation, c.spelled())
	case slices.Contains(binaryTypes, c.typ):
		return fmt.Sprintf("%s(%s, %s, 2)", convert, c.spelled(), value)
	}
	return fmt.Sprintf("%s(%s AS %s)", cast, value, c.spelled())
}

// whole reports whether a key value of the column is passed as a number.
func (c column) whole() bool { return slices.Contains(wholeTypes, c.typ) }

// table is a table or view as the database describes it.
type table struct {
	object  int64  // 0: there is none, or the account may not see it
	typ     string // U is a table, V a view
	columns []column
	key     []column   // the primary key in its own order
	unique  [][]string // column sets that are unique, the primary key among them, in lower case
	indexed []string   // lower-case names of columns that begin an index
}

func (t *table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

// rowversion returns the table's rowversion column, of which a table has at most one.
func (t *table) rowversion() (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.typ == "timestamp" })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

func names(columns []column) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.name
	}
	return list
}

func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(name string) bool { return !containsFold(b, name) })
}

func sameNames(a, b []string) bool { return len(a) == len(b) && subset(a, b) }

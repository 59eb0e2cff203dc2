package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol/record"
)

// statements are one kind's SQL texts. Their columns stand in the order of the kind's schema; a unary plus
// before each keeps the driver from guessing types by the declared one.
//
//	changed   (k1 …): keys of rows that changed, or depend on a row that changed, after ?1
//	upserts   the rows of changed, as they are now
//	deletes   the record keys of changed that have no row now
//	count     how many keys changed holds at most
//	first     rows in key order, at most ?1
//	next      rows in key order after the key ?1…, at most ?n+1
//	byKey     rows that may have a record key ?1…; which have it is decided on the converted cells
type statements struct {
	upserts, deletes, count, first, next, byKey string

	relational.Selection

	keyColumns []int // place among the selected columns of each key column, in key order
	selected   int   // number of selected columns in upserts, first, next and byKey
	byKeyArgs  []int // places in the record's key of the parameters of byKey
}

// all returns the texts there are: a kind that is compared has none about changes.
func (s *statements) all() []string {
	all := []string{s.upserts, s.deletes, s.count, s.first, s.next, s.byKey}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}

// The names that statements add beside the plan's aliases, which cannot begin so.
const (
	changedAlias = "portalsync_c"
	otherAlias   = "portalsync_o"
)

// statements builds a kind's texts. Names are quoted; the customer's SQL stands in parentheses.
func (c *catalog) statements(k *plan.Kind) statements {
	key := c.keyOf(k.Table)
	s := statements{}
	var list []string
	for i, f := range k.Fields {
		if expr := expression(f); expr != "" {
			list = append(list, expr)
			s.Columns = append(s.Columns, i)
		}
	}
	for _, column := range key {
		place := -1
		for i, field := range s.Columns {
			if f := k.Fields[field]; f.Expr == "" && f.Column.Alias == k.As && strings.EqualFold(f.Column.Column, column.name) {
				place = i
			}
		}
		if place < 0 {
			place = len(list)
			list = append(list, "+"+qualified(k.As, column.name))
		}
		s.keyColumns = append(s.keyColumns, place)
	}
	s.selected = len(list)

	selectList := "SELECT " + strings.Join(list, ",\n       ")
	from := quote(k.Table.Name) + " AS " + k.As
	joins := joinClauses(k.Joins)
	filter := ""
	if k.Filter != "" {
		filter = "\nAND    (" + k.Filter + ")"
	}
	if k.Mode != plan.Compare {
		s.upserts = with(c.changed(k, true)) + selectList + "\nFROM   changed AS " + changedAlias + "\nCROSS JOIN " + from + " ON " +
			matchKey(k.As, key) + joins + "\nWHERE  1" + filter
		s.deletes = c.deletes(k, with(c.changed(k, relational.JoinsDecide(k))), key, from, joins, filter, &s)
		s.count = c.count(k)
	}

	var ordered, present, marks []string
	for _, column := range key {
		name := qualified(k.As, column.name)
		ordered = append(ordered, name)
		marks = append(marks, "?")
		if !column.notNull {
			present = append(present, "\nAND    "+name+" IS NOT NULL")
		}
	}
	order := strings.Join(ordered, ", ")
	rows := selectList + "\nFROM   " + from + joins + "\nWHERE  "
	tail := strings.Join(present, "") + filter + "\nORDER  BY " + order + "\nLIMIT  ?"
	s.first = rows + "1" + tail
	s.next = rows + "(" + order + ") > (" + strings.Join(marks, ", ") + ")" + tail
	s.byKey = rows + c.narrow(k, &s) + strings.Join(present, "") + filter
	return s
}

func (c *catalog) keyOf(t plan.Table) []column { return c.tables[strings.ToLower(t.Name)].key }

// expression returns a field's SQL, empty for a constant.
func expression(f plan.Field) string {
	switch {
	case f.Value != nil:
		return ""
	case f.Expr != "":
		return "+(" + f.Expr + ")"
	}
	return "+" + qualified(f.Column.Alias, f.Column.Column)
}

func qualified(alias, column string) string { return alias + "." + quote(column) }

// matchKey compares a row's key with the one noted by the triggers. Under another collation than BINARY two
// spellings of a key are one row to the database, but two records to the portal.
func matchKey(alias string, key []column) string {
	var conditions []string
	for i, column := range key {
		name, noted := qualified(alias, column.name), changedAlias+"."+keyColumn(i)
		conditions = append(conditions, name+" = "+noted)
		if !strings.EqualFold(column.collation, "BINARY") {
			conditions = append(conditions, name+" COLLATE BINARY = "+noted)
		}
	}
	return strings.Join(conditions, " AND ")
}

// joinClauses writes the joins. CROSS JOIN keeps SQLite from reading a joined table first, which would
// cost the order by key.
func joinClauses(joins []plan.Join) string {
	var b strings.Builder
	for _, j := range joins {
		word := "CROSS JOIN "
		if j.Optional {
			word = "LEFT JOIN "
		}
		b.WriteString("\n" + word + quote(j.Table.Name) + " AS " + j.As + " ON " + joinCondition(j.As, j))
		if len(j.Pick()) == 0 {
			continue
		}
		var other, own []string
		for _, column := range j.Pick() {
			other = append(other, qualified(otherAlias, column))
			own = append(own, qualified(j.As, column))
		}
		before := " < "
		if j.Last != nil {
			before = " > "
		}
		b.WriteString(" AND NOT EXISTS (SELECT 1 FROM " + quote(j.Table.Name) + " AS " + otherAlias + " WHERE " +
			joinCondition(otherAlias, j) + " AND (" + strings.Join(other, ", ") + ")" + before + "(" + strings.Join(own, ", ") + "))")
	}
	return b.String()
}

func joinCondition(alias string, j plan.Join) string {
	var conditions []string
	for _, on := range j.On {
		conditions = append(conditions, qualified(alias, on.Column)+" = "+operand(on))
	}
	return strings.Join(conditions, " AND ")
}

func operand(on plan.On) string {
	switch {
	case on.IsLink():
		return qualified(on.Ref.Alias, on.Ref.Column)
	case on.Text:
		return "'" + strings.ReplaceAll(on.Value, "'", "''") + "'"
	}
	return on.Value
}

func with(changed string) string { return "WITH changed AS (\n" + changed + ")\n" }

// changed lists the keys of the kind's rows that changed after ?1: those of its own table and, with joined,
// those that depend on a changed row of a joined one.
func (c *catalog) changed(k *plan.Kind, joined bool) string {
	parts := []string{fmt.Sprintf("SELECT %s FROM %s WHERE version > ?1",
		strings.Join(keyColumns(len(c.keyOf(k.Table))), ", "), quote(changeName(k.Table.Name)))}
	for _, j := range k.Joins {
		if joined {
			parts = append(parts, c.dependents(k, j))
		}
	}
	return strings.Join(parts, "\nUNION\n")
}

// dependents lists the keys of the main rows that the changed rows of a joined table are linked to, through
// the tables between them as they are now: a change in one of those sends its own dependents.
func (c *catalog) dependents(k *plan.Kind, j plan.Join) string {
	var keys, conditions []string
	for _, column := range c.keyOf(k.Table) {
		keys = append(keys, qualified(k.As, column.name))
	}
	for i, column := range c.keyOf(j.Table) {
		for _, on := range j.On {
			if strings.EqualFold(on.Column, column.name) {
				conditions = append(conditions, fmt.Sprintf("%s.%s COLLATE %s = %s",
					changedAlias, keyColumn(i), quote(column.collation), operand(on)))
			}
		}
	}
	// Plain joins leave it to the database whether it begins with the changes or with the rows.
	tables := strings.ReplaceAll(joinClauses(relational.Between(k, j)), "\nCROSS JOIN ", "\nJOIN ")
	return fmt.Sprintf("SELECT %s\nFROM   %s AS %s\nJOIN %s AS %s%s\nWHERE  %s.version > ?1 AND %s",
		strings.Join(keys, ", "), quote(changeName(j.Table.Name)), changedAlias, quote(k.Table.Name), k.As, tables,
		changedAlias, strings.Join(conditions, " AND "))
}

// count adds up the changes without removing doubles, which would cost memory.
func (c *catalog) count(k *plan.Kind) string {
	parts := []string{fmt.Sprintf("(SELECT count(*) FROM %s WHERE version > ?1)", quote(changeName(k.Table.Name)))}
	for _, j := range k.Joins {
		parts = append(parts, "(SELECT count(*) FROM ("+c.dependents(k, j)+"))")
	}
	return "SELECT " + strings.Join(parts, " + ")
}

// deletes evaluates the record's key on a table that holds nothing but the noted key columns, under the main
// alias: an expression that reads anything else does not compile.
func (c *catalog) deletes(k *plan.Kind, with string, key []column, from, joins, filter string, s *statements) string {
	var list, gone []string
	for i, f := range k.Fields {
		if k.Record.IsKey(f.Name) {
			expr := expression(f)
			if expr == "" {
				expr = "NULL" // a constant, filled in later
			}
			list = append(list, expr)
			s.RecordKey = append(s.RecordKey, i)
		}
	}
	for i, column := range key {
		gone = append(gone, changedAlias+"."+keyColumn(i)+" AS "+quote(column.name))
	}
	return with + "SELECT " + strings.Join(list, ", ") + "\nFROM   (SELECT " + strings.Join(gone, ", ") +
		"\n        FROM   changed AS " + changedAlias +
		"\n        WHERE  NOT EXISTS (SELECT 1 FROM " + from + joins + "\n        WHERE  " + matchKey(k.As, key) + filter +
		")) AS " + k.As
}

// narrow returns a condition that every row with the record key ?1… fulfils, as tight as indexes allow: a key
// field that is text may be stored as text, number or bytes. Other fields are compared by their cells only.
func (c *catalog) narrow(k *plan.Kind, s *statements) string {
	conditions := []string{"1"}
	for i, name := range k.Record.Key {
		for _, f := range k.Fields {
			if f.Name != name || f.Type != record.Text || f.Map != nil || f.Value != nil {
				continue
			}
			expr := strings.TrimPrefix(expression(f), "+")
			s.byKeyArgs = append(s.byKeyArgs, i)
			conditions = append(conditions, fmt.Sprintf("(%[1]s = ?%[2]d OR %[1]s = CAST(?%[2]d AS NUMERIC) OR %[1]s = CAST(?%[2]d AS BLOB))",
				expr, len(s.byKeyArgs)))
		}
	}
	return strings.Join(conditions, "\nAND    ")
}

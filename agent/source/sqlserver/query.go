package sqlserver

import (
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/relational"
)

// statements are one kind's SQL texts. Their columns stand in the order of the kind's schema.
//
//	upserts   the rows whose key changed, or that depend on a row that changed, after @p1, as they are now
//	deletes   the record keys of those that have no row now; empty where only digests find them
//	count     how many keys changed at most
//	first     rows in key order, at most @p1
//	next      rows in key order after the key @p2…, at most @p1: next[i] holds the first i key columns fixed and goes on
//	          in column i, so that each is one seek. A single comparison of all columns would read every row of the
//	          first column's value again in each chunk
//	byKey     rows that may have a record key @p1…; which have it is decided on the converted values
//	byKeys    the same of [keysAtOnce] record keys, one after another; empty where no column narrows byKey
type statements struct {
	upserts, deletes, count, first, byKey, byKeys string
	next                                          []string

	relational.Selection

	key       []column // the columns that order rows
	keyPlaces []int    // place among the selected columns of each key column
	selected  int      // number of selected columns in upserts, first, next, byKey and byKeys
	byKeyArgs []int    // places in the record's key of the parameters of byKey, and of each key in byKeys
}

// The names that statements add beside the plan's aliases, which cannot begin so.
const (
	changedAlias = "portalsync_c"
	otherAlias   = "portalsync_o"
	keyPrefix    = "portalsync_k"
)

// gently keeps a statement from taking more than one of the server's processors.
const gently = "\nOPTION (MAXDOP 1)"

// builder writes one kind's statements for the database as it is built now.
type builder struct {
	kind   *plan.Kind
	tables map[plan.Table]*table
	key    []column // of the main table
}

// statements builds a kind's texts. Names are quoted; the customer's SQL stands in parentheses.
func (b *builder) statements() statements {
	k := b.kind
	s := statements{key: b.key}
	var list []string
	for i, f := range k.Fields {
		if expr := expression(f); expr != "" {
			list = append(list, expr)
			s.Columns = append(s.Columns, i)
		}
	}
	for _, column := range b.key {
		place := -1
		for i, field := range s.Columns {
			if f := k.Fields[field]; f.Expr == "" && f.Column.Alias == k.As && strings.EqualFold(f.Column.Column, column.name) {
				place = i
			}
		}
		if place < 0 {
			place = len(list)
			list = append(list, qualified(k.As, column.name))
		}
		s.keyPlaces = append(s.keyPlaces, place)
	}
	s.selected = len(list)

	columns := strings.Join(list, ",\n       ")
	from := full(k.Table) + " AS " + k.As
	joins := b.joins(k.Joins)
	filter := ""
	if k.Filter != "" {
		filter = "\nAND    (" + k.Filter + ")"
	}
	if k.Mode != plan.Compare {
		s.upserts = with(b.changed(true)) + "SELECT " + columns + "\nFROM   changed AS " + changedAlias + "\nJOIN   " + from + " ON " +
			b.matchKey() + joins + "\nWHERE  1 = 1" + filter + gently
		s.count = b.count()
	}
	for i, f := range k.Fields {
		if k.Record.IsKey(f.Name) {
			s.RecordKey = append(s.RecordKey, i)
		}
	}
	if k.Mode == plan.ChangeTracking {
		s.deletes = b.deletes(from, joins, filter)
	}
	b.pieces(&s, columns, from+joins, filter)
	return s
}

// pieces writes the statements that read rows in key order, and by record key.
func (b *builder) pieces(s *statements, columns, from, filter string) {
	var ordered []string
	present := ""
	for _, column := range b.key {
		name := qualified(b.kind.As, column.name)
		ordered = append(ordered, name)
		if column.nullable {
			present += "\nAND    " + name + " IS NOT NULL"
		}
	}
	rows := "SELECT TOP (@p1) " + columns + "\nFROM   " + from + "\nWHERE  "
	tail := present + filter + "\nORDER  BY " + strings.Join(ordered, ", ") + gently
	s.first = rows + "1 = 1" + tail
	for i := range b.key {
		var conditions []string
		for j := 0; j <= i; j++ {
			comparison := " = "
			if j == i {
				comparison = " > "
			}
			conditions = append(conditions, ordered[j]+comparison+b.key[j].typed(fmt.Sprintf("@p%d", j+2)))
		}
		s.next = append(s.next, rows+strings.Join(conditions, " AND ")+tail)
	}
	b.byKey(s, columns, from, present+filter)
}

// expression returns a field's SQL, empty for a constant.
func expression(f plan.Field) string {
	switch {
	case f.Value != nil:
		return ""
	case f.Expr != "":
		return "(" + f.Expr + ")"
	}
	return qualified(f.Column.Alias, f.Column.Column)
}

// matchKey compares a row's key with the one that changed, on every key column.
func (b *builder) matchKey() string {
	var conditions []string
	for i, column := range b.key {
		conditions = append(conditions, fmt.Sprintf("%s = %s.%s", qualified(b.kind.As, column.name), changedAlias, keyName(i)))
	}
	return strings.Join(conditions, " AND ")
}

func keyName(i int) string { return fmt.Sprintf("%s%d", keyPrefix, i+1) }

// joins writes the joins. Where several rows match, the one that the plan picks is applied.
func (b *builder) joins(joins []plan.Join) string {
	var text strings.Builder
	for _, j := range joins {
		switch {
		case len(j.Pick()) > 0:
			word := "CROSS APPLY"
			if j.Optional {
				word = "OUTER APPLY"
			}
			text.WriteString("\n" + word + " (" + b.picked(j) + ") AS " + j.As)
		default:
			word := "JOIN  "
			if j.Optional {
				word = "LEFT JOIN"
			}
			text.WriteString("\n" + word + " " + full(j.Table) + " AS " + j.As + " ON " + b.condition(j.As, j))
		}
	}
	return text.String()
}

// picked selects the one joined row, with no column that the plan does not read.
func (b *builder) picked(j plan.Join) string {
	var columns, order []string
	for _, use := range b.kind.Uses() {
		if name := qualified(otherAlias, use.Column); use.Alias == j.As && !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	for _, column := range j.Pick() {
		direction := ""
		if j.Last != nil {
			direction = " DESC"
		}
		order = append(order, qualified(otherAlias, column)+direction)
	}
	return "SELECT TOP (1) " + strings.Join(columns, ", ") + " FROM " + full(j.Table) + " AS " + otherAlias +
		" WHERE " + b.condition(otherAlias, j) + " ORDER BY " + strings.Join(order, ", ")
}

func (b *builder) condition(alias string, j plan.Join) string {
	var conditions []string
	for _, on := range j.On {
		conditions = append(conditions, qualified(alias, on.Column)+" = "+b.operand(j, on))
	}
	return strings.Join(conditions, " AND ")
}

// operand writes what a joined column equals. A constant has the column's own type.
func (b *builder) operand(j plan.Join, on plan.On) string {
	if on.IsLink() {
		return qualified(on.Ref.Alias, on.Ref.Column)
	}
	value := on.Value
	if on.Text {
		value = text(on.Value)
	}
	if c, ok := b.tables[j.Table].column(on.Column); ok {
		if !on.Text && c.collation != "" {
			value = text(on.Value)
		}
		return c.typed(value)
	}
	return value
}

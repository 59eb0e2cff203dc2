package sqlserver

import (
	"fmt"
	"strings"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol/record"
)

func with(changed string) string { return "WITH changed AS (\n" + changed + ")\n" }

// changed lists the keys of the kind's rows that changed after @p1: those of its own table and, with joined, those
// that depend on a changed row of a joined one.
func (b *builder) changed(joined bool) string {
	var keys []string
	for i, column := range b.key {
		alias := changedAlias
		if b.kind.Mode == plan.Rowversion {
			alias = b.kind.As
		}
		keys = append(keys, qualified(alias, column.name)+" AS "+keyName(i))
	}
	var own string
	if b.kind.Mode == plan.Rowversion {
		own = fmt.Sprintf("SELECT %s\nFROM   %s AS %s\nWHERE  %s", strings.Join(keys, ", "), full(b.kind.Table), b.kind.As,
			b.moved(b.kind.As, b.kind.Table))
	} else {
		own = fmt.Sprintf("SELECT %s\nFROM   %s", strings.Join(keys, ", "), changes(b.kind.Table))
	}
	parts := []string{own}
	for _, j := range b.kind.Joins {
		if joined {
			parts = append(parts, b.dependents(j))
		}
	}
	return strings.Join(parts, "\nUNION\n")
}

// changes is a table's own record of changes after @p1: net, one row per key.
func changes(t plan.Table) string {
	return "CHANGETABLE(CHANGES " + full(t) + ", @p1) AS " + changedAlias
}

// moved tells the rows whose rowversion lies after @p1 and not above @p2, below which no transaction is active. Both are
// compared as binary(8), the column's own type.
func (b *builder) moved(alias string, t plan.Table) string {
	c, _ := b.tables[t].rowversion()
	return fmt.Sprintf("%[1]s > CONVERT(binary(8), @p1) AND %[1]s <= CONVERT(binary(8), @p2)", qualified(alias, c.name))
}

// dependents lists the keys of the main rows that the changed rows of a joined table are linked to, through the tables
// between them as they are now: a change in one of those sends its own dependents.
func (b *builder) dependents(j plan.Join) string {
	var keys, conditions []string
	for i, column := range b.key {
		keys = append(keys, qualified(b.kind.As, column.name)+" AS "+keyName(i))
	}
	source := changes(j.Table)
	if b.kind.Mode == plan.Rowversion {
		source = full(j.Table) + " AS " + changedAlias
		conditions = append(conditions, b.moved(changedAlias, j.Table))
	}
	for _, on := range j.On {
		// Of a changed row Change Tracking tells the key columns only; a row that is there tells all.
		if b.kind.Mode == plan.Rowversion || containsFold(names(b.tables[j.Table].key), on.Column) {
			conditions = append(conditions, qualified(changedAlias, on.Column)+" = "+b.operand(j, on))
		}
	}
	return fmt.Sprintf("SELECT %s\nFROM   %s\nCROSS JOIN %s AS %s%s\nWHERE  %s", strings.Join(keys, ", "), source,
		full(b.kind.Table), b.kind.As, b.joins(relational.Between(b.kind, j)), strings.Join(conditions, " AND "))
}

// count adds up the changes without removing doubles, which would cost memory.
func (b *builder) count() string {
	own := changes(b.kind.Table)
	if b.kind.Mode == plan.Rowversion {
		own = full(b.kind.Table) + " AS " + b.kind.As + " WHERE " + b.moved(b.kind.As, b.kind.Table)
	}
	parts := []string{"(SELECT COUNT_BIG(*) FROM " + own + ")"}
	for i, j := range b.kind.Joins {
		parts = append(parts, fmt.Sprintf("(SELECT COUNT_BIG(*) FROM (%s) AS %s%d)", b.dependents(j), otherAlias, i+1))
	}
	return "SELECT " + strings.Join(parts, "\n     + ") + gently
}

// deletes evaluates the record's key on a table that holds nothing but the key columns of the change, under the main
// alias: an expression that reads anything else does not compile. It is the LEFT JOIN from CHANGETABLE of the vendor's
// documentation, kept to the rows without a match on every key column. A key that is there in another spelling is gone as
// the change spells it.
func (b *builder) deletes(from, joins, filter string) string {
	var list, gone []string
	for _, f := range b.kind.Fields {
		if !b.kind.Record.IsKey(f.Name) {
			continue
		}
		expr := expression(f)
		if expr == "" {
			expr = "NULL" // a constant, filled in later
		}
		list = append(list, expr)
	}
	for i, column := range b.key {
		gone = append(gone, changedAlias+"."+keyName(i)+" AS "+quote(column.name))
	}
	return with(b.changed(relational.JoinsDecide(b.kind))) + "SELECT " + strings.Join(list, ", ") + "\nFROM   (SELECT " +
		strings.Join(gone, ", ") + "\n        FROM   changed AS " + changedAlias +
		"\n        WHERE  NOT EXISTS (SELECT 1 FROM " + from + joins + "\n        WHERE  " + b.matchKey() + b.sameSpelling() + filter +
		")) AS " + b.kind.As + gently
}

// sameSpelling compares the key columns that are in the record's key as they are written. To a collation that ignores case
// 'AB' and 'ab' are one key, so that its change from one to the other is an update, or a delete and an insert, of that one
// key; to the portal they are two. What is compared is text that goes into the record's key unchanged: of an expression
// both spellings may be one. Blanks at the end are ignored by every collation.
func (b *builder) sameSpelling() string {
	var text strings.Builder
	for i, c := range b.key {
		for _, f := range b.kind.Fields {
			if c.collation == "" || !b.kind.Record.IsKey(f.Name) || f.Type != record.Text || f.Value != nil || f.Expr != "" || f.Map != nil ||
				f.Column.Alias != b.kind.As || !strings.EqualFold(f.Column.Column, c.name) {
				continue
			}
			fmt.Fprintf(&text, " AND %s COLLATE %s = %s.%s COLLATE %s", qualified(b.kind.As, c.name), asWritten, changedAlias, keyName(i), asWritten)
		}
	}
	return text.String()
}

// asWritten is a collation that tells every two texts apart, but for blanks at their end.
const asWritten = "Latin1_General_BIN2"

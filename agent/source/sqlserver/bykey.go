package sqlserver

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/source/cell"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// keysAtOnce is how many record keys one statement seeks. There is one text for so many and one for a single key, however
// many are sought (trap 15). With the 32 columns that a key may have it stays below the 2,100 parameters of a statement.
const keysAtOnce = 50

// ByKey yields the current row of each record key, a Delete when there is none, or a Keep when it cannot be converted.
func (t *Tx) ByKey(ctx context.Context, kind string, keys [][]protocol.Value, yield func(*protocol.Row) error) error {
	l, r, err := t.open(kind)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := r.CheckKey(key); err != nil {
			return err
		}
	}
	step := keysAtOnce
	if l.statements.byKeys == "" {
		step = max(1, len(keys)) // every look reads the whole table, so there is one for all
	}
	for len(keys) > 0 {
		n := min(step, len(keys))
		if err := t.byKey(ctx, l, r, keys[:n], yield); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

func (t *Tx) byKey(ctx context.Context, l *layout, r *relational.Rows, keys [][]protocol.Value, yield func(*protocol.Row) error) error {
	query, args := l.seek(keys)
	found := make([]bool, len(keys))
	err := t.scan(ctx, l, query, args, l.selected(), func(_, dest []driver.Value) error {
		if !r.Key(dest) {
			return nil
		}
		asked := false
		for i := range keys { // a key may be asked for twice
			if r.Is(keys[i]) {
				found[i], asked = true, true
			}
		}
		if asked && (r.Update(dest) || r.Keep(dest)) {
			return yield(r.Row())
		}
		return nil
	})
	for i := 0; i < len(keys) && err == nil; i++ {
		if !found[i] {
			r.DeleteOf(keys[i])
			err = yield(r.Row())
		}
	}
	return err
}

// seek returns the statement that reads the rows of up to [keysAtOnce] record keys, and its parameters. Where there are
// fewer keys than parameters the first stands for the rest: the statement looks for each once.
func (l *layout) seek(keys [][]protocol.Value) (query string, args []any) {
	s := &l.statements
	query, n := s.byKey, 1
	if s.byKeys != "" && len(keys) > 1 {
		query, n = s.byKeys, keysAtOnce
	}
	args = make([]any, 0, n*len(s.byKeyArgs))
	for i := range n {
		key := keys[0]
		if i < len(keys) {
			key = keys[i]
		}
		for _, place := range s.byKeyArgs {
			args = append(args, l.keyArgument(place, key[place]))
		}
	}
	return query, args
}

// keyArgument returns a record key's value as the parameter by which rows are sought.
func (l *layout) keyArgument(place int, v protocol.Value) any {
	for _, f := range l.kind.Fields {
		if f.Name == l.kind.Record.Key[place] && v.Kind == protocol.Int {
			if f.Type == record.Date {
				return parameter(cell.Format(f.Field, v, time.UTC) + "T00:00:00")
			}
			return parameter(fmt.Sprint(v.N))
		}
	}
	return parameter(v.S)
}

// byKey writes the statements that yield every row with a record key @p1…, as tight as indexes allow. A key field
// made by an expression is compared by its value only. Of many keys each is made the columns' type once, before the
// rows are sought; those that are the same to the columns' collation are sought once, so that no row comes twice.
func (b *builder) byKey(s *statements, columns, from, filter string) {
	by := b.narrow(s)
	one, many := "1 = 1", "1 = 1"
	var made, names []string
	for i, n := range by {
		name := keyName(i)
		one += "\nAND    " + n.name + " = " + n.column.tried(fmt.Sprintf("@p%d", i+1))
		many += "\nAND    " + n.name + " = " + changedAlias + "." + name
		names = append(names, name)
		made = append(made, n.column.tried(otherAlias+"."+name)+" AS "+name)
	}
	s.byKey = "SELECT " + columns + "\nFROM   " + from + "\nWHERE  " + one + filter + gently
	if len(by) == 0 {
		return
	}
	var keys []string
	for i := range keysAtOnce {
		var key []string
		for j := range by {
			key = append(key, fmt.Sprintf("@p%d", i*len(by)+j+1))
		}
		keys = append(keys, "("+strings.Join(key, ", ")+")")
	}
	s.byKeys = "SELECT " + columns + "\nFROM   (SELECT DISTINCT " + strings.Join(made, ", ") + "\n        FROM   (VALUES " + strings.Join(keys, ", ") +
		") AS " + otherAlias + " (" + strings.Join(names, ", ") + ")) AS " + changedAlias +
		"\nCROSS JOIN " + from + "\nWHERE  " + many + filter + gently
}

// narrowed is a column that holds a field of the record key.
type narrowed struct {
	name   string // with its table's alias
	column column
}

// narrow returns the columns by which rows are sought, and notes which of a record key's values they have.
func (b *builder) narrow(s *statements) []narrowed {
	var list []narrowed
	for i, name := range b.kind.Record.Key {
		for _, f := range b.kind.Fields {
			if f.Name != name || f.Expr != "" || f.Map != nil || f.Value != nil {
				continue
			}
			c, ok := b.tables[b.kind.TableOf(f.Column.Alias)].column(f.Column.Column)
			if !ok || !narrows(f.Type, c) {
				continue
			}
			s.byKeyArgs = append(s.byKeyArgs, i)
			list = append(list, narrowed{qualified(f.Column.Alias, f.Column.Column), c})
		}
	}
	return list
}

// narrows reports whether a record key's value can be turned back into the column's.
func narrows(t record.Type, c column) bool {
	switch t {
	case record.Text:
		return c.collation != "" || c.whole() && c.typ != "bit" || c.typ == "decimal" || c.typ == "numeric" || c.typ == "uniqueidentifier"
	case record.Int:
		return c.whole()
	case record.Date:
		return c.typ == "date" || c.typ == "datetime" || c.typ == "datetime2" || c.typ == "smalldatetime"
	case record.Bool, record.Decimal, record.Time, record.Instant, record.Bytes, record.Document:
	}
	return false
}

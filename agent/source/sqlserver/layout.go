package sqlserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// layout is how one kind is read from the database as it is built now: its statements, or why there are none.
type layout struct {
	kind       *plan.Kind
	tables     []int // places in the plan's tables, the main one first
	statements statements
	problems   []error // sentences
	err        error   // the first of them
	epoch      string
	suspended  error // why this transaction cannot read it although it fits
}

// catalog is the part of the database's description that layouts are made from.
type catalog struct {
	q       querier
	plan    *plan.Plan
	glances map[plan.Table]glance
	tables  map[plan.Table]*table
}

// catalogOf describes the planned tables that are there.
func catalogOf(ctx context.Context, q querier, p *plan.Plan, glances []glance) (*catalog, error) {
	c := &catalog{q: q, plan: p, glances: map[plan.Table]glance{}, tables: map[plan.Table]*table{}}
	for i, t := range p.Tables() {
		c.glances[t], c.tables[t] = glances[i], &table{}
		if glances[i].object == 0 {
			continue
		}
		described, err := readTable(ctx, q, t, glances[i])
		if err != nil {
			return nil, err
		}
		c.tables[t] = described
	}
	return c, nil
}

// layouts holds every planned kind against the database. What does not fit is the kind's err; the error returned means
// that the database could not be asked.
func (c *catalog) layouts(ctx context.Context) (map[string]*layout, error) {
	layouts := map[string]*layout{}
	for _, k := range c.plan.Kinds {
		l := &layout{kind: k, tables: []int{slices.Index(c.plan.Tables(), k.Table)}}
		for _, j := range k.Joins {
			l.tables = append(l.tables, slices.Index(c.plan.Tables(), j.Table))
		}
		if l.problems = c.check(k); l.problems == nil {
			b := c.builder(k)
			l.statements = b.statements()
			var err error
			if l.problems, err = c.try(ctx, b, &l.statements); err != nil {
				return nil, err
			}
		}
		l.err = firstError(l.problems...)
		l.epoch = c.epoch(k)
		layouts[k.Record.Name] = l
	}
	return layouts, nil
}

func (c *catalog) builder(k *plan.Kind) *builder {
	b := &builder{kind: k, tables: c.tables, key: c.tables[k.Table].key}
	if c.ordersByPlan(k) {
		b.key = nil
		for _, name := range k.Key {
			column, _ := c.tables[k.Table].column(name)
			b.key = append(b.key, column)
		}
	}
	return b
}

// ordersByPlan reports whether the plan's key orders the kind's rows instead of a primary key: in a view, and in a table
// without one that need not be tracked.
func (c *catalog) ordersByPlan(k *plan.Kind) bool {
	return k.Mode != plan.ChangeTracking && len(c.tables[k.Table].key) == 0
}

// epoch identifies the kind's tables, their tracking, the columns that the plan reads and the kind's mapping. A column
// that was dropped and made again under its name, or changed its type, holds other values that nobody noted as changed.
func (c *catalog) epoch(k *plan.Kind) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", c.plan.Mapping(k))
	tables := []plan.Table{k.Table}
	for _, j := range k.Joins {
		tables = append(tables, j.Table)
	}
	for _, t := range tables {
		fmt.Fprintf(h, "%s %d %d\n", t, c.glances[t].object, c.glances[t].begin)
	}
	for _, use := range k.Uses() {
		column, _ := c.tables[k.TableOf(use.Alias)].column(use.Column)
		fmt.Fprintf(h, "%s %d %s %s\n", use.Ref, column.id, column.spelled(), column.collation)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// parameters declares what a statement takes, as sp_executesql would, for [compile].
func (s *statements) parameters(keys int) string {
	list := []string{"@p1 bigint"}
	for i := range keys {
		typ := "nvarchar(max)"
		if s.key[i].whole() {
			typ = "bigint"
		}
		list = append(list, "@p"+strconv.Itoa(i+2)+" "+typ)
	}
	return strings.Join(list, ", ")
}

// try has the server compile every statement of the kind and looks at the types of what the plan's SQL makes. It returns
// what the server does not accept.
func (c *catalog) try(ctx context.Context, b *builder, s *statements) ([]error, error) {
	byKey := make([]string, max(1, keysAtOnce*len(s.byKeyArgs)))
	for i := range byKey {
		byKey[i] = "@p" + strconv.Itoa(i+1) + " nvarchar(max)"
	}
	one := byKey[:max(1, len(s.byKeyArgs))]
	changes := "@p1 bigint, @p2 bigint"
	texts := []struct{ statement, parameters string }{
		{s.first, "@p1 bigint"}, {s.next[len(s.next)-1], s.parameters(len(s.key))}, {s.byKey, strings.Join(one, ", ")}, {s.byKeys, strings.Join(byKey, ", ")},
		{s.upserts, changes}, {s.deletes, changes}, {s.count, changes},
	}
	for i, t := range texts {
		if t.statement == "" {
			continue
		}
		said, err := compile(ctx, c.q, t.statement, t.parameters)
		if err != nil {
			return nil, err
		}
		if said.number != 0 {
			return []error{fmt.Errorf("the database does not accept the plan's columns or SQL: %s (%d)", said.message, said.number)}, nil
		}
		if problems := refusedTypes(b.kind, s, said.types); i == 0 && problems != nil {
			return problems, nil
		}
	}
	return c.checkAliases(ctx, b.kind)
}

// refusedTypes tells the fields whose SQL makes a value that no field holds.
func refusedTypes(k *plan.Kind, s *statements, types []string) []error {
	var problems []error
	for i, field := range s.Columns {
		if i >= len(types) || types[i] == "" {
			continue
		}
		if why := unreadable(types[i]); why != "" {
			problems = append(problems, fmt.Errorf("the value of %s %s", k.Fields[field].Name, why))
		}
	}
	return problems
}

// ambiguous is how the server quotes the name that may be a column of several tables.
const ambiguous = "'"

// checkAliases finds columns that the plan's SQL uses without their alias. They would be read, and leave, without
// standing in the list of columns that check and preview show. The server resolves the names itself: beside a second
// copy of every table a column without alias is ambiguous, whatever the SQL around it. The SQL has compiled before.
func (c *catalog) checkAliases(ctx context.Context, k *plan.Kind) ([]error, error) {
	from := " FROM " + full(k.Table) + " AS " + k.As
	tables := []plan.Table{k.Table}
	for _, j := range k.Joins {
		from += ", " + full(j.Table) + " AS " + j.As
		tables = append(tables, j.Table)
	}
	for i, t := range tables {
		from += ", " + full(t) + " AS " + otherAlias + strconv.Itoa(i)
	}
	looks := []struct{ what, statement string }{}
	if k.Filter != "" {
		looks = append(looks, struct{ what, statement string }{"filter", "SELECT 1 AS one" + from + " WHERE (" + k.Filter + ")"})
	}
	for _, f := range k.Fields {
		if f.Expr != "" {
			looks = append(looks, struct{ what, statement string }{f.Name, "SELECT (" + f.Expr + ") AS one" + from})
		}
	}
	var problems []error
	for _, look := range looks {
		said, err := compile(ctx, c.q, look.statement, "")
		if err != nil {
			return nil, err
		}
		if said.number == 0 {
			continue
		}
		problem := fmt.Errorf("%s (%d)", said.message, said.number)
		if parts := strings.Split(said.message, ambiguous); said.number == errAmbiguous && len(parts) > 1 {
			problem = fmt.Errorf("it uses the column %[1]s without its alias; write %[2]s.%[1]s, or the alias of the table that %[1]s is in", parts[1], k.As)
		}
		problems = append(problems, fmt.Errorf("the plan's SQL for %s cannot be read: %w", look.what, problem))
	}
	return problems, nil
}

package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/protocol"
)

// layout is how one kind is read from the database as it is built now: its statements, or why there are none.
type layout struct {
	kind       *plan.Kind
	tables     []string // lower-case names of all its tables, the main one first
	statements statements
	problems   []error // sentences
	err        error   // the first of them
}

// catalog is the part of the database's description that layouts are made from.
type catalog struct {
	conn     *sql.Conn
	tables   map[string]*tableInfo
	tracked  map[string]*tracked
	triggers map[string]int
}

// catalogOf describes the tables that the plan reads.
func catalogOf(ctx context.Context, conn *sql.Conn, p *plan.Plan, known map[string]*tracked) (*catalog, error) {
	triggers, err := readTriggers(ctx, conn)
	if err != nil {
		return nil, err
	}
	c := &catalog{conn: conn, tables: map[string]*tableInfo{}, tracked: known, triggers: triggers}
	for _, t := range p.Tables() {
		if c.tables[strings.ToLower(t.Name)], err = readTable(ctx, conn, t.Name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// layoutsOf holds every planned kind against the database. What does not fit is the kind's err; the error
// returned means that the database could not be asked.
func layoutsOf(ctx context.Context, conn *sql.Conn, p *plan.Plan, known map[string]*tracked) (map[string]*layout, error) {
	c, err := catalogOf(ctx, conn, p, known)
	if err != nil {
		return nil, err
	}
	layouts := map[string]*layout{}
	for _, k := range p.Kinds {
		l := &layout{kind: k, tables: []string{strings.ToLower(k.Table.Name)}}
		for _, j := range k.Joins {
			l.tables = append(l.tables, strings.ToLower(j.Table.Name))
		}
		if l.problems = c.check(k); l.problems == nil {
			l.statements = c.statements(k)
			if err := c.try(ctx, l); err != nil {
				l.problems = []error{err}
			} else {
				l.problems = c.checkAliases(ctx, k)
			}
		}
		l.err = firstError(l.problems...)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		layouts[k.Record.Name] = l
	}
	return layouts, nil
}

// check returns everything in which the database does not fit the kind. What rests on a table that cannot be
// read is not looked at.
func (c *catalog) check(k *plan.Kind) []error {
	var problems []error
	add := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	add(c.checkTable(k, k.Table))
	for _, j := range k.Joins {
		add(c.checkTable(k, j.Table))
	}
	if problems != nil {
		return problems
	}
	told := map[string]bool{}
	for _, use := range k.Uses() {
		if err := c.checkColumn(k, use); err != nil && !told[use.String()] {
			told[use.String()] = true
			add(err)
		}
	}
	key := c.trackedKey(k, k.Table)
	if !sameNames(key, k.Key) {
		add(fmt.Errorf("table %s has the primary key (%s) but the plan says (%s); write the primary key in the plan",
			k.Table, strings.Join(key, ", "), strings.Join(k.Key, ", ")))
	}
	for _, j := range k.Joins {
		add(c.checkJoin(k, j))
	}
	return problems
}

// trackedKey returns the key by which changes of a table are told, or by which its rows are compared.
func (c *catalog) trackedKey(k *plan.Kind, t plan.Table) []string {
	if k.Mode == plan.Compare {
		return names(c.keyOf(t))
	}
	return c.tracked[strings.ToLower(t.Name)].key
}

func (c *catalog) checkTable(k *plan.Kind, t plan.Table) error {
	name := strings.ToLower(t.Name)
	switch {
	case t.Schema != "" && !strings.EqualFold(t.Schema, "main"):
		return fmt.Errorf("table %s is in a schema, which SQLite does not have; leave schema out of the plan", t)
	case c.tables[name].kind == "":
		return fmt.Errorf("table %s is not in the database; put it back or change the plan", t)
	case k.Mode == plan.Compare:
		return nil
	case c.tracked[name] == nil || c.triggers[name] != len(triggerSuffixes):
		return fmt.Errorf("table %s is not tracked; switch change tracking on for it", t)
	}
	return nil
}

func (c *catalog) checkColumn(k *plan.Kind, use plan.Use) error {
	table := k.TableOf(use.Alias)
	now, ok := c.tables[strings.ToLower(table.Name)].column(use.Column)
	if !ok {
		return fmt.Errorf("table %s has no column %s, which the plan reads for %s; put it back or change the plan",
			table, use.Column, use.For)
	}
	if k.Mode == plan.Compare {
		return nil
	}
	was, known := c.tracked[strings.ToLower(table.Name)].types[strings.ToLower(use.Column)]
	if known && !strings.EqualFold(was, now.declared) {
		return fmt.Errorf("column %s of table %s changed from type %s to %s since tracking was switched on; look at the plan's %s, then switch tracking on anew",
			use.Column, table, typeName(was), typeName(now.declared), use.For)
	}
	return nil
}

func typeName(declared string) string {
	if declared == "" {
		return "none"
	}
	return declared
}

// checkJoin makes sure that a join can be tracked and meets at most one row.
func (c *catalog) checkJoin(k *plan.Kind, j plan.Join) error {
	name := strings.ToLower(j.Table.Name)
	key := c.trackedKey(k, j.Table)
	var fixed []string
	tracked := false
	for _, on := range j.On {
		fixed = append(fixed, on.Column)
		tracked = tracked || on.IsLink() && containsFold(key, on.Column)
	}
	if !tracked && k.Mode != plan.Compare {
		return fmt.Errorf("the join of table %s is linked by no column of its primary key (%s); of a changed row only the key is known, so nothing tells which rows depend on it",
			j.Table, strings.Join(key, ", "))
	}
	for _, name := range j.Pick() {
		if column, _ := c.tables[strings.ToLower(j.Table.Name)].column(name); !column.notNull && column.pk == 0 {
			return fmt.Errorf("column %s of table %s may be null and so cannot choose among several rows; choose by the primary key (%s)",
				name, j.Table, strings.Join(key, ", "))
		}
	}
	fixed = append(fixed, j.Pick()...)
	for _, unique := range c.tables[name].unique {
		if subset(unique, fixed) {
			return nil
		}
	}
	return fmt.Errorf("the join of table %s can meet several rows; add on-columns, or \"first: [%s]\" to take one of them",
		j.Table, strings.Join(key, ", "))
}

// try has the database compile every statement of the kind.
func (c *catalog) try(ctx context.Context, l *layout) error {
	for _, s := range l.statements.all() {
		if err := c.compile(ctx, s); err != nil {
			return fmt.Errorf("the database does not accept the plan's columns or SQL: %w", err)
		}
	}
	return nil
}

func (c *catalog) compile(ctx context.Context, query string) error {
	prepared, err := c.conn.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer prepared.Close()
	return nil
}

// epoch identifies the kind's tables, their tracking, their columns and the kind's mapping.
func (l *layout) epoch(mapping string, known map[string]*tracked) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", mapping)
	for _, name := range l.tables {
		if t := known[name]; t != nil && l.kind.Mode != plan.Compare {
			fmt.Fprintf(h, "%s %s %d\n", name, t.object, t.begin)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// minValid is the highest minimum of the kind's tables.
func (l *layout) minValid(known map[string]*tracked) protocol.Position {
	var highest protocol.Position
	for _, name := range l.tables {
		if t := known[name]; t != nil && l.kind.Mode != plan.Compare {
			highest = max(highest, t.minValid)
		}
	}
	return highest
}

func sameNames(a, b []string) bool { return len(a) == len(b) && subset(a, b) }

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(name string) bool { return !containsFold(b, name) })
}

func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

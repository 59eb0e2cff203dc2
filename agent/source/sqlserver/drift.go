package sqlserver

import (
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// check returns everything in which the database does not fit the kind. What rests on a table that cannot be read is not
// looked at. Each of these suspends the kind while the others flow; when it has been mended, the kind is read anew.
//
//	table or column gone, renamed, or not granted   suspended
//	tracking switched off, or not granted           suspended; switched on again: another epoch, read anew
//	primary key changed                             suspended until the plan says the same
//	column changed to a type nothing reads          suspended
//	column changed to another type, made anew       go on under another epoch: read anew
//	table replaced, partition switched in or out    another object or tracking: read anew (switching needs tracking off)
//	table truncated                                 the minimum valid version rises: read anew
//	column added, or one dropped nobody reads       go on
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
	if problems != nil {
		return problems
	}
	key := names(c.tables[k.Table].key)
	if !c.ordersByPlan(k) && !sameNames(key, k.Key) {
		add(fmt.Errorf("table %s has the primary key (%s) but the plan says (%s); write the primary key in the plan",
			k.Table, strings.Join(key, ", "), strings.Join(k.Key, ", ")))
		return problems
	}
	for _, column := range c.builder(k).key {
		if why := column.keyProblem(); why != "" {
			add(fmt.Errorf("key column %s of table %s %s", column.name, k.Table, why))
		}
	}
	for _, j := range k.Joins {
		add(c.checkJoin(k, j))
	}
	return problems
}

func (c *catalog) checkTable(k *plan.Kind, t plan.Table) error {
	seen, described := c.glances[t], c.tables[t]
	if seen.object == 0 {
		return fmt.Errorf("table %s is not in the database, or the account may not see it; put it back, GRANT SELECT ON %s TO the account, or change the plan", t, full(t))
	}
	if !slices.ContainsFunc(described.columns, func(c column) bool { return c.readable }) {
		return fmt.Errorf("the account may not read table %s; GRANT SELECT ON %s TO the account", t, full(t))
	}
	switch k.Mode {
	case plan.Compare:
	case plan.Rowversion:
		if _, ok := described.rowversion(); !ok {
			return fmt.Errorf("table %s has no rowversion column, by which changes are found; add one, or write mode: %s for %s", t, plan.Compare, k.Record.Name)
		}
	case plan.ChangeTracking:
		switch {
		case !seen.seesChanges:
			return fmt.Errorf("the account may not see the changes of table %s; GRANT VIEW CHANGE TRACKING ON %s TO the account", t, full(t))
		case !seen.tracked:
			return fmt.Errorf("table %s is not tracked; switch change tracking on for it: ALTER TABLE %s ENABLE CHANGE_TRACKING", t, full(t))
		}
	}
	return nil
}

func (c *catalog) checkColumn(k *plan.Kind, use plan.Use) error {
	t := k.TableOf(use.Alias)
	column, ok := c.tables[t].column(use.Column)
	if !ok {
		return fmt.Errorf("table %s has no column %s, which the plan reads for %s; put it back or change the plan",
			t, use.Column, use.For)
	}
	if !column.readable {
		return fmt.Errorf("the account may not read column %s of table %s, which the plan reads for %s; GRANT SELECT ON %s (%s) TO the account",
			use.Column, t, use.For, full(t), quote(column.name))
	}
	for _, f := range k.Fields {
		if f.Name == use.For && f.Expr == "" {
			if why := unreadable(column.typ); why != "" {
				return fmt.Errorf("column %s of table %s, which the plan reads for %s, %s", use.Column, t, use.For, why)
			}
		}
	}
	return nil
}

// checkJoin makes sure that a join can be tracked and meets at most one row.
func (c *catalog) checkJoin(k *plan.Kind, j plan.Join) error {
	joined := c.tables[j.Table]
	key := names(joined.key)
	var fixed []string
	tracked := k.Mode != plan.ChangeTracking
	for _, on := range j.On {
		fixed = append(fixed, on.Column)
		tracked = tracked || on.IsLink() && containsFold(key, on.Column)
	}
	if !tracked {
		return fmt.Errorf("the join of table %s is linked by no column of its primary key (%s); of a changed row only the key is known, so nothing tells which rows depend on it",
			j.Table, strings.Join(key, ", "))
	}
	for _, name := range j.Pick() {
		if column, _ := joined.column(name); column.nullable {
			return fmt.Errorf("column %s of table %s may be null and so cannot choose among several rows; choose by the primary key (%s)",
				name, j.Table, strings.Join(key, ", "))
		}
	}
	fixed = append(fixed, j.Pick()...)
	if joined.typ == "V" && len(j.Pick()) > 0 {
		return nil // a view tells no unique columns; the pick takes one row of any number
	}
	for _, unique := range joined.unique {
		if subset(unique, fixed) {
			return nil
		}
	}
	return fmt.Errorf("the join of table %s can meet several rows; add on-columns, or \"first: [%s]\" to take one of them",
		j.Table, strings.Join(key, ", "))
}

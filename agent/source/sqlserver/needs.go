package sqlserver

import (
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// need is what the plan asks of one table, whatever database it meets.
type need struct {
	table   plan.Table
	columns []string // that are read, as the plan spells them
	kinds   []string // that are read from it
	// What finds its changes; neither where digests do.
	tracked, rowversion bool
	// joined means that its key may have columns that the plan does not name.
	joined bool
}

// needs returns what the plan asks of every table, in the order of [plan.Plan.Tables].
func needs(p *plan.Plan) []need {
	var list []need
	for _, t := range p.Tables() {
		n := need{table: t}
		for _, k := range p.Kinds {
			n.add(k)
		}
		list = append(list, n)
	}
	return list
}

// add takes up what a kind asks of the table.
func (n *need) add(k *plan.Kind) {
	uses := k.Table == n.table
	for _, j := range k.Joins {
		if j.Table == n.table {
			uses, n.joined = true, true
		}
	}
	if !uses {
		return
	}
	n.kinds = append(n.kinds, k.Record.Name)
	n.tracked = n.tracked || k.Mode == plan.ChangeTracking
	n.rowversion = n.rowversion || k.Mode == plan.Rowversion
	for _, use := range k.Uses() {
		if k.TableOf(use.Alias) == n.table && !containsFold(n.columns, use.Column) {
			n.columns = append(n.columns, use.Column)
		}
	}
}

// tracks reports whether any table must be tracked.
func tracks(list []need) bool {
	return slices.ContainsFunc(list, func(n need) bool { return n.tracked })
}

// trackedTables are the tables whose changes the plan has tracked.
func trackedTables(list []need) []plan.Table {
	var tables []plan.Table
	for _, n := range list {
		if n.tracked {
			tables = append(tables, n.table)
		}
	}
	return tables
}

// quoted lists columns as T-SQL does between parentheses.
func quoted(columns []string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = quote(c)
	}
	return strings.Join(list, ", ")
}

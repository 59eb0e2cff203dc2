package sqlite

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// ambiguous is how the database says that a name without alias may be a column of several tables.
const ambiguous = "ambiguous column name: "

// checkAliases finds columns that the plan's SQL uses without their alias. They would be read, and leave, without
// standing in the list of columns that check and preview show. The database resolves the names itself: beside a second
// copy of every table a column without alias is ambiguous, whatever the SQL around it. The SQL has compiled before.
func (c *catalog) checkAliases(ctx context.Context, k *plan.Kind) []error {
	from := " FROM " + quote(k.Table.Name) + " AS " + k.As
	tables := []plan.Table{k.Table}
	for _, j := range k.Joins {
		from += ", " + quote(j.Table.Name) + " AS " + j.As
		tables = append(tables, j.Table)
	}
	for i, t := range tables {
		from += ", " + quote(t.Name) + " AS " + otherAlias + strconv.Itoa(i)
	}
	var problems []error
	check := func(what, text string) {
		if text == "" {
			return
		}
		err := c.compile(ctx, "SELECT ("+text+")"+from)
		if err == nil {
			return
		}
		if _, name, found := strings.Cut(err.Error(), ambiguous); found {
			name, _, _ = strings.Cut(name, " (")
			err = fmt.Errorf("it uses the column %[1]s without its alias; write %[2]s.%[1]s, or the alias of the table that %[1]s is in", name, k.As)
		}
		problems = append(problems, fmt.Errorf("the plan's SQL for %s cannot be read: %w", what, err))
	}
	check("filter", k.Filter)
	for _, f := range k.Fields {
		check(f.Name, f.Expr)
	}
	return problems
}

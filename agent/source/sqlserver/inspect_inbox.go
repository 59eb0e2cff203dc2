package sqlserver

import (
	"context"
	"database/sql"
	"fmt"

	"lessor.dk/portalsync/agent/plan"
)

// mayDeliverSQL asks for the rights that a delivery needs: on the table of ids, on an inbox's own table and on a procedure.
const mayDeliverSQL = `SELECT HAS_PERMS_BY_NAME(@p1, 'OBJECT', 'SELECT'), HAS_PERMS_BY_NAME(@p1, 'OBJECT', 'INSERT'),
       HAS_PERMS_BY_NAME(@p2, 'OBJECT', 'INSERT'), OBJECT_ID(@p2), HAS_PERMS_BY_NAME(@p2, 'OBJECT', 'EXECUTE')`

// inspectInboxes looks at where reports go, and whether they can be written.
func (s *Source) inspectInboxes(ctx context.Context, q querier) ([]plan.Finding, error) {
	var findings []plan.Finding
	missing := false
	for _, in := range s.plan.Inboxes {
		stop := func(format string, args ...any) {
			findings = append(findings, plan.Finding{Key: "inbox." + in.Type, Line: in.Line, Stop: true, Text: fmt.Sprintf(format, args...)})
		}
		object := in.Table
		if in.Procedure != nil {
			object = in.Procedure.Name
		}
		var selects, keeps, inserts, id, executes sql.NullInt64
		err := each(ctx, q, mayDeliverSQL, []any{parameter(full(delivered)), parameter(full(object))}, func(rows *sql.Rows) error {
			return rows.Scan(&selects, &keeps, &inserts, &id, &executes)
		})
		if err != nil {
			return nil, fmt.Errorf("ask for rights to deliver reports: %w", err)
		}
		missing = missing || selects.Int64 != 1 || keeps.Int64 != 1
		switch {
		case !id.Valid:
			stop("%s is not in the database, or the account may not see it; make it or change the plan", in.Object())
		case in.Procedure != nil && executes.Int64 != 1:
			stop("the account may not call it: GRANT EXECUTE ON %s TO the account", full(object))
		case in.Procedure == nil && inserts.Int64 != 1:
			stop("the account may not write into it: GRANT INSERT ON %s TO the account", full(object))
		case in.Procedure == nil:
			if err := inspectInboxTable(ctx, q, in, stop); err != nil {
				return nil, err
			}
		}
	}
	if missing {
		findings = append(findings, plan.Finding{Key: "inbox", Line: s.plan.Inboxes[0].Line, Stop: true, Text: fmt.Sprintf(
			"table %s, which keeps the ids of reports, is not there or the account may not SELECT and INSERT in it; run the script of agent plan setup-sql", full(delivered))})
	}
	return findings, nil
}

// inspectInboxTable holds the plan's columns against the table.
func inspectInboxTable(ctx context.Context, q querier, in *plan.Inbox, stop func(string, ...any)) error {
	t, err := inboxTable(ctx, q, in)
	if err != nil {
		return err
	}
	written := []string{in.ID}
	for _, c := range in.Columns {
		written = append(written, c.Name)
	}
	for _, name := range written {
		if _, ok := t.column(name); !ok {
			stop("table %s has no column %s; add it or change the plan", in.Table, name)
		}
	}
	for _, c := range t.columns {
		given := containsFold(written, c.name)
		switch {
		case given && (c.identity || c.computed || c.typ == "timestamp"):
			stop("column %s of table %s is filled by the database; remove it under columns", c.name, in.Table)
		case !given && !c.nullable && !c.hasDefault && !c.identity && !c.computed && c.typ != "timestamp":
			stop("column %s of table %s needs a value that the plan does not give; add it under columns", c.name, in.Table)
		}
	}
	return nil
}

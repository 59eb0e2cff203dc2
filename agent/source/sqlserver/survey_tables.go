package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// tables looks at every planned table: whether it is there, each right to it, and what tells its changes.
func (s *survey) tables(ctx context.Context) error {
	tables := s.plan.Tables()
	glances, err := readGlances(ctx, s.q, glancesText(tables, counting(s.plan)), len(tables))
	if err != nil {
		return err
	}
	c, err := catalogOf(ctx, s.q, s.plan, glances)
	if err != nil {
		return err
	}
	for i, n := range s.needs {
		s.table(n, glances[i], c.tables[n.table])
	}
	return nil
}

func (s *survey) table(n need, seen glance, t *table) {
	check := "table " + n.table.String()
	name, to := full(n.table), " TO "+quote(s.server.user)+";"
	if seen.object == 0 {
		s.wrong(check, CodeTable, "GRANT SELECT ON "+name+" ("+quoted(n.columns)+")"+to,
			"The table is not in %s, or the account may not see it: put it back, grant the right, or change the plan.", s.facts.database)
		return
	}
	good := true
	wrong := func(code, statement, format string, args ...any) {
		good = false
		s.wrong(check, code, statement, format, args...)
	}
	if missing, unreadable := n.columnsOf(t); len(missing)+len(unreadable) > 0 {
		if len(missing) > 0 {
			wrong(CodeTable, "", "It has no column %s, which the plan reads: put it back or change the plan.", strings.Join(missing, ", "))
		}
		if len(unreadable) > 0 {
			wrong(CodeRight, "GRANT SELECT ON "+name+" ("+quoted(unreadable)+")"+to, "The account may not read the columns %s.", strings.Join(unreadable, ", "))
		}
	}
	if n.tracked {
		if !seen.seesChanges {
			wrong(CodeRight, "GRANT VIEW CHANGE TRACKING ON "+name+to, "The account may not see its changes.")
		}
		switch {
		case len(t.key) == 0:
			wrong(CodeKeyless, "", "It has no primary key and cannot be tracked: write mode: %s for %s in the plan, or %s if it has a rowversion column.",
				plan.Compare, strings.Join(n.kinds, " and "), plan.Rowversion)
		case !seen.tracked && s.begun.IsZero():
			wrong(CodeUntracked, "ALTER TABLE "+name+" ENABLE CHANGE_TRACKING;", "Its changes are not tracked.")
		}
	}
	if _, ok := t.rowversion(); n.rowversion && !ok {
		wrong(CodeTable, "", "It has no rowversion column, by which changes are found: add one, or write mode: %s for %s in the plan.", plan.Compare, strings.Join(n.kinds, " and "))
	}
	if !good {
		return
	}
	how := "compared"
	switch {
	case n.tracked && !seen.tracked:
		how = "released for the upgrade"
	case n.tracked:
		how = "tracked by (" + strings.Join(names(t.key), ", ") + ")"
	case n.rowversion:
		how = "followed by its rowversion"
	}
	s.fine(check, "%d columns can be read; it is %s.", len(n.columns), how)
}

// columnsOf returns the columns that the plan, or what finds the table's changes, reads and that are not there or not
// granted.
func (n need) columnsOf(t *table) (missing, unreadable []string) {
	for _, name := range n.columns {
		switch c, ok := t.column(name); {
		case !ok:
			missing = append(missing, name)
		case !c.readable:
			unreadable = append(unreadable, c.name)
		}
	}
	more := []column{}
	if n.tracked {
		more = t.key
	}
	if rv, ok := t.rowversion(); ok && n.rowversion {
		more = append(more, rv)
	}
	for _, c := range more {
		if !c.readable && !containsFold(unreadable, c.name) {
			unreadable = append(unreadable, c.name)
		}
	}
	return missing, unreadable
}

// writesSQL asks what the account may do to the tables beside reading them.
const writesSQL = `SELECT t.n, HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'INSERT'), HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'UPDATE'),
       HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'DELETE'), HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'ALTER')
FROM   (VALUES %s) AS t (n, name)`

// numbered lists tables as rows of VALUES.
func numbered(tables []plan.Table) string {
	values := make([]string, len(tables))
	for i, t := range tables {
		values[i] = fmt.Sprintf("(%d, %s)", i, text(full(t)))
	}
	return strings.Join(values, ", ")
}

// excess tells what the login may do that the agent never does: what it may not, nobody can do through it. Whoever
// administers the server or owns the database may do everything, so that nothing else is told of him.
func (s *survey) excess(ctx context.Context) error {
	const check = "login"
	f := &s.server
	if f.sysadmin {
		s.note(check, CodeExcess, "ALTER SERVER ROLE [sysadmin] DROP MEMBER "+quote(f.login)+";", "%s administers the server; the agent needs nothing but what the script of agent plan setup-sql grants.", f.login)
		return nil
	}
	for _, role := range f.roles {
		s.note(check, CodeExcess, "ALTER ROLE "+quote(role)+" DROP MEMBER "+quote(f.user)+";", "%s is a member of %s; the agent needs nothing but what the script of agent plan setup-sql grants.", f.user, role)
	}
	if len(f.roles) > 0 {
		return nil
	}
	if f.control {
		s.note(check, CodeExcess, "REVOKE CONTROL FROM "+quote(f.user)+";", "%s controls database %s; the agent needs nothing but what the script of agent plan setup-sql grants.", f.user, s.facts.database)
		return nil
	}
	least := true
	tables := s.plan.Tables()
	err := each(ctx, s.q, fmt.Sprintf(writesSQL, numbered(tables)), nil, func(rows *sql.Rows) error {
		var place int
		var may [4]sql.NullInt64
		if err := rows.Scan(&place, &may[0], &may[1], &may[2], &may[3]); err != nil {
			return err
		}
		var rights []string
		for i, right := range []string{"INSERT", "UPDATE", "DELETE", "ALTER"} {
			if may[i].Int64 == 1 && !(right == "INSERT" && s.delivers(tables[place])) {
				rights = append(rights, right)
			}
		}
		if len(rights) > 0 {
			least = false
			s.note("table "+tables[place].String(), CodeExcess, "REVOKE "+strings.Join(rights, ", ")+" ON "+full(tables[place])+" FROM "+quote(f.user)+";",
				"The account may %s here; the agent only reads it.", strings.Join(rights, ", "))
		}
		return nil
	})
	if err == nil && least {
		s.fine(check, "%s may do nothing to the planned tables but read them.", f.user)
	}
	return err
}

// delivers reports whether reports are written into a planned table.
func (s *survey) delivers(t plan.Table) bool {
	for _, in := range s.plan.Inboxes {
		if in.Table == t {
			return true
		}
	}
	return false
}

// keysSQL names the primary keys of tracked tables, whose constraint cannot be dropped.
const keysSQL = `SELECT t.n, k.name
FROM   (VALUES %s) AS t (n, name)
JOIN   sys.change_tracking_tables AS ct ON ct.object_id = OBJECT_ID(t.name)
JOIN   sys.key_constraints AS k ON k.parent_object_id = ct.object_id AND k.type = 'PK'
ORDER  BY t.n`

// upgrade tells whether an upgrade of the vendor's is open.
func (s *survey) upgrade(ctx context.Context) error {
	var err error
	if s.begun, err = readUpgrade(ctx, s.q); err == nil && !s.begun.IsZero() {
		s.wrong("upgrade", CodeUpgradeOpen, "", "An upgrade of the main system was begun %s and not ended, so that nothing is sent: run agent upgrade end when it is done.", spellBegun(s.begun))
	}
	return err
}

// blocked tells which statements of a vendor's upgrade fail because of us.
func (s *survey) blocked(ctx context.Context) error {
	const check = "upgrade"
	if !s.begun.IsZero() {
		return nil
	}
	tracked := trackedTables(s.needs)
	if len(tracked) == 0 {
		s.fine(check, "Nothing is tracked for the plan, so that no statement of a vendor's upgrade fails because of it.")
		return nil
	}
	var statements []string
	err := each(ctx, s.q, fmt.Sprintf(keysSQL, numbered(tracked)), nil, func(rows *sql.Rows) error {
		var place int
		var key string
		if err := rows.Scan(&place, &key); err != nil {
			return err
		}
		name := full(tracked[place])
		statements = append(statements, "ALTER TABLE "+name+" DROP CONSTRAINT "+quote(key), "ALTER TABLE "+name+" SWITCH")
		return nil
	})
	if err == nil && len(statements) > 0 {
		s.note(check, CodeUpgradeBlocked, "", "While changes are tracked, these statements of a vendor's upgrade fail: %s. Run agent upgrade begin before it and agent upgrade end after it.", strings.Join(statements, "; "))
	}
	return err
}

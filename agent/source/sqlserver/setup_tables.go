package sqlserver

import (
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// table grants what the plan reads of a table, and has its changes tracked where they tell of them.
func (s *setup) table(n need) {
	name := full(n.table)
	s.grant(fmt.Sprintf("Table %s, for %s: the account reads these columns and no other.", n.table, strings.Join(n.kinds, ", ")),
		"SELECT", name+" ("+quoted(n.columns)+")")
	switch {
	case n.tracked && n.joined:
		s.grantFound("The rest of its primary key: which row changed is told by the whole key.", name,
			"FROM sys.index_columns AS x JOIN sys.indexes AS i ON i.object_id = x.object_id AND i.index_id = x.index_id\n"+
				"WHERE i.is_primary_key = 1 AND x.key_ordinal > 0 AND x.object_id = OBJECT_ID("+text(name)+")", n.columns)
	case n.rowversion:
		s.grantFound("Its rowversion column, by which changes are found.", name,
			"FROM sys.columns AS x WHERE x.system_type_id = 189 AND x.object_id = OBJECT_ID("+text(name)+")", n.columns)
	}
	if !n.tracked {
		return
	}
	mark := markOf("table", name)
	s.steps = append(s.steps, step{
		why:  "Its changes are tracked.",
		do:   once("SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID("+text(name)+")", "ALTER TABLE "+name+" ENABLE CHANGE_TRACKING;", mark, name),
		undo: "IF EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(" + text(name) + "))\n    ALTER TABLE " + name + " DISABLE CHANGE_TRACKING;",
		mark: mark,
	})
	s.grant("The account sees which of its rows changed.", "VIEW CHANGE TRACKING", name)
}

// grant adds a step that grants, unless there is the same one.
func (s *setup) grant(why, right, on string) {
	do := "GRANT " + right + " ON " + on + " TO " + quote(s.account.Name) + ";"
	if !slices.ContainsFunc(s.steps, func(x step) bool { return x.do == do }) {
		s.steps = append(s.steps, step{why: why, do: do, undo: s.revoke(right, on)})
	}
}

// revoke takes a right back, unless table or user have gone.
func (s *setup) revoke(right, on string) string {
	object, _, _ := strings.Cut(on, " (")
	return fmt.Sprintf("IF OBJECT_ID(%s) IS NOT NULL AND USER_ID(%s) IS NOT NULL\n    REVOKE %s ON %s FROM %s;",
		text(object), text(s.account.Name), right, on, quote(s.account.Name))
}

// grantFound grants to read columns that only the database knows, and that the plan does not read already.
func (s *setup) grantFound(why, name, from string, planned []string) {
	literals := make([]string, len(planned))
	for i, c := range planned {
		literals[i] = text(c)
	}
	column := "COL_NAME(x.object_id, x.column_id)"
	from += "\n    AND " + column + " NOT IN (" + strings.Join(literals, ", ") + ")"
	batch := func(verb, preposition string) string {
		return fmt.Sprintf("DECLARE @sql nvarchar(max) = N'';\nSELECT @sql += %s + QUOTENAME(%s) + %s\n%s;\nEXEC (@sql);",
			text(verb+" SELECT ON "+name+" ("), column, text(") "+preposition+" "+quote(s.account.Name)+"; "), from)
	}
	s.steps = append(s.steps, step{why: why, do: batch("GRANT", "TO"),
		undo: "IF USER_ID(" + text(s.account.Name) + ") IS NOT NULL\nBEGIN\n" + indent(batch("REVOKE", "FROM")) + "\nEND;"})
}

// inbox makes the table that reports are written into, where the main system has none of its own.
func (s *setup) inbox(in *plan.Inbox) {
	s.ids()
	if in.Procedure != nil {
		s.grant(fmt.Sprintf("The account calls the procedure that takes reports of the type %s.", in.Type), "EXECUTE", full(in.Procedure.Name))
		return
	}
	name := full(in.Table)
	if schema := in.Table.Schema; schema != "" && !strings.EqualFold(schema, defaultSchema) {
		mark := markOf("schema", schema)
		if !s.has(mark) {
			s.steps = append(s.steps, step{
				why:  "The schema that reports of the portal are written into.",
				do:   once("SELECT 1 FROM sys.schemas WHERE name = "+text(schema), "EXEC ("+text("CREATE SCHEMA "+quote(schema)+";")+");", mark, schema),
				undo: "IF NOT EXISTS (SELECT 1 FROM sys.objects WHERE schema_id = SCHEMA_ID(" + text(schema) + "))\n    DROP SCHEMA " + quote(schema) + ";", mark: mark,
			})
		}
	}
	mark := markOf("inbox", name)
	if !s.has(mark) {
		var columns []string
		columns = append(columns, "    "+quote(in.ID)+" varchar(64) NOT NULL PRIMARY KEY")
		for _, c := range in.Columns {
			if !strings.EqualFold(c.Name, in.ID) {
				columns = append(columns, "    "+quote(c.Name)+" nvarchar(4000) NULL")
			}
		}
		s.steps = append(s.steps, step{
			why:  fmt.Sprintf("The table that reports of the type %s are written into, unless the main system has it; give its columns the types that the payroll wants.", in.Type),
			do:   once("SELECT 1 WHERE OBJECT_ID("+text(name)+") IS NOT NULL", "CREATE TABLE "+name+" (\n"+strings.Join(columns, ",\n")+"\n);", mark, name),
			undo: "IF NOT EXISTS (SELECT 1 FROM " + name + ") -- reports that are in it stay\n    DROP TABLE " + name + ";", mark: mark,
		})
	}
	s.grant("The account adds rows to it.", "INSERT", name)
	s.grant("It sees which reports are there already, so that none is written twice.", "SELECT", name+" ("+quote(in.ID)+")")
}

// has reports whether a step with the mark is there already: several types of report may share a table.
func (s *setup) has(mark string) bool {
	return slices.ContainsFunc(s.steps, func(x step) bool { return x.mark == mark })
}

package sqlserver

// ids makes the table that keeps which reports are in, beside whatever they are written into.
func (s *setup) ids() {
	schema, name := delivered.Schema, full(delivered)
	schemaMark, mark := markOf("schema", schema), markOf("inbox", name)
	if s.has(mark) {
		return
	}
	if !s.has(schemaMark) {
		s.steps = append(s.steps, step{
			why:  "The agent's own schema.",
			do:   once("SELECT 1 FROM sys.schemas WHERE name = "+text(schema), "EXEC ("+text("CREATE SCHEMA "+quote(schema)+";")+");", schemaMark, schema),
			undo: "IF NOT EXISTS (SELECT 1 FROM sys.objects WHERE schema_id = SCHEMA_ID(" + text(schema) + "))\n    DROP SCHEMA " + quote(schema) + ";", mark: schemaMark,
		})
	}
	s.steps = append(s.steps, step{
		why:  "The ids of reports that are in. The agent writes one in the transaction that writes the report, so that none is taken twice.",
		do:   once("SELECT 1 WHERE OBJECT_ID("+text(name)+") IS NOT NULL", DeliveredSQL, mark, name),
		undo: "IF NOT EXISTS (SELECT 1 FROM " + name + ") -- what is known of reports stays\n    DROP TABLE " + name + ";", mark: mark,
	})
	s.grant("The account looks for ids in it.", "SELECT", name)
	s.grant("It adds them.", "INSERT", name)
}

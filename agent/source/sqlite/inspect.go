package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// Inspect holds the plan against the database as it is built now. See [plan.Live].
func (s *Source) Inspect(ctx context.Context) ([]plan.Finding, error) {
	begun, err := s.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer begun.Close()
	tx := begun.(*Tx)
	known, err := readTracked(ctx, tx.conn)
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", s.path, classify(ctx, err))
	}
	c, err := catalogOf(ctx, tx.conn, s.plan, known)
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", s.path, classify(ctx, err))
	}
	var findings []plan.Finding
	for _, k := range s.plan.Kinds {
		key := "kinds." + k.Record.Name
		for _, problem := range tx.layouts[k.Record.Name].problems {
			findings = append(findings, plan.Finding{Key: key, Line: k.Line, Stop: true, Text: problem.Error()})
		}
		if tx.layouts[k.Record.Name].err != nil {
			continue
		}
		notes, err := c.advice(ctx, k)
		if err != nil {
			return nil, fmt.Errorf("inspect %s: %w", s.path, classify(ctx, err))
		}
		for _, text := range notes {
			findings = append(findings, plan.Finding{Key: key, Line: k.Line, Text: text})
		}
	}
	inboxes, err := s.inspectInboxes(ctx, tx)
	return append(findings, inboxes...), err
}

// advice tells what works but costs time or leaves rows behind.
func (c *catalog) advice(ctx context.Context, k *plan.Kind) (notes []string, err error) {
	for _, j := range k.Joins {
		for _, on := range j.On {
			table := c.tables[strings.ToLower(k.TableOf(on.Ref.Alias).Name)]
			if on.IsLink() && !containsFold(table.indexed, on.Ref.Column) {
				notes = append(notes, fmt.Sprintf("column %s of table %s begins no index; a change in table %s reads all of it, so add an index",
					on.Ref.Column, table.name, j.Table))
			}
		}
	}
	var null []string
	for _, column := range c.keyOf(k.Table) {
		if !column.notNull {
			null = append(null, quote(column.name)+" IS NULL")
		}
	}
	if null == nil {
		return notes, nil
	}
	var rows int64
	count := "SELECT count(*) FROM " + quote(k.Table.Name) + " WHERE " + strings.Join(null, " OR ")
	if err := c.conn.QueryRowContext(ctx, count).Scan(&rows); err != nil {
		return nil, err
	}
	if rows > 0 {
		notes = append(notes, fmt.Sprintf("%d rows of table %s have no value in a key column and stay at home", rows, k.Table))
	}
	return notes, nil
}

// inspectInboxes looks at the tables that reports go to, and whether they can be written.
func (s *Source) inspectInboxes(ctx context.Context, tx *Tx) ([]plan.Finding, error) {
	var findings []plan.Finding
	for _, in := range s.plan.Inboxes {
		stop := func(format string, args ...any) {
			findings = append(findings, plan.Finding{Key: "inbox." + in.Type, Line: in.Line, Stop: true, Text: fmt.Sprintf(format, args...)})
		}
		if in.Procedure != nil {
			stop("SQLite has no procedures; name a table")
			continue
		}
		table, err := readTable(ctx, tx.conn, in.Table.Name)
		if err != nil {
			return nil, fmt.Errorf("inspect %s: %w", s.path, classify(ctx, err))
		}
		if table.kind != "table" {
			stop("table %s is not in the database; make it or change the plan", in.Table)
			continue
		}
		written := []string{in.ID}
		for _, c := range in.Columns {
			written = append(written, c.Name)
		}
		for _, name := range written {
			if _, ok := table.column(name); !ok {
				stop("table %s has no column %s; add it or change the plan", in.Table, name)
			}
		}
		for _, c := range table.columns {
			if c.notNull && !c.hasDefault && c.pk == 0 && !containsFold(written, c.name) {
				stop("column %s of table %s needs a value that the plan does not give; add it under columns", c.name, in.Table)
			}
		}
	}
	if len(s.plan.Inboxes) > 0 {
		if err := s.mayWrite(ctx); err != nil {
			findings = append(findings, plan.Finding{Key: "inbox", Line: s.plan.Inboxes[0].Line, Stop: true,
				Text: fmt.Sprintf("the database cannot be written, so no report arrives: %v", err)})
		}
	}
	return findings, nil
}

// mayWrite takes the write lock and lets it go.
func (s *Source) mayWrite(ctx context.Context) error {
	db, err := s.writer()
	if err != nil {
		return err
	}
	return immediately(ctx, db, func(*sql.Conn) error { return nil })
}

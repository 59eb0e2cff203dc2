package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
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
	c, err := catalogOf(ctx, tx.tx, s.plan, tx.glances)
	if err != nil {
		return nil, fmt.Errorf("inspect the main system: %w", classify(ctx, err))
	}
	findings := append(s.inspectDatabase(), s.inspectCleanup(ctx, tx.tx)...)
	for _, k := range s.plan.Kinds {
		key := "kinds." + k.Record.Name
		l := tx.layouts[k.Record.Name]
		for _, problem := range l.problems {
			findings = append(findings, plan.Finding{Key: key, Line: k.Line, Stop: true, Text: problem.Error()})
		}
		if l.suspended != nil {
			findings = append(findings, plan.Finding{Key: key, Line: k.Line, Stop: true, Text: l.suspended.Error()})
		}
		if l.err != nil {
			continue
		}
		for _, text := range c.advice(k) {
			findings = append(findings, plan.Finding{Key: key, Line: k.Line, Text: text})
		}
	}
	inboxes, err := s.inspectInboxes(ctx, tx.tx)
	if err != nil {
		return nil, fmt.Errorf("inspect the main system: %w", classify(ctx, err))
	}
	return append(findings, inboxes...), nil
}

// inspectDatabase tells what holds for all kinds.
func (s *Source) inspectDatabase() []plan.Finding {
	f := s.Facts()
	note := func(format string, args ...any) plan.Finding {
		return plan.Finding{Key: "mode", Line: 1, Text: fmt.Sprintf(format, args...)}
	}
	var findings []plan.Finding
	if f.LineageBy == ByCreation {
		findings = append(findings, note("the account may not read the database's recovery fork, so a restore over the same database is noticed "+
			"only while its counter is behind what the portal holds; GRANT VIEW ANY DATABASE TO the login closes that gap"))
	}
	if !f.Snapshot {
		findings = append(findings, note("snapshot isolation is off in database %s; rows of two tables that change together may be sent one after the other, "+
			"and a read waits for writers", f.Database))
	}
	return findings
}

// cleanupSQL asks when the clean-up of change data last ran (trap 14: it can die, and needs a restart of the server then).
const cleanupSQL = `SELECT DATEDIFF(hour, MAX(h.start_time), GETDATE()) FROM dbo.MSChange_tracking_history AS h`

// cleanupIdle is how long a clean-up, which runs every half hour, may not have run.
const cleanupIdle = 48

// inspectCleanup tells of a clean-up that stands still. Where the account may not ask, or there is no history, it tells
// nothing.
func (s *Source) inspectCleanup(ctx context.Context, q querier) []plan.Finding {
	var hours sql.NullInt64
	if s.mode != plan.ChangeTracking {
		return nil
	}
	err := each(ctx, q, cleanupSQL, nil, func(rows *sql.Rows) error { return rows.Scan(&hours) })
	if err != nil || hours.Int64 < cleanupIdle {
		return nil
	}
	return []plan.Finding{{Key: "mode", Line: 1, Text: fmt.Sprintf("the server's clean-up of change data last ran %d hours ago; "+
		"its side tables grow until reading them is slow, so look at CHANGE_RETENTION and AUTO_CLEANUP, and restart the server if they are right", hours.Int64)}}
}

// Facts is what the source knows of its database.
type Facts struct {
	Database  string
	LineageBy string // ByRecoveryFork or ByCreation
	Snapshot  bool   // snapshot isolation is on
}

// Facts returns what the last Begin learned; before the first they are zero.
func (s *Source) Facts() Facts {
	s.mu.Lock()
	f := s.facts
	s.mu.Unlock()
	_, by := f.lineage(s.mode)
	return Facts{Database: f.database, LineageBy: by, Snapshot: f.snapshot == snapshotOn}
}

// advice tells what works but costs time or comes late.
func (c *catalog) advice(k *plan.Kind) []string {
	var notes []string
	tables := []plan.Table{k.Table}
	for _, j := range k.Joins {
		tables = append(tables, j.Table)
		for _, on := range j.On {
			t := k.TableOf(on.Ref.Alias)
			if on.IsLink() && k.Mode != plan.Compare && !slices.Contains(c.tables[t].indexed, strings.ToLower(on.Ref.Column)) {
				notes = append(notes, fmt.Sprintf("column %s of table %s begins no index; a change in table %s reads all of it, so add an index",
					on.Ref.Column, t, j.Table))
			}
		}
	}
	for _, t := range tables {
		if rv, ok := c.tables[t].rowversion(); k.Mode == plan.Rowversion && ok && !slices.Contains(c.tables[t].indexed, strings.ToLower(rv.name)) {
			notes = append(notes, fmt.Sprintf("column %s of table %s begins no index; every poll reads all of the table, so add an index or a longer poll", rv.name, t))
		}
	}
	if c.ordersByPlan(k) {
		notes = append(notes, fmt.Sprintf("table %s has no primary key; rows that share (%s) with another may be left out", k.Table, strings.Join(k.Key, ", ")))
	}
	return notes
}

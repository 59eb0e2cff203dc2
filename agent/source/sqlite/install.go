package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"lessor.dk/portalsync/protocol"
)

const trackingSchema = `
CREATE TABLE IF NOT EXISTS portalsync_ct_state (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  lineage TEXT    NOT NULL,
  version INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS portalsync_ct_table (
  name          TEXT PRIMARY KEY COLLATE NOCASE,
  object        TEXT    NOT NULL,
  begin_version INTEGER NOT NULL,
  min_valid     INTEGER NOT NULL,
  key_columns   TEXT    NOT NULL,
  column_types  TEXT    NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS portalsync_inbox (
  report_id TEXT PRIMARY KEY,
  type      TEXT    NOT NULL,
  position  INTEGER NOT NULL
) WITHOUT ROWID;`

// Install switches change tracking on for the named tables, in one transaction, and the database to
// write-ahead logging, which lets readers and writers not wait for each other. A table that is tracked
// already starts anew: its changes so far are forgotten, and whoever reads it begins from the start.
func Install(ctx context.Context, db *sql.DB, tables []string) error {
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return fmt.Errorf("switch to write-ahead logging: %w", classify(ctx, err))
	}
	return immediately(ctx, db, func(conn *sql.Conn) error {
		if _, err := conn.ExecContext(ctx, trackingSchema); err != nil {
			return fmt.Errorf("create change tracking: %w", err)
		}
		if err := setLineage(ctx, conn, "INSERT INTO portalsync_ct_state VALUES (1, ?, 0) ON CONFLICT DO NOTHING"); err != nil {
			return err
		}
		for _, table := range tables {
			if err := track(ctx, conn, table); err != nil {
				return fmt.Errorf("track table %s: %w", table, err)
			}
		}
		return nil
	})
}

// Uninstall switches change tracking off for the named tables and forgets their changes.
func Uninstall(ctx context.Context, db *sql.DB, tables []string) error {
	return immediately(ctx, db, func(conn *sql.Conn) error {
		for _, table := range tables {
			if err := untrack(ctx, conn, table); err != nil {
				return fmt.Errorf("stop tracking table %s: %w", table, err)
			}
		}
		return nil
	})
}

// immediately runs f in one write transaction.
func immediately(ctx context.Context, db *sql.DB, f func(*sql.Conn) error) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return classify(ctx, err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return classify(ctx, err)
	}
	if err = f(conn); err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") //nolint:errcheck // err says what matters
	}
	return classify(ctx, err)
}

// setLineage runs a statement whose one parameter is a new lineage.
func setLineage(ctx context.Context, conn *sql.Conn, statement string) error {
	if _, err := conn.ExecContext(ctx, statement, string(newLineage())); err != nil {
		return fmt.Errorf("set lineage: %w", err)
	}
	return nil
}

func newLineage() protocol.Lineage { return protocol.Lineage("sqlite-" + rand.Text()) }

const registerSQL = `
INSERT INTO portalsync_ct_table (name, object, begin_version, min_valid, key_columns, column_types)
SELECT ?1, ?2, version, version, ?3, ?4
FROM   portalsync_ct_state`

// bumpSQL moves the version, so that a position read before does not cover what happens now.
const bumpSQL = `UPDATE portalsync_ct_state SET version = version + 1`

func track(ctx context.Context, conn *sql.Conn, table string) error {
	info, err := readTable(ctx, conn, table)
	if err != nil {
		return err
	}
	switch {
	case info.kind == "":
		return fmt.Errorf("there is no such table")
	case info.kind != "table":
		return fmt.Errorf("it is a %s; only tables can be tracked", info.kind)
	case len(info.key) == 0:
		return fmt.Errorf("it has no primary key; add one, because a deleted row is told by its key alone")
	}
	if err := untrack(ctx, conn, table); err != nil {
		return err
	}
	keys, err := json.Marshal(names(info.key))
	if err != nil {
		return err
	}
	types, err := json.Marshal(info.types)
	if err != nil {
		return err
	}
	for _, statement := range append([]string{bumpSQL}, changeTable(info)...) {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, registerSQL, table, rand.Text(), string(keys), string(types))
	return err
}

func untrack(ctx context.Context, conn *sql.Conn, table string) error {
	for _, suffix := range triggerSuffixes {
		if _, err := conn.ExecContext(ctx, "DROP TRIGGER IF EXISTS "+quote(changeName(table)+suffix)); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, "DROP TABLE IF EXISTS "+quote(changeName(table))); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, "DELETE FROM portalsync_ct_table WHERE name = ?", table)
	return err
}

// triggerSuffixes name the triggers of a tracked table: insert, update, delete.
var triggerSuffixes = [...]string{"_i", "_u", "_d"}

func changeName(table string) string { return "portalsync_ct_" + table }

// changeTable returns the statements that make a table's change table and triggers.
func changeTable(t *tableInfo) []string {
	change := quote(changeName(t.name))
	var columns []string
	for i, c := range t.key {
		columns = append(columns, fmt.Sprintf("%s %s NOT NULL", keyColumn(i), c.declared))
	}
	keys := strings.Join(keyColumns(len(t.key)), ", ")
	statements := []string{
		fmt.Sprintf("CREATE TABLE %s (%s, op TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (%s)) WITHOUT ROWID",
			change, strings.Join(columns, ", "), keys),
		fmt.Sprintf("CREATE INDEX %s ON %s (version)", quote(changeName(t.name)+"_version"), change),
	}
	return append(statements, triggers(t)...)
}

// triggers returns the statements of a table's three triggers. The insert into the change table is an upsert,
// whose conflict rule an outer INSERT OR REPLACE or OR IGNORE does not override.
func triggers(t *tableInfo) []string {
	change := quote(changeName(t.name))
	keys := strings.Join(keyColumns(len(t.key)), ", ")
	note := func(row, op, condition string) string {
		var values, present []string
		for _, c := range t.key {
			values = append(values, row+"."+quote(c.name))
			present = append(present, row+"."+quote(c.name)+" IS NOT NULL")
		}
		return fmt.Sprintf(`
  INSERT INTO %s (%s, op, version, at)
  SELECT %s, '%s', version, CAST(unixepoch('subsec') * 1000 AS INTEGER)
  FROM   portalsync_ct_state
  WHERE  %s%s
  ON CONFLICT (%s) DO UPDATE SET op = excluded.op, version = excluded.version, at = excluded.at;`,
			change, keys, strings.Join(values, ", "), op, strings.Join(present, " AND "), condition, keys)
	}
	var moved []string
	for _, c := range t.key {
		moved = append(moved, fmt.Sprintf("OLD.%[1]s COLLATE BINARY IS NOT NEW.%[1]s", quote(c.name)))
	}
	bodies := [...]struct{ event, notes string }{
		{"INSERT", note("NEW", "U", "")},
		{"UPDATE", note("OLD", "D", " AND ("+strings.Join(moved, " OR ")+")") + note("NEW", "U", "")},
		{"DELETE", note("OLD", "D", "")},
	}
	var statements []string
	for i, b := range bodies {
		statements = append(statements, fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s BEGIN\n  %s;%s\nEND",
			quote(changeName(t.name)+triggerSuffixes[i]), b.event, quote(t.name), bumpSQL, b.notes))
	}
	return statements
}

func keyColumn(i int) string { return fmt.Sprintf("k%d", i+1) }

func keyColumns(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = keyColumn(i)
	}
	return list
}

func names(columns []column) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.name
	}
	return list
}

// quote returns name as SQLite's quoted identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

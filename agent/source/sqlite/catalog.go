package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/protocol"
)

// querier is a connection inside or outside a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tableInfo is a table as the database describes it.
type tableInfo struct {
	name    string // as the database spells it
	kind    string // "table", "view" or empty: there is none
	columns []column
	key     []column          // the primary key in its own order
	types   map[string]string // declared types by lower-case column name
	unique  [][]string        // column sets that are unique, the primary key among them
	indexed []string          // lower-case names of columns that begin an index
}

type column struct {
	name       string
	declared   string
	collation  string
	notNull    bool
	hasDefault bool
	pk         int
}

// column returns the named column; SQLite's names do not tell case apart.
func (t *tableInfo) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

const tableSQL = `
SELECT name, type
FROM   sqlite_master
WHERE  type IN ('table', 'view') AND name = ? COLLATE NOCASE`

const columnsSQL = `
SELECT name, type, "notnull", pk, dflt_value IS NOT NULL
FROM   pragma_table_xinfo(?)
WHERE  hidden <> 1
ORDER  BY cid`

const indexesSQL = `
SELECT l.name, l."unique" AND NOT l.partial, l.origin, x.seqno, coalesce(x.name, ''), x.coll
FROM   pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x
WHERE  x.key
ORDER  BY l.seq, x.seqno`

// readTable describes a table; one that does not exist has no kind.
func readTable(ctx context.Context, q querier, name string) (*tableInfo, error) {
	t := &tableInfo{name: name, types: map[string]string{}}
	err := q.QueryRowContext(ctx, tableSQL, name).Scan(&t.name, &t.kind)
	if errors.Is(err, sql.ErrNoRows) {
		return t, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe table %s: %w", name, err)
	}
	err = each(ctx, q, columnsSQL, []any{t.name}, func(rows *sql.Rows) error {
		c := column{collation: "BINARY"}
		if err := rows.Scan(&c.name, &c.declared, &c.notNull, &c.pk, &c.hasDefault); err != nil {
			return err
		}
		t.columns = append(t.columns, c)
		t.types[strings.ToLower(c.name)] = c.declared
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("describe columns of %s: %w", name, err)
	}
	if err := t.readIndexes(ctx, q); err != nil {
		return nil, fmt.Errorf("describe indexes of %s: %w", name, err)
	}
	return t, nil
}

func (t *tableInfo) readIndexes(ctx context.Context, q querier) error {
	collations := map[string]string{}
	last := ""
	err := each(ctx, q, indexesSQL, []any{t.name}, func(rows *sql.Rows) error {
		var index, origin, name, collation string
		var unique bool
		var seq int
		if err := rows.Scan(&index, &unique, &origin, &seq, &name, &collation); err != nil {
			return err
		}
		if seq == 0 {
			t.indexed = append(t.indexed, strings.ToLower(name))
			if unique {
				t.unique = append(t.unique, nil)
			}
		}
		if unique {
			t.unique[len(t.unique)-1] = append(t.unique[len(t.unique)-1], strings.ToLower(name))
		}
		if origin == "pk" {
			collations[strings.ToLower(name)] = collation
		}
		last = index
		return nil
	})
	if err != nil {
		return fmt.Errorf("after index %q: %w", last, err)
	}
	for i := range t.columns {
		if c, ok := collations[strings.ToLower(t.columns[i].name)]; ok {
			t.columns[i].collation = c
		}
		if t.columns[i].pk > 0 {
			t.key = append(t.key, t.columns[i])
		}
	}
	slices.SortFunc(t.key, func(a, b column) int { return a.pk - b.pk })
	if len(t.key) == 1 { // INTEGER PRIMARY KEY has no index of its own
		t.unique = append(t.unique, []string{strings.ToLower(t.key[0].name)})
		t.indexed = append(t.indexed, strings.ToLower(t.key[0].name))
	}
	return nil
}

// tracked is a table's row in portalsync_ct_table.
type tracked struct {
	object   string
	begin    protocol.Position
	minValid protocol.Position
	key      []string
	types    map[string]string
}

const trackedSQL = `
SELECT name, object, begin_version, min_valid, key_columns, column_types
FROM   portalsync_ct_table`

// readTracked returns the tracked tables by lower-case name.
func readTracked(ctx context.Context, q querier) (map[string]*tracked, error) {
	tables := map[string]*tracked{}
	err := each(ctx, q, trackedSQL, nil, func(rows *sql.Rows) error {
		var name, keys, types string
		t := &tracked{}
		if err := rows.Scan(&name, &t.object, &t.begin, &t.minValid, &keys, &types); err != nil {
			return err
		}
		tables[strings.ToLower(name)] = t
		return firstError(json.Unmarshal([]byte(keys), &t.key), json.Unmarshal([]byte(types), &t.types))
	})
	if err != nil {
		return nil, fmt.Errorf("read tracked tables: %w", err)
	}
	return tables, nil
}

const triggersSQL = `
SELECT name, tbl_name
FROM   sqlite_master
WHERE  type = 'trigger' AND name LIKE 'portalsync\_ct\_%' ESCAPE '\'`

// readTriggers returns how many of our triggers stand on each table, by lower-case name.
func readTriggers(ctx context.Context, q querier) (map[string]int, error) {
	count := map[string]int{}
	err := each(ctx, q, triggersSQL, nil, func(rows *sql.Rows) error {
		var name, table string
		if err := rows.Scan(&name, &table); err != nil {
			return err
		}
		for _, suffix := range triggerSuffixes {
			if strings.EqualFold(name, changeName(table)+suffix) {
				count[strings.ToLower(table)]++
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read triggers: %w", err)
	}
	return count, nil
}

func each(ctx context.Context, q querier, query string, args []any, row func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

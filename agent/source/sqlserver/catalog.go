package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// glance is what one look at every poll tells of a planned table.
type glance struct {
	object      int64 // 0: there is none, or the account may not see it
	typ         string
	fingerprint string // of the table's definition
	selectable  bool   // the account may select the table or some of its columns
	seesChanges bool   // the account has VIEW CHANGE TRACKING
	tracked     bool
	begin       int64 // version at which tracking began
}

// glancesSQL looks at all tables at once. Its text depends on the plan alone, so that every poll finds the same plan
// in the server's cache (trap 15). sp_rename does not touch modify_date, therefore the checksum.
const glancesSQL = `SELECT t.n, o.object_id, RTRIM(o.type), CONVERT(varchar(23), o.modify_date, 126), d.total, d.stamp,
       HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'SELECT'), %s
FROM   (VALUES %s) AS t (n, name)
LEFT JOIN sys.objects AS o ON o.object_id = OBJECT_ID(t.name)%s
OUTER APPLY (SELECT COUNT(*) AS total,
                    SUM(CONVERT(bigint, CHECKSUM(c.column_id, c.name, c.user_type_id, c.max_length, c.precision, c.scale,
                                          c.is_nullable, c.collation_name))) AS stamp
             FROM   sys.columns AS c
             WHERE  c.object_id = o.object_id) AS d
ORDER  BY t.n`

// What glancesSQL asks beside where changes are tracked, and where they are not.
const (
	trackedColumns = `HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'VIEW CHANGE TRACKING'), ct.object_id, ct.begin_version`
	trackedJoin    = "\nLEFT JOIN sys.change_tracking_tables AS ct ON ct.object_id = o.object_id"
	plainColumns   = `1, NULL, NULL`
)

// glancesText returns the statement for the plan's tables, which are numbered in their order.
func glancesText(tables []plan.Table, mode plan.Mode) string {
	values := make([]string, len(tables))
	for i, t := range tables {
		values[i] = fmt.Sprintf("(%d, %s)", i, text(full(t)))
	}
	columns, join := plainColumns, ""
	if mode == plan.ChangeTracking {
		columns, join = trackedColumns, trackedJoin
	}
	return fmt.Sprintf(glancesSQL, columns, strings.Join(values, ", "), join)
}

// readGlances looks at the tables, in the order of the plan.
func readGlances(ctx context.Context, q querier, query string, n int) ([]glance, error) {
	glances := make([]glance, n)
	err := each(ctx, q, query, nil, func(rows *sql.Rows) error {
		var place, columns int
		var object, checksum, tracked, begin sql.NullInt64
		var typ, modified sql.NullString
		var selectable, sees sql.NullInt64
		if err := rows.Scan(&place, &object, &typ, &modified, &columns, &checksum, &selectable, &sees, &tracked, &begin); err != nil {
			return err
		}
		glances[place] = glance{object: object.Int64, typ: strings.TrimSpace(typ.String), selectable: selectable.Int64 == 1,
			seesChanges: sees.Int64 == 1, tracked: tracked.Valid, begin: begin.Int64,
			fingerprint: fmt.Sprint(modified.String, " ", columns, " ", checksum.Int64, " ", selectable.Int64)}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the tables: %w", err)
	}
	return glances, nil
}

// columnsSQL describes a table's columns, with the account's right to each.
const columnsSQL = `SELECT c.column_id, c.name, CASE WHEN c.system_type_id = 240 THEN TYPE_NAME(c.user_type_id) ELSE TYPE_NAME(c.system_type_id) END,
       c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name, c.is_identity,
       CASE WHEN c.default_object_id = 0 THEN 0 ELSE 1 END, c.is_computed,
       COALESCE(HAS_PERMS_BY_NAME(@p2, 'OBJECT', 'SELECT', c.name, 'COLUMN'), HAS_PERMS_BY_NAME(@p2, 'OBJECT', 'SELECT'))
FROM   sys.columns AS c
WHERE  c.object_id = @p1
ORDER  BY c.column_id`

// indexesSQL lists the key columns of a table's indexes that rows can be sought by. A filtered index holds not every row.
const indexesSQL = `SELECT i.index_id, i.is_primary_key, CASE WHEN i.is_unique = 1 AND i.has_filter = 0 THEN 1 ELSE 0 END,
       ic.key_ordinal, COL_NAME(ic.object_id, ic.column_id)
FROM   sys.indexes AS i
JOIN   sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
WHERE  i.object_id = @p1 AND i.is_disabled = 0 AND i.is_hypothetical = 0 AND ic.key_ordinal > 0
ORDER  BY i.index_id, ic.key_ordinal`

// readTable describes a table that is there.
func readTable(ctx context.Context, q querier, t plan.Table, seen glance) (*table, error) {
	described := &table{object: seen.object, typ: seen.typ}
	name := parameter(full(t))
	err := each(ctx, q, columnsSQL, []any{seen.object, name}, func(rows *sql.Rows) error {
		var c column
		var typ, collation sql.NullString
		var readable sql.NullInt64
		if err := rows.Scan(&c.id, &c.name, &typ, &c.length, &c.precision, &c.scale, &c.nullable, &collation,
			&c.identity, &c.hasDefault, &c.computed, &readable); err != nil {
			return err
		}
		c.typ, c.collation, c.readable = strings.ToLower(typ.String), collation.String, readable.Int64 == 1
		if c.typ == "xml" {
			c.collation = ""
		}
		described.columns = append(described.columns, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("describe columns of %s: %w", t, err)
	}
	if err := described.readIndexes(ctx, q); err != nil {
		return nil, fmt.Errorf("describe indexes of %s: %w", t, err)
	}
	return described, nil
}

func (t *table) readIndexes(ctx context.Context, q querier) error {
	return each(ctx, q, indexesSQL, []any{t.object}, func(rows *sql.Rows) error {
		var index, ordinal int
		var primary, unique bool
		var name string
		if err := rows.Scan(&index, &primary, &unique, &ordinal, &name); err != nil {
			return err
		}
		lower := strings.ToLower(name)
		if ordinal == 1 {
			if !slices.Contains(t.indexed, lower) {
				t.indexed = append(t.indexed, lower)
			}
			if unique {
				t.unique = append(t.unique, nil)
			}
		}
		if unique {
			t.unique[len(t.unique)-1] = append(t.unique[len(t.unique)-1], lower)
		}
		if c, ok := t.column(name); ok && primary {
			t.key = append(t.key, c)
		}
		return nil
	})
}

// describeSQL asks the server to compile a statement without running it, and what its columns would be.
const describeSQL = `SELECT error_number, error_message, system_type_name
FROM   sys.dm_exec_describe_first_result_set(@p1, @p2, 0)
ORDER  BY column_ordinal`

// compiled is what the server says of a statement.
type compiled struct {
	number  int64 // of the error; 0 when there is none
	message string
	types   []string // of the result's columns
}

// compile has the server look at a statement, whose parameters are declared as in sp_executesql.
func compile(ctx context.Context, q querier, statement, parameters string) (compiled, error) {
	var c compiled
	err := each(ctx, q, describeSQL, []any{parameter(statement), parameter(parameters)}, func(rows *sql.Rows) error {
		var number sql.NullInt64
		var message, typ sql.NullString
		if err := rows.Scan(&number, &message, &typ); err != nil {
			return err
		}
		if number.Int64 != 0 {
			c.number, c.message = number.Int64, message.String
		}
		base, _, _ := strings.Cut(typ.String, "(")
		c.types = append(c.types, strings.ToLower(base))
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("have a statement compiled: %w", err)
	}
	return c, nil
}

package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
)

// copyTx moves rows through a temporary staging table per kind: COPY into it, then one statement over all its rows.
type copyTx struct {
	conn   *sql.Conn
	sqlTx  *sql.Tx
	loaded map[string]load // what each kind's staging table holds
	looped bool            // the planner was told to join by index
}

// load names the rows that a staging table holds.
type load struct {
	rows stagedRows
	gone bool
}

func (t *copyTx) tx() *sql.Tx { return t.sqlTx }

func (t *copyTx) commit() error {
	err := t.sqlTx.Commit()
	return errors.Join(err, t.conn.Close())
}

func (t *copyTx) rollback() error {
	return errors.Join(rollback(t.sqlTx), t.conn.Close())
}

// load copies the upserts, or the deletes, into the kind's staging table unless they are there already.
func (t *copyTx) load(ctx context.Context, c *copyRows, gone bool) error {
	want := load{rows: c, gone: gone}
	have, used := t.loaded[c.kind.Name]
	if used && have == want {
		return nil
	}
	t.loaded[c.kind.Name] = load{} // unknown, should the rest fail
	stage, fields := stageName(c.kind.Name), strings.Join(fieldNames(c.kind), ", ")
	columns, body := fields+", "+stampColumns, c.up
	if gone {
		columns, body = strings.Join(c.kind.Key, ", ")+", key_hash", c.gone
	}
	prepare := "CREATE TEMPORARY TABLE IF NOT EXISTS " + strings.TrimPrefix(stage, stageSchema) +
		" ON COMMIT DELETE ROWS AS SELECT " + fields + ", " + stampColumns + " FROM " + tableName(c.kind.Name) + " WITH NO DATA"
	if used {
		prepare += "; DELETE FROM " + stage
	}
	err := t.conn.Raw(func(driverConn any) error {
		raw := driverConn.(*stdlib.Conn).Conn().PgConn()
		if _, err := raw.Exec(ctx, prepare).ReadAll(); err != nil {
			return fmt.Errorf("make staging table: %w", err)
		}
		if _, err := raw.CopyFrom(ctx, bytes.NewReader(body), "COPY "+stage+" ("+columns+") FROM STDIN"); err != nil {
			return fmt.Errorf("copy to staging table: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.loaded[c.kind.Name] = want
	return nil
}

// stageSchema keeps a table of the same name in another schema from being written.
const stageSchema = "pg_temp."

func stageName(kind string) string { return stageSchema + "stage_" + kind }

// loop makes the planner look up staged keys in the index. It knows nothing of a staging table's size or of a record
// table just filled, and would read the whole of it once per batch.
func (t *copyTx) loop(ctx context.Context) error {
	if t.looped {
		return nil
	}
	for _, join := range []string{"enable_hashjoin", "enable_mergejoin"} {
		if _, err := t.sqlTx.ExecContext(ctx, "SET LOCAL "+join+" = off"); err != nil {
			return fmt.Errorf("tell the planner to use the key: %w", err)
		}
	}
	t.looped = true
	return nil
}

func (t *copyTx) upsert(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	c := rows.(*copyRows)
	if err := t.load(ctx, c, false); err != nil {
		return 0, err
	}
	fields := strings.Join(fieldNames(c.kind), ", ")
	pick, order := "", ""
	if w.repeated {
		key := strings.Join(c.kind.Key, ", ")
		pick, order = "DISTINCT ON ("+key+") ", " ORDER BY "+key+", ctid DESC"
	}
	query := "INSERT INTO " + tableName(w.kind) + " AS r (" + ownerColumns + ", " + fields + ", " + stampColumns + ", " + writeColumns + ")" +
		" SELECT " + pick + "CAST($1 AS BIGINT), CAST($2 AS BIGINT), " + fields + ", " + stampColumns +
		", CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM " + stageName(w.kind) + order + conflictClause(c.kind)
	return affected(t.sqlTx.ExecContext(ctx, query, w.tenant, w.stream, w.snapshotID(), w.CapturedAt, w.ReceivedAt))
}

func (t *copyTx) mark(ctx context.Context, rows stagedRows, w writing) error {
	c := rows.(*copyRows)
	if err := t.ready(ctx, c, false); err != nil {
		return err
	}
	query := `
INSERT INTO snapshot_mark (tenant_id, stream_id, kind, snapshot_id, key_hash)
SELECT $1, $2, $3, $4, r.key_hash
FROM   ` + t.join(c) + `
AND    r.snapshot_id IS DISTINCT FROM $4
ON CONFLICT DO NOTHING`
	_, err := t.sqlTx.ExecContext(ctx, query, w.tenant, w.stream, w.kind, w.snapshot)
	return err
}

func (t *copyTx) blanked(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	c := rows.(*copyRows)
	if err := t.ready(ctx, c, false); err != nil {
		return 0, err
	}
	var n int64
	query := "SELECT COUNT(*) FROM " + t.join(c) + " AND " + blankedCondition(c.kind)
	err := t.sqlTx.QueryRowContext(ctx, query, w.tenant, w.stream).Scan(&n)
	return n, err
}

func (t *copyTx) remove(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	c := rows.(*copyRows)
	if err := t.ready(ctx, c, true); err != nil {
		return 0, err
	}
	query := "DELETE FROM " + tableName(w.kind) + " AS r USING " + stageName(w.kind) + " AS s" +
		" WHERE r.tenant_id = $1 AND r.stream_id = $2 AND " + sameKey(c.kind, "r", "s")
	return affected(t.sqlTx.ExecContext(ctx, query, w.tenant, w.stream))
}

func (t *copyTx) unmark(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	c := rows.(*copyRows)
	if err := t.ready(ctx, c, true); err != nil {
		return 0, err
	}
	ids := "UPDATE " + tableName(w.kind) + " AS r SET snapshot_id = NULL FROM " + stageName(w.kind) + " AS s" +
		" WHERE r.tenant_id = $1 AND r.stream_id = $2 AND r.snapshot_id = $3 AND " + sameKey(c.kind, "r", "s")
	n, err := affected(t.sqlTx.ExecContext(ctx, ids, w.tenant, w.stream, w.snapshot))
	if err != nil {
		return 0, err
	}
	marks := "DELETE FROM snapshot_mark AS m USING " + stageName(w.kind) + " AS s" +
		" WHERE m.tenant_id = $1 AND m.stream_id = $2 AND m.kind = $3 AND m.snapshot_id = $4 AND m.key_hash = s.key_hash"
	marked, err := affected(t.sqlTx.ExecContext(ctx, marks, w.tenant, w.stream, w.kind, w.snapshot))
	return n + marked, err
}

// ready loads the rows and prepares the planner for joining them with the record table.
func (t *copyTx) ready(ctx context.Context, c *copyRows, gone bool) error {
	if err := t.load(ctx, c, gone); err != nil {
		return err
	}
	return t.loop(ctx)
}

// join returns the staged rows s beside the stored rows r of the same keys. $1 is the tenant, $2 the stream.
func (t *copyTx) join(c *copyRows) string {
	return stageName(c.kind.Name) + " AS s JOIN " + tableName(c.kind.Name) + " AS r ON " + sameKey(c.kind, "r", "s") +
		" WHERE r.tenant_id = $1 AND r.stream_id = $2"
}

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
		columns, body = strings.Join(c.kind.Key, ", "), c.gone
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
		", CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM " + stageName(w.kind) + order + conflictClause(c.kind, w.KeepFilled)
	return affected(t.sqlTx.ExecContext(ctx, query, w.tenant, w.stream, w.snapshotID(), w.CapturedAt, w.ReceivedAt))
}

func (t *copyTx) blanked(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	c := rows.(*copyRows)
	if err := t.load(ctx, c, false); err != nil {
		return 0, err
	}
	var n int64
	query := "SELECT COUNT(*) FROM " + stored(c, strings.Join(fieldNames(c.kind), ", ")) + " WHERE " + blankedCondition(c.kind, "s")
	err := t.sqlTx.QueryRowContext(ctx, query, postgres{}.replan(w.tenant, w.stream)...).Scan(&n)
	return n, err
}

func (t *copyTx) remove(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	c := rows.(*copyRows)
	if err := t.load(ctx, c, true); err != nil {
		return 0, err
	}
	query := "DELETE FROM " + tableName(w.kind) + " AS r WHERE " + isStored(c)
	return affected(t.sqlTx.ExecContext(ctx, query, postgres{}.replan(w.tenant, w.stream)...))
}

func (t *copyTx) unmark(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	c := rows.(*copyRows)
	if err := t.load(ctx, c, true); err != nil {
		return 0, err
	}
	ids := "UPDATE " + tableName(w.kind) + " AS r SET snapshot_id = NULL WHERE " + isStored(c) + " AND r.snapshot_id = $3"
	return affected(t.sqlTx.ExecContext(ctx, ids, postgres{}.replan(w.tenant, w.stream, w.snapshot)...))
}

// stored returns a FROM of the staged rows s beside columns of the stored rows r of the same keys; $1 is the tenant, $2
// the stream. OFFSET 0 keeps the planner from turning the look-up by key around: it knows nothing of a staging table's
// size, nor of a record table just filled, and would read the whole of one for every row of the other.
func stored(c *copyRows, columns string) string {
	return stageName(c.kind.Name) + " AS s CROSS JOIN LATERAL (SELECT " + columns + " FROM " + tableName(c.kind.Name) +
		" AS k WHERE k.tenant_id = $1 AND k.stream_id = $2 AND " + sameKey(c.kind, "k", "s") + " OFFSET 0) AS r"
}

// isStored is true for the stream's rows r whose keys are staged. The lock on the stream keeps their places. Nothing else
// may stand beside it that an index could serve.
func isStored(c *copyRows) string {
	return "r.ctid = ANY (ARRAY(SELECT f.place FROM " +
		strings.TrimSuffix(stored(c, "k.ctid AS place"), " AS r") + " AS f))"
}

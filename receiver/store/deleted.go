package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// DeletedBy counts the staged deletes whose rows are stored, for the delete guard: a cut also deletes what the portal
// never had. It changes nothing and costs about as much as the deletes: ask only when the stage could exceed the limit.
func (tx *StreamTx) DeletedBy(ctx context.Context, st *Stage) (int64, error) {
	if st.rows.removes() == 0 {
		return 0, nil
	}
	w, _, err := tx.writing(st)
	if err != nil {
		return 0, fmt.Errorf("count deleted rows of %s: %w", st.kind.Name, err)
	}
	n, err := tx.bulk.deleted(ctx, st.rows, w)
	if err != nil {
		return 0, fmt.Errorf("count deleted rows of %s: %w", st.kind.Name, err)
	}
	return n, nil
}

func (t *copyTx) deleted(ctx context.Context, rows stagedRows, w writing) (n int64, err error) {
	c := rows.(*copyRows)
	if err := t.load(ctx, c, true); err != nil {
		return 0, err
	}
	query := "SELECT COUNT(*) FROM " + stored(c, "1 AS one")
	err = t.sqlTx.QueryRowContext(ctx, query, postgres{}.replan(w.tenant, w.stream)...).Scan(&n)
	return n, err
}

func (t *valueTx) deleted(ctx context.Context, rows stagedRows, w writing) (total int64, err error) {
	v := rows.(*valueRows)
	err = t.chunks(ctx, v.gone, len(v.keys), func(b *strings.Builder, n int) {
		b.WriteString("SELECT COUNT(*) FROM " + tableName(w.kind) + " AS r WHERE " + owned(w) + " AND ")
		writeKeys(b, v.kind, n)
	}, func(stmt *sql.Stmt, args []any) error {
		var n int64
		err := stmt.QueryRowContext(ctx, args...).Scan(&n)
		total += n
		return err
	})
	return total, err
}

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

const (
	stampCount       = 3  // key_hash, row_hash, source_version
	rowsPerStatement = 64 // longer statements cost more to prepare than they save
)

// valueRows holds rows as arguments of multi-row statements, boxed once, outside of the transaction.
type valueRows struct {
	kind     *record.Kind
	keys     []int
	stride   int   // arguments per upsert
	up, gone []any // gone: the key fields
}

func (v *valueRows) upserts() int { return len(v.up) / v.stride }
func (v *valueRows) removes() int { return len(v.gone) / len(v.keys) }

func (v *valueRows) upsert(r *stagedRow) {
	for i := range r.cells {
		v.up = append(v.up, argument(v.kind.Fields[i].Type, &r.cells[i]))
	}
	v.up = append(v.up, r.keyHash, r.rowHash, r.version)
}

func (v *valueRows) remove(r *stagedRow) {
	for _, place := range v.keys {
		v.gone = append(v.gone, argument(v.kind.Fields[place].Type, &r.cells[place]))
	}
}

func (v *valueRows) without(skip func(i int) bool) stagedRows {
	out := &valueRows{kind: v.kind, keys: v.keys, stride: v.stride}
	for i := range v.upserts() {
		if !skip(i) {
			out.up = append(out.up, v.up[i*v.stride:(i+1)*v.stride]...)
		}
	}
	return out
}

func argument(t record.Type, c *protocol.Value) any {
	switch {
	case c.Kind == protocol.Null:
		return nil
	case t == record.Bytes:
		return []byte(c.S)
	case isInteger(t):
		return c.N
	}
	return c.S
}

// valueTx moves rows with multi-row statements. Numbers that are the same for all rows stand in the text.
type valueTx struct {
	conn    *sql.Conn
	sqlTx   *sql.Tx
	lasting bool
}

func (t *valueTx) tx() *sql.Tx { return t.sqlTx }

func (t *valueTx) commit() error { return errors.Join(t.sqlTx.Commit(), t.end()) }

func (t *valueTx) rollback() error { return errors.Join(rollback(t.sqlTx), t.end()) }

// end gives the connection back, with commits that wait for the disk again; one that cannot be told to is closed.
func (t *valueTx) end() error {
	if !t.lasting {
		if _, err := t.conn.ExecContext(context.Background(), "PRAGMA synchronous = FULL"); err != nil {
			return errors.Join(err, t.conn.Raw(func(any) error { return driver.ErrBadConn }))
		}
	}
	return t.conn.Close()
}

func (t *valueTx) upsert(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	v := rows.(*valueRows)
	snapshot := "NULL"
	if w.snapshot != 0 {
		snapshot = number(w.snapshot)
	}
	head := "INSERT INTO " + tableName(w.kind) + " AS r (" + ownerColumns + ", " + writeColumns + ", " +
		strings.Join(fieldNames(v.kind), ", ") + ", " + stampColumns + ") VALUES "
	fixed := number(w.tenant) + ", " + number(w.stream) + ", " + snapshot + ", " + number(w.CapturedAt) + ", " + number(w.ReceivedAt)
	return t.each(ctx, v.up, v.stride, func(b *strings.Builder, n int) {
		b.WriteString(head)
		writeRows(b, fixed, v.stride, n)
		b.WriteString(conflictClause(v.kind, w.KeepFilled))
	})
}

func (t *valueTx) blanked(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	v := rows.(*valueRows)
	var total int64
	err := t.chunks(ctx, v.up, v.stride, func(b *strings.Builder, n int) {
		b.WriteString("WITH s (" + strings.Join(fieldNames(v.kind), ", ") + ", " + stampColumns + ") AS (VALUES ")
		writeRows(b, "", v.stride, n)
		b.WriteString(") SELECT COUNT(*) FROM s CROSS JOIN " + tableName(w.kind) + " AS r WHERE " + owned(w) + " AND " +
			sameKey(v.kind, "r", "s") + " AND " + blankedCondition(v.kind, "s"))
	}, func(stmt *sql.Stmt, args []any) error {
		var n int64
		err := stmt.QueryRowContext(ctx, args...).Scan(&n)
		total += n
		return err
	})
	return total, err
}

func (t *valueTx) remove(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	v := rows.(*valueRows)
	return t.each(ctx, v.gone, len(v.keys), func(b *strings.Builder, n int) {
		b.WriteString("DELETE FROM " + tableName(w.kind) + " AS r WHERE " + owned(w) + " AND ")
		writeKeys(b, v.kind, n)
	})
}

func (t *valueTx) unmark(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	v := rows.(*valueRows)
	return t.each(ctx, v.gone, len(v.keys), func(b *strings.Builder, n int) {
		b.WriteString("UPDATE " + tableName(w.kind) + " AS r SET snapshot_id = NULL WHERE " + owned(w) +
			" AND r.snapshot_id = " + number(w.snapshot) + " AND ")
		writeKeys(b, v.kind, n)
	})
}

// each runs a statement over all arguments, rowsPerStatement rows at a time, and counts the rows it changed.
func (t *valueTx) each(ctx context.Context, args []any, stride int, text func(b *strings.Builder, n int)) (int64, error) {
	var total int64
	err := t.chunks(ctx, args, stride, text, func(stmt *sql.Stmt, args []any) error {
		n, err := affected(stmt.ExecContext(ctx, args...))
		total += n
		return err
	})
	return total, err
}

// chunks runs a statement over all arguments: prepared once for full chunks, and once for the rest.
func (t *valueTx) chunks(ctx context.Context, args []any, stride int, text func(*strings.Builder, int), run func(*sql.Stmt, []any) error) error {
	full := len(args) / stride / rowsPerStatement * rowsPerStatement
	for _, part := range []struct {
		rows int // per statement
		args []any
	}{
		{rowsPerStatement, args[:full*stride]},
		{len(args)/stride - full, args[full*stride:]},
	} {
		if len(part.args) == 0 {
			continue
		}
		var b strings.Builder
		text(&b, part.rows)
		if err := t.runAll(ctx, b.String(), part.args, part.rows*stride, run); err != nil {
			return err
		}
	}
	return nil
}

// runAll prepares a statement and runs it for every count arguments.
func (t *valueTx) runAll(ctx context.Context, text string, args []any, count int, run func(*sql.Stmt, []any) error) (err error) {
	stmt, err := t.sqlTx.PrepareContext(ctx, text)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	for chunk := range slices.Chunk(args, count) {
		if err := run(stmt, chunk); err != nil {
			return err
		}
	}
	return nil
}

// writeRows writes "(fixed, ?, ?), …" for n rows of count arguments.
func writeRows(b *strings.Builder, fixed string, count, n int) {
	row := strings.TrimSuffix(strings.Repeat("?, ", count), ", ")
	if fixed != "" {
		row = fixed + ", " + row
	}
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + row + ")")
	}
}

// writeKeys writes "(k1, k2) IN (VALUES (?, ?), …)".
func writeKeys(b *strings.Builder, k *record.Kind, n int) {
	b.WriteString("(r." + strings.Join(k.Key, ", r.") + ") IN (VALUES ")
	writeRows(b, "", len(k.Key), n)
	b.WriteByte(')')
}

// owned is true for the rows r of the stream.
func owned(w writing) string {
	return "r.tenant_id = " + number(w.tenant) + " AND r.stream_id = " + number(w.stream)
}

func number[T ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

package store

import (
	"context"
	"database/sql"
	"fmt"
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
	up, gone []any // gone: key fields and key hash per row
}

func (v *valueRows) upserts() int { return len(v.up) / v.stride }
func (v *valueRows) removes() int { return len(v.gone) / (len(v.keys) + 1) }

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
	v.gone = append(v.gone, r.keyHash)
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
type valueTx struct{ sqlTx *sql.Tx }

func (t *valueTx) tx() *sql.Tx     { return t.sqlTx }
func (t *valueTx) commit() error   { return t.sqlTx.Commit() }
func (t *valueTx) rollback() error { return rollback(t.sqlTx) }

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
		b.WriteString(conflictClause(v.kind))
	})
}

func (t *valueTx) mark(ctx context.Context, rows stagedRows, w writing) error {
	v := rows.(*valueRows)
	_, err := t.each(ctx, v.keyArguments(), len(v.keys), func(b *strings.Builder, n int) {
		b.WriteString("INSERT INTO snapshot_mark (tenant_id, stream_id, kind, snapshot_id, key_hash) SELECT " +
			number(w.tenant) + ", " + number(w.stream) + ", '" + w.kind + "', " + number(w.snapshot) + ", r.key_hash FROM (VALUES ")
		writeRows(b, "", len(v.keys), n)
		b.WriteString(") AS s CROSS JOIN " + tableName(w.kind) + " AS r WHERE " + owned(w, "r"))
		for i, name := range v.kind.Key {
			b.WriteString(" AND r." + name + " = s.column" + strconv.Itoa(i+1))
		}
		b.WriteString(" AND r.snapshot_id IS NOT " + number(w.snapshot) + " ON CONFLICT DO NOTHING")
	})
	return err
}

// keyArguments returns the key cells of the upserts.
func (v *valueRows) keyArguments() []any {
	out := make([]any, 0, v.upserts()*len(v.keys))
	for at := 0; at < len(v.up); at += v.stride {
		for _, place := range v.keys {
			out = append(out, v.up[at+place])
		}
	}
	return out
}

func (t *valueTx) blanked(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	v := rows.(*valueRows)
	var total int64
	err := t.chunks(ctx, v.up, v.stride, func(b *strings.Builder, n int) {
		b.WriteString("WITH s (" + strings.Join(fieldNames(v.kind), ", ") + ", " + stampColumns + ") AS (VALUES ")
		writeRows(b, "", v.stride, n)
		b.WriteString(") SELECT COUNT(*) FROM s CROSS JOIN " + tableName(w.kind) + " AS r WHERE " + owned(w, "r") + " AND " +
			sameKey(v.kind, "r", "s") + " AND " + blankedCondition(v.kind))
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
	keys, _ := v.split()
	return t.each(ctx, keys, len(v.keys), func(b *strings.Builder, n int) {
		b.WriteString("DELETE FROM " + tableName(w.kind) + " AS r WHERE " + owned(w, "r") + " AND ")
		writeKeys(b, v.kind, n)
	})
}

func (t *valueTx) unmark(ctx context.Context, rows stagedRows, w writing) (int64, error) {
	v := rows.(*valueRows)
	keys, hashes := v.split()
	n, err := t.each(ctx, keys, len(v.keys), func(b *strings.Builder, n int) {
		b.WriteString("UPDATE " + tableName(w.kind) + " AS r SET snapshot_id = NULL WHERE " + owned(w, "r") +
			" AND r.snapshot_id = " + number(w.snapshot) + " AND ")
		writeKeys(b, v.kind, n)
	})
	if err != nil {
		return 0, err
	}
	marks, err := t.each(ctx, hashes, 1, func(b *strings.Builder, n int) {
		b.WriteString("DELETE FROM snapshot_mark AS m WHERE " + owned(w, "m") + " AND m.kind = '" + w.kind +
			"' AND m.snapshot_id = " + number(w.snapshot) + " AND m.key_hash IN (")
		writeRows(b, "", 1, n)
		b.WriteByte(')')
	})
	return n + marks, err
}

// split returns the key cells and the key hashes of the deletes.
func (v *valueRows) split() (keys, hashes []any) {
	for at := 0; at < len(v.gone); at += len(v.keys) + 1 {
		keys = append(keys, v.gone[at:at+len(v.keys)]...)
		hashes = append(hashes, v.gone[at+len(v.keys)])
	}
	return keys, hashes
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

// chunks prepares the statement for full chunks once, and once for the rest.
func (t *valueTx) chunks(ctx context.Context, args []any, stride int, text func(*strings.Builder, int), run func(*sql.Stmt, []any) error) error {
	for rows := rowsPerStatement; len(args) > 0; rows = len(args) / stride {
		if rows = min(rows, len(args)/stride); rows == 0 {
			return nil
		}
		var b strings.Builder
		text(&b, rows)
		stmt, err := t.sqlTx.PrepareContext(ctx, b.String())
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		for len(args) >= rows*stride && err == nil {
			err = run(stmt, args[:rows*stride])
			args = args[rows*stride:]
		}
		if closed := stmt.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeRows writes "(fixed, ?, ?), …" for n rows of count arguments; one argument without fixed has no parentheses' need
// but is legal with them.
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

func owned(w writing, table string) string {
	return table + ".tenant_id = " + number(w.tenant) + " AND " + table + ".stream_id = " + number(w.stream)
}

func number[T ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

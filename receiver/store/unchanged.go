package store

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"lessor.dk/portalsync/protocol"
)

// fewRows is below what looking at the table first does not pay.
const fewRows = 64

// upsert writes the staged rows that differ from what is stored. Chunks of a snapshot come in key order, so a look at
// one range of the table says much for a quarter of what offering the rows costs: which of them are there already, or
// that the range is empty, or holds only what the stage replaces without emptying a field, so that it can be filled anew.
// Rows it cannot judge, because the table sorts otherwise or holds much more in the range, are all offered: that decides by
// itself, as ever. A range that is filled has nothing to keep.
func (tx *StreamTx) upsert(ctx context.Context, st *Stage, w writing) (written, kept int64, err error) {
	rows := st.rows
	if w.snapshot != 0 && !w.repeated && len(st.upserted) >= fewRows {
		held, err := tx.look(ctx, st)
		if err != nil {
			return 0, 0, err
		}
		known := func(i int) bool { return held.pairs.has(pair(st.upserted[i], st.content[i])) }
		switch {
		case held.any(known, len(st.upserted)):
			if rows = rows.without(known); rows.upserts() == 0 {
				return 0, 0, nil
			}
		case rows.removes() == 0:
			n, ok, err := tx.fill(ctx, st, w, held.rows > 0)
			if ok || err != nil {
				return n, 0, err
			}
		}
	}
	written, err = tx.bulk.upsert(ctx, rows, w)
	if err != nil || !w.KeepFilled || written >= int64(rows.upserts()) {
		return written, 0, err
	}
	kept, err = tx.bulk.blanked(ctx, rows, w)
	return written, kept, err
}

// ranged is what the table holds from a stage's first key to its last.
type ranged struct {
	pairs hashSet // of each row's key and content
	rows  int
}

// any reports whether known is true for one of the first n numbers.
func (ranged) any(known func(i int) bool, n int) bool {
	for i := range n {
		if known(i) {
			return true
		}
	}
	return false
}

// pair makes one hash of a row's two.
func pair(keyHash, rowHash uint64) uint64 { return bits.RotateLeft64(keyHash, 32) ^ rowHash }

// look reads the hashes of the stored rows in the stage's range, of at most twice as many rows as the stage has.
func (tx *StreamTx) look(ctx context.Context, st *Stage) (held ranged, err error) {
	query, args := st.stored("key_hash, row_hash", tx.stream, 2*len(st.upserted))
	rows, err := tx.tx().QueryContext(ctx, query, tx.store.dialect.replan(args...)...)
	if err != nil {
		return ranged{}, fmt.Errorf("look for unchanged rows: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var keyHash, rowHash int64
		if err := rows.Scan(&keyHash, &rowHash); err != nil {
			return ranged{}, fmt.Errorf("look for unchanged rows: %w", err)
		}
		held.pairs.add(pair(uint64(keyHash), uint64(rowHash)))
		held.rows++
	}
	if err := rows.Err(); err != nil {
		return ranged{}, fmt.Errorf("look for unchanged rows: %w", err)
	}
	return held, nil
}

// stored returns a query of columns of the stored rows from the stage's first key to its last, but no more than limit.
// Order and limit make the planner walk the key's index: it misjudges ranges of keys so far that it reads the whole table.
func (st *Stage) stored(columns string, s Stream, limit int) (query string, args []any) {
	args = []any{s.Tenant, s.ID, limit}
	key := st.kind.Key
	query = "SELECT " + columns + " FROM " + tableName(st.kind.Name) + " WHERE tenant_id = $1 AND stream_id = $2" +
		keyBound(key, ">=", st.bound(st.first), &args) + keyBound(key, "<=", st.bound(st.last), &args) +
		" ORDER BY " + strings.Join(key, ", ") + " LIMIT $3"
	return query, args
}

// bound returns a key as arguments.
func (st *Stage) bound(key []protocol.Value) []any {
	args := make([]any, len(key))
	for i := range key {
		args[i] = argument(st.kind.Fields[st.key[i]].Type, &key[i])
	}
	return args
}

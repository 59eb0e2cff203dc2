package store

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"lessor.dk/portalsync/protocol"
)

// fewRows is below what looking for unchanged rows first does not pay.
const fewRows = 64

// fresh returns the staged rows that must be written, leaving out those that the table holds already. It is a short
// cut for snapshots, whose chunks come in key order and mostly hold what the portal knows: reading the hashes of one
// range of keys costs a quarter of offering the rows to the table. Rows it cannot judge, because the table sorts
// otherwise or holds much more in the range, are all written: that decides by itself, as ever.
func (tx *StreamTx) fresh(ctx context.Context, st *Stage, w writing) (stagedRows, error) {
	if w.snapshot == 0 || w.repeated || len(st.upserted) < fewRows {
		return st.rows, nil
	}
	known, err := tx.rangeHashes(ctx, st, 2*len(st.upserted))
	if err != nil {
		return nil, err
	}
	same := 0
	for i := range st.upserted {
		if known.has(pair(st.upserted[i], st.content[i])) {
			same++
		}
	}
	if same == 0 {
		return st.rows, nil
	}
	return st.rows.without(func(i int) bool { return known.has(pair(st.upserted[i], st.content[i])) }), nil
}

// pair makes one hash of a row's two.
func pair(keyHash, rowHash uint64) uint64 { return bits.RotateLeft64(keyHash, 32) ^ rowHash }

// rangeHashes reads the hashes of the stored rows from the stage's first key to its last, but no more than limit.
func (tx *StreamTx) rangeHashes(ctx context.Context, st *Stage, limit int) (known *hashSet, err error) {
	args := []any{tx.stream.Tenant, tx.stream.ID, limit}
	key := st.kind.Key
	query := "SELECT key_hash, row_hash FROM " + tableName(st.kind.Name) + " WHERE tenant_id = $1 AND stream_id = $2" +
		keyBound(key, ">=", st.bound(st.first), &args) + keyBound(key, "<=", st.bound(st.last), &args) + " ORDER BY " + strings.Join(key, ", ") + " LIMIT $3"
	rows, err := tx.tx().QueryContext(ctx, query, tx.store.dialect.replan(args...)...)
	if err != nil {
		return nil, fmt.Errorf("look for unchanged rows: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	known = &hashSet{}
	for rows.Next() {
		var keyHash, rowHash int64
		if err := rows.Scan(&keyHash, &rowHash); err != nil {
			return nil, fmt.Errorf("look for unchanged rows: %w", err)
		}
		known.add(pair(uint64(keyHash), uint64(rowHash)))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for unchanged rows: %w", err)
	}
	return known, nil
}

// bound returns a key as arguments.
func (st *Stage) bound(key []protocol.Value) []any {
	args := make([]any, len(key))
	for i := range key {
		args[i] = argument(st.kind.Fields[st.key[i]].Type, &key[i])
	}
	return args
}

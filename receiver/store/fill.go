package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// filler is a bulkTx that inserts much faster than it upserts.
type filler interface {
	// clear deletes the stored rows from the stage's first key to its last.
	clear(ctx context.Context, st *Stage, w writing) error
	// fill inserts staged rows; one that is stored is an error.
	fill(ctx context.Context, rows stagedRows, w writing) (int64, error)
}

// fill writes all of a stage into its range of the table, in place of the rows that it holds. Nothing was done, and ok is
// false, when the database has no way that is faster than an upsert, when the stage does not replace those rows, or when
// one of it turned out to be stored outside of the range.
func (tx *StreamTx) fill(ctx context.Context, st *Stage, w writing, holds bool) (n int64, ok bool, err error) {
	bulk, ok := tx.bulk.(filler)
	if ok && holds {
		ok, err = tx.replaces(ctx, st)
	}
	if !ok || err != nil {
		return 0, false, err
	}
	err = tx.Attempt(ctx, func() error {
		if holds {
			if err := bulk.clear(ctx, st, w); err != nil {
				return err
			}
		}
		n, err = bulk.fill(ctx, st.rows, w)
		return err
	})
	if tx.store.dialect.unique(err) {
		return 0, false, nil
	}
	return n, err == nil, err
}

// replaces reports whether the stage names every row that the table holds in its range, and fills every field that one of
// them has filled.
func (tx *StreamTx) replaces(ctx context.Context, st *Stage) (all bool, err error) {
	filled := make(map[uint64]uint64, len(st.upserted))
	for i, key := range st.upserted {
		filled[key] = st.filled[i]
	}
	query, args := st.stored("key_hash, "+filledMask(st.kind), tx.stream, 2*len(st.upserted))
	rows, err := tx.tx().QueryContext(ctx, query, tx.store.dialect.replan(args...)...)
	if err != nil {
		return false, fmt.Errorf("look for replaced rows: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var keyHash, before int64
		if err := rows.Scan(&keyHash, &before); err != nil {
			return false, fmt.Errorf("look for replaced rows: %w", err)
		}
		now, named := filled[uint64(keyHash)]
		if !named || uint64(before)&^now != 0 {
			return false, nil
		}
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("look for replaced rows: %w", err)
	}
	return true, nil
}

// blankable returns the places of the fields that a row may leave empty: one bit each of a row's mask. See blankedCondition.
func blankable(k *record.Kind) (places []int) {
	for i, f := range k.Fields {
		if !k.IsKey(f.Name) && (f.Type == record.Text || f.Nullable) {
			places = append(places, i)
		}
	}
	return places
}

// filledMask is the mask of the fields that a stored row has filled.
func filledMask(k *record.Kind) string {
	var b strings.Builder
	b.WriteByte('0')
	for bit, place := range blankable(k) {
		f := k.Fields[place]
		has := " IS NOT NULL"
		if f.Type == record.Text {
			has = " <> ''"
		}
		fmt.Fprintf(&b, " + CASE WHEN %s%s THEN CAST(%d AS BIGINT) ELSE 0 END", f.Name, has, int64(1)<<bit)
	}
	return b.String()
}

// maskOf is the mask of the fields that a staged row fills.
func (st *Stage) maskOf() (mask uint64) {
	for bit, place := range st.blankable {
		if v := &st.row.cells[place]; v.Kind != protocol.Null && (v.Kind != protocol.Text || v.S != "") {
			mask |= 1 << bit
		}
	}
	return mask
}

package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

const hashBytes = 8

const addRunSQL = `
INSERT INTO snapshot_mark (tenant_id, stream_id, kind, snapshot_id, run, held, key_hashes)
SELECT $1, $2, CAST($3 AS TEXT), $4, COALESCE(MAX(run), 0) + 1, $5, $6
FROM   snapshot_mark
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3 AND snapshot_id = $4`

// mark notes that the running snapshot holds the rows of these keys, or, with held false, that they were deleted since.
// One run costs one small write however many keys it names.
func (tx *StreamTx) mark(ctx context.Context, kind string, snapshot protocol.SnapshotID, held bool, hashes []uint64) error {
	if snapshot == 0 || len(hashes) == 0 {
		return nil
	}
	run := make([]byte, 0, hashBytes*len(hashes))
	for _, h := range hashes {
		run = binary.BigEndian.AppendUint64(run, h)
	}
	_, err := tx.tx().ExecContext(ctx, addRunSQL, tx.stream.Tenant, tx.stream.ID, kind, snapshot, flag(held), run)
	if err != nil {
		return fmt.Errorf("mark rows of %s: %w", kind, err)
	}
	return nil
}

// marks is one part of the keys that a snapshot's runs hold. A large kind is swept part by part, so that memory stays
// bounded.
type marks struct {
	part, parts int
	held        hashSet
	run         int64 // the last one read
}

const countMarksSQL = `
SELECT COALESCE(SUM(LENGTH(key_hashes)), 0)
FROM   snapshot_mark
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3 AND snapshot_id = $4`

// markParts returns in how many parts a snapshot's marks are to be read.
func (tx *StreamTx) markParts(ctx context.Context, kind string, snapshot protocol.SnapshotID) (int, error) {
	var size int64
	if err := tx.tx().QueryRowContext(ctx, countMarksSQL, tx.stream.Tenant, tx.stream.ID, kind, snapshot).Scan(&size); err != nil {
		return 0, fmt.Errorf("count marks of %s: %w", kind, err)
	}
	return 1 + int(size/hashBytes)/tx.store.sweeps.most, nil
}

// of reports whether a key belongs to the part.
func (m *marks) of(hash uint64) bool { return int(hash>>32%uint64(m.parts)) == m.part }

// lacks reports whether a key belongs to the part and no run holds it.
func (m *marks) lacks(hash uint64) bool { return m.of(hash) && !m.held.has(hash) }

const readRunsSQL = `
SELECT run, held, key_hashes
FROM   snapshot_mark
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3 AND snapshot_id = $4 AND run > $5
ORDER  BY run`

// read adds the runs written since the last read.
func (m *marks) read(ctx context.Context, tx *StreamTx, kind string, snapshot protocol.SnapshotID) (err error) {
	rows, err := tx.tx().QueryContext(ctx, readRunsSQL, tx.stream.Tenant, tx.stream.ID, kind, snapshot, m.run)
	if err != nil {
		return fmt.Errorf("read marks of %s: %w", kind, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var held bool
		var run sql.RawBytes
		if err := rows.Scan(&m.run, &held, &run); err != nil {
			return fmt.Errorf("read marks of %s: %w", kind, err)
		}
		for ; len(run) >= hashBytes; run = run[hashBytes:] {
			hash := binary.BigEndian.Uint64(run)
			switch {
			case !m.of(hash):
			case held:
				m.held.add(hash)
			default:
				m.held.remove(hash)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read marks of %s: %w", kind, err)
	}
	return nil
}

// CountSweep counts the rows that the sweep after a snapshot would delete, for the delete guard. It reads the whole
// kind once, or once per part of its marks.
func (tx *StreamTx) CountSweep(ctx context.Context, kind string, snapshot protocol.SnapshotID) (int64, error) {
	if _, err := tx.kind(kind); err != nil {
		return 0, err
	}
	parts, err := tx.markParts(ctx, kind, snapshot)
	if err != nil {
		return 0, err
	}
	var total int64
	for part := range parts {
		m := &marks{part: part, parts: parts}
		if err := m.read(ctx, tx, kind, snapshot); err != nil {
			return 0, err
		}
		n, err := tx.countUnheld(ctx, kind, snapshot, m)
		if err != nil {
			return 0, fmt.Errorf("read rows of %s: %w", kind, err)
		}
		total += n
	}
	return total, nil
}

// countUnheld counts the rows that carry neither the snapshot's id nor its mark.
func (tx *StreamTx) countUnheld(ctx context.Context, kind string, snapshot protocol.SnapshotID, m *marks) (n int64, err error) {
	query := "SELECT key_hash FROM " + tableName(kind) + " WHERE tenant_id = $1 AND stream_id = $2 AND snapshot_id IS DISTINCT FROM $3"
	rows, err := tx.tx().QueryContext(ctx, query, tx.store.dialect.replan(tx.stream.Tenant, tx.stream.ID, snapshot)...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var hash int64
		if err := rows.Scan(&hash); err != nil {
			return 0, err
		}
		if m.lacks(uint64(hash)) {
			n++
		}
	}
	return n, rows.Err()
}

// unheld looks at the next limit rows in key order after a key, or from the first, and calls found for the key of each that
// carries neither the snapshot's id nor its mark; the key is valid during the call. It returns the last key it looked at,
// nil at the end of the kind. See [Stage.stored] for order and limit.
func (tx *StreamTx) unheld(ctx context.Context, k *record.Kind, snapshot protocol.SnapshotID, m *marks, after []any, limit int, found func(key []any)) (last []any, err error) {
	args := []any{tx.stream.Tenant, tx.stream.ID, snapshot, limit}
	key := strings.Join(k.Key, ", ")
	query := "SELECT place, held, key_hash, " + key + " FROM (SELECT ROW_NUMBER() OVER (ORDER BY " + key + ") AS place," +
		" CASE WHEN snapshot_id = $3 THEN 1 ELSE 0 END AS held, key_hash, " + key + " FROM " + tableName(k.Name) +
		" WHERE tenant_id = $1 AND stream_id = $2" + keyBound(k.Key, ">", after, &args) +
		" ORDER BY " + key + " LIMIT $4) AS page WHERE held = 0 OR place = $4"
	rows, err := tx.tx().QueryContext(ctx, query, tx.store.dialect.replan(args...)...)
	if err != nil {
		return nil, fmt.Errorf("read rows of %s: %w", k.Name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var place, held, hash int64
	values := make([]any, len(k.Key))
	targets := []any{&place, &held, &hash}
	for i := range values {
		targets = append(targets, &values[i])
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return nil, fmt.Errorf("read rows of %s: %w", k.Name, err)
		}
		if held == 0 && m.lacks(uint64(hash)) {
			found(values)
		}
		if place == int64(limit) {
			last = slices.Clone(values)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rows of %s: %w", k.Name, err)
	}
	return last, nil
}

package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
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
		if err := tx.unheld(ctx, record.ByName(kind), snapshot, m, nil, nil, func([]any, int64) { total++ }); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// unheld calls found for the key and key hash of every row in (from, to] that carries neither the snapshot's id nor its
// mark. Without bounds it reads the whole kind. The key is valid during the call.
func (tx *StreamTx) unheld(ctx context.Context, k *record.Kind, snapshot protocol.SnapshotID, m *marks, from, to []any, found func(key []any, hash int64)) (err error) {
	args := []any{tx.stream.Tenant, tx.stream.ID, snapshot}
	query := "SELECT key_hash, " + strings.Join(k.Key, ", ") + " FROM " + tableName(k.Name) +
		" WHERE tenant_id = $1 AND stream_id = $2 AND snapshot_id IS DISTINCT FROM $3" +
		keyBound(k.Key, ">", from, &args) + keyBound(k.Key, "<=", to, &args)
	rows, err := tx.tx().QueryContext(ctx, query, tx.store.dialect.replan(args...)...)
	if err != nil {
		return fmt.Errorf("read rows of %s: %w", k.Name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var hash int64
	key := make([]any, len(k.Key))
	targets := []any{&hash}
	for i := range key {
		targets = append(targets, &key[i])
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("read rows of %s: %w", k.Name, err)
		}
		if m.of(uint64(hash)) && !m.held.has(uint64(hash)) {
			found(key, hash)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read rows of %s: %w", k.Name, err)
	}
	return nil
}

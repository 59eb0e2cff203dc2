package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// sweptRows is what sweep_key holds when every row was looked at and only marks are left.
const sweptRows = "swept"

// Sweep does one bounded transaction of a kind's sweep: it looks at the next limit rows in key order and deletes those
// that the kind's last snapshot did not hold; when all were looked at, it deletes up to limit marks. The kind becomes
// ok, and done is true, in the transaction that deletes the last. The place is kept in the kind's row, so a writer that
// crashes goes on. A kind that is not sweeping, or whose sweep is held, is done at once and left alone.
func (s *Store) Sweep(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, kind string, limit int) (deleted int64, done bool, err error) {
	err = s.InStream(ctx, tenant, stream, func(tx *StreamTx) error {
		k, err := tx.kind(kind)
		if err != nil {
			return err
		}
		if k.State != protocol.KindSweeping || k.Held {
			done = true
			return nil
		}
		deleted, done, err = tx.sweep(ctx, k, limit)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("sweep %s: %w", kind, err)
	}
	return deleted, done, nil
}

const sweepKeySQL = `
SELECT sweep_key
FROM   stream_kind
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3`

const setSweepKeySQL = `
UPDATE stream_kind
SET    sweep_key = $4
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3`

func (tx *StreamTx) sweep(ctx context.Context, k kindRow, limit int) (int64, bool, error) {
	var after string
	err := tx.tx().QueryRowContext(ctx, sweepKeySQL, tx.stream.Tenant, tx.stream.ID, k.Kind).Scan(&after)
	if err != nil {
		return 0, false, fmt.Errorf("read place: %w", err)
	}
	if after == sweptRows {
		done, err := tx.sweepMarks(ctx, k, limit)
		return 0, done, err
	}
	from, err := parseSweepKey(k.Kind, after)
	if err != nil {
		return 0, false, err
	}
	to, err := tx.pageEnd(ctx, k.Kind, from, limit)
	if err != nil {
		return 0, false, err
	}
	deleted, err := tx.sweepPage(ctx, k, from, to)
	if err != nil {
		return 0, false, err
	}
	if to != nil {
		place, err := json.Marshal(to)
		if err != nil {
			return 0, false, fmt.Errorf("encode place: %w", err)
		}
		return deleted, false, one(ctx, tx.tx(), "save place", setSweepKeySQL, tx.stream.Tenant, tx.stream.ID, k.Kind, string(place))
	}
	if err := one(ctx, tx.tx(), "save place", setSweepKeySQL, tx.stream.Tenant, tx.stream.ID, k.Kind, sweptRows); err != nil {
		return 0, false, err
	}
	done, err := tx.sweepMarks(ctx, k, limit)
	return deleted, done, err
}

// pageEnd returns the key of the limit-th row after a key, or nil when there are fewer rows.
func (tx *StreamTx) pageEnd(ctx context.Context, kind string, after []any, limit int) ([]any, error) {
	key := record.ByName(kind).Key
	args := []any{tx.stream.Tenant, tx.stream.ID, limit - 1}
	query := "SELECT " + strings.Join(key, ", ") + " FROM " + tableName(kind) + " WHERE tenant_id = $1 AND stream_id = $2" +
		keyBound(key, ">", after, &args) + " ORDER BY " + strings.Join(key, ", ") + " LIMIT 1 OFFSET $3"
	values := make([]any, len(key))
	targets := make([]any, len(key))
	for i := range values {
		targets[i] = &values[i]
	}
	err := tx.tx().QueryRowContext(ctx, query, tx.store.dialect.replan(args...)...).Scan(targets...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find page: %w", err)
	}
	return values, nil
}

// sweepPage deletes the rows in (from, to] that carry neither the kind's snapshot id nor its mark. OFFSET keeps PostgreSQL
// from reading all marks for one page: each row's is looked up.
func (tx *StreamTx) sweepPage(ctx context.Context, k kindRow, from, to []any) (int64, error) {
	key := record.ByName(k.Kind).Key
	args := []any{tx.stream.Tenant, tx.stream.ID, k.Kind, k.Snapshot}
	query := "DELETE FROM " + tableName(k.Kind) + ` AS r
WHERE r.tenant_id = $1 AND r.stream_id = $2` + keyBound(key, ">", from, &args) + keyBound(key, "<=", to, &args) + `
AND   r.snapshot_id IS DISTINCT FROM $4
AND   NOT EXISTS (
      SELECT 1 FROM snapshot_mark AS m
      WHERE m.tenant_id = $1 AND m.stream_id = $2 AND m.kind = $3 AND m.snapshot_id = $4 AND m.key_hash = r.key_hash
      LIMIT 1 OFFSET 0)`
	n, err := affected(tx.tx().ExecContext(ctx, query, tx.store.dialect.replan(args...)...))
	if err != nil {
		return 0, fmt.Errorf("delete page: %w", err)
	}
	return n, nil
}

// keyBound returns " AND (key…) op ($n…)", or nothing without a bound, and appends the bound to args.
func keyBound(key []string, op string, bound []any, args *[]any) string {
	if bound == nil {
		return ""
	}
	params := make([]string, len(bound))
	for i, v := range bound {
		*args = append(*args, v)
		params[i] = "$" + strconv.Itoa(len(*args))
	}
	return " AND (" + strings.Join(key, ", ") + ") " + op + " (" + strings.Join(params, ", ") + ")"
}

const lastMarkSQL = `
SELECT snapshot_id, key_hash
FROM   snapshot_mark
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3
ORDER  BY snapshot_id, key_hash
LIMIT  1 OFFSET $4`

const sweepMarksSQL = `
DELETE FROM snapshot_mark
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3 AND (snapshot_id, key_hash) <= ($4, $5)`

// sweepMarks deletes up to limit marks, those of abandoned snapshots too, and makes the kind ok when none is left.
func (tx *StreamTx) sweepMarks(ctx context.Context, k kindRow, limit int) (bool, error) {
	last := struct{ snapshot, hash int64 }{math.MaxInt64, math.MaxInt64}
	err := tx.tx().QueryRowContext(ctx, lastMarkSQL, tx.store.dialect.replan(tx.stream.Tenant, tx.stream.ID, k.Kind, limit-1)...).
		Scan(&last.snapshot, &last.hash)
	more := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("find marks: %w", err)
	}
	_, err = tx.tx().ExecContext(ctx, sweepMarksSQL, tx.store.dialect.replan(tx.stream.Tenant, tx.stream.ID, k.Kind, last.snapshot, last.hash)...)
	if err != nil {
		return false, fmt.Errorf("delete marks: %w", err)
	}
	if more {
		return false, nil
	}
	k.KindStatus = protocol.KindStatus{Kind: k.Kind, State: protocol.KindOK, Epoch: k.Epoch}
	return true, tx.saveKind(ctx, k)
}

// parseSweepKey reads a place back as the key's own types. The empty place is the beginning.
func parseSweepKey(kind, place string) ([]any, error) {
	if place == "" {
		return nil, nil
	}
	k := record.ByName(kind)
	var cells []json.RawMessage
	if err := json.Unmarshal([]byte(place), &cells); err != nil || len(cells) != len(k.Key) {
		return nil, fmt.Errorf("the saved place of the sweep is not a key of %s: %w", kind, err)
	}
	key := make([]any, len(cells))
	for i, cell := range cells {
		var text string
		var number int64
		target := any(&number)
		if k.Fields[k.Field(k.Key[i])].Type == record.Text {
			target = &text
		}
		if err := json.Unmarshal(cell, target); err != nil {
			return nil, fmt.Errorf("the saved place of the sweep is not a key of %s: %w", kind, err)
		}
		if key[i] = text; target == any(&number) {
			key[i] = number
		}
	}
	return key, nil
}

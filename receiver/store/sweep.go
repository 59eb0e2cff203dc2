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

// runsPerSweep bounds how many runs of marks one transaction deletes: of 40 kB each.
const runsPerSweep = 100

// Sweep does one bounded transaction of a kind's sweep: it looks at the next limit rows in key order and deletes those
// that the kind's last snapshot did not hold; when all were looked at, it deletes a bounded number of marks. The kind becomes
// ok, and done is true, in the transaction that deletes the last. The place is kept in the kind's row, so a writer that
// crashes goes on. A kind that is not sweeping, or whose sweep is held, is done at once and left alone. A holder that
// lost its shard's lease is ErrFenced.
func (s *Store) Sweep(ctx context.Context, by Fence, tenant protocol.TenantID, stream protocol.StreamID, kind string, limit int) (deleted int64, done bool, err error) {
	err = s.InShard(ctx, by, tenant, stream, func(tx *StreamTx) error {
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
	var saved string
	err := tx.tx().QueryRowContext(ctx, sweepKeySQL, tx.stream.Tenant, tx.stream.ID, k.Kind).Scan(&saved)
	if err != nil {
		return 0, false, fmt.Errorf("read place: %w", err)
	}
	place, err := parsePlace(k.Kind, saved)
	if err != nil {
		return 0, false, err
	}
	if saved == "" {
		if place.Parts, err = tx.markParts(ctx, k.Kind, k.Snapshot); err != nil {
			return 0, false, err
		}
	}
	var deleted int64
	if place.Part < place.Parts {
		if deleted, err = tx.sweepPage(ctx, k, &place, limit); err != nil {
			return 0, false, err
		}
	}
	if place.Part == place.Parts {
		done, err := tx.sweepMarks(ctx, k)
		if err != nil || done {
			return deleted, done, err
		}
	}
	return deleted, false, tx.savePlace(ctx, k.Kind, place)
}

func (tx *StreamTx) savePlace(ctx context.Context, kind string, place sweepPlace) error {
	text, err := json.Marshal(place)
	if err != nil {
		return fmt.Errorf("encode place: %w", err)
	}
	return one(ctx, tx.tx(), "save place", setSweepKeySQL, tx.stream.Tenant, tx.stream.ID, kind, string(text))
}

// SkipRows spares a sweep the rows: CountSweep found none to delete in this transaction, and later ones only get the
// snapshot's id. The marks are left to it.
func (tx *StreamTx) SkipRows(ctx context.Context, kind string) error {
	return tx.savePlace(ctx, kind, sweepPlace{Part: 1, Parts: 1})
}

// sweepPage deletes what the snapshot does not hold of the next limit rows, and moves the place behind them.
func (tx *StreamTx) sweepPage(ctx context.Context, k kindRow, place *sweepPlace, limit int) (int64, error) {
	kind := record.ByName(k.Kind)
	m := tx.store.sweeps.marks(tx.sweepID(k.Kind), k.Snapshot, place.Part, place.Parts)
	if err := m.read(ctx, tx, k.Kind, k.Snapshot); err != nil {
		return 0, err
	}
	gone := tx.store.dialect.newRows(kind)
	row := stagedRow{cells: make([]protocol.Value, len(kind.Fields))}
	places := keyPlaces(kind)
	last, err := tx.unheld(ctx, kind, k.Snapshot, m, place.After, limit, func(key []any) {
		for i, v := range key {
			row.cells[places[i]] = cell(v)
		}
		gone.remove(&row)
	})
	if err != nil {
		return 0, err
	}
	var deleted int64
	if gone.removes() > 0 {
		w := writing{tenant: tx.stream.Tenant, stream: tx.stream.ID, kind: k.Kind}
		if deleted, err = tx.bulk.remove(ctx, gone, w); err != nil {
			return 0, fmt.Errorf("delete page: %w", err)
		}
	}
	place.After = last
	if last == nil {
		place.Part++
	}
	return deleted, nil
}

// cell is a key field as the database returned it.
func cell(v any) protocol.Value {
	switch v := v.(type) {
	case int64:
		return protocol.IntValue(v)
	case []byte:
		return protocol.TextValue(string(v))
	case string:
		return protocol.TextValue(v)
	}
	return protocol.NullValue()
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

const lastRunSQL = `
SELECT snapshot_id, run
FROM   snapshot_mark
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3
ORDER  BY snapshot_id, run
LIMIT  1 OFFSET $4`

const deleteRunsSQL = `
DELETE FROM snapshot_mark
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3 AND (snapshot_id, run) <= ($4, $5)`

// sweepMarks deletes runs of marks, those of abandoned snapshots too, and makes the kind ok when none is left.
func (tx *StreamTx) sweepMarks(ctx context.Context, k kindRow) (bool, error) {
	last := struct{ snapshot, run int64 }{math.MaxInt64, math.MaxInt64}
	err := tx.tx().QueryRowContext(ctx, lastRunSQL, tx.stream.Tenant, tx.stream.ID, k.Kind, runsPerSweep-1).Scan(&last.snapshot, &last.run)
	more := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("find marks: %w", err)
	}
	_, err = tx.tx().ExecContext(ctx, deleteRunsSQL, tx.stream.Tenant, tx.stream.ID, k.Kind, last.snapshot, last.run)
	if err != nil {
		return false, fmt.Errorf("delete marks: %w", err)
	}
	if more {
		return false, nil
	}
	return true, tx.saveKind(ctx, kindRow{
		KindStatus: protocol.KindStatus{Kind: k.Kind, State: protocol.KindOK, Epoch: k.Epoch},
		cause:      k.cause, planned: k.planned,
	})
}

package store

import (
	"context"
	"database/sql"
	"fmt"

	"lessor.dk/portalsync/protocol"
)

// SweepingKind is a record kind whose sweep is to go on.
type SweepingKind struct {
	Tenant protocol.TenantID
	Stream protocol.StreamID
	Kind   string
}

const sweepingSQL = `
SELECT tenant_id, stream_id, kind
FROM   stream_kind
WHERE  state = 'sweeping' AND held = 0
ORDER  BY tenant_id, stream_id, kind`

// Sweeping lists, over all tenants, the kinds whose sweep has begun, is not held and has not ended: the writer that
// holds the tenant's shard goes on with it, whoever began it.
func (s *Store) Sweeping(ctx context.Context) ([]SweepingKind, error) {
	return list(ctx, s.read, "sweeping kinds", func(rows *sql.Rows, k *SweepingKind) error {
		return rows.Scan(&k.Tenant, &k.Stream, &k.Kind)
	}, sweepingSQL)
}

// CountSweep counts the rows that the sweep after a snapshot would delete, for the delete guard. It reads the whole
// kind once.
func (tx *StreamTx) CountSweep(ctx context.Context, kind string, snapshot protocol.SnapshotID) (int64, error) {
	if _, err := tx.kind(kind); err != nil {
		return 0, err
	}
	query := `
SELECT COUNT(*)
FROM   ` + tableName(kind) + ` AS r
WHERE  r.tenant_id = $1 AND r.stream_id = $2 AND r.snapshot_id IS DISTINCT FROM $4
AND    NOT EXISTS (
       SELECT 1 FROM snapshot_mark AS m
       WHERE m.tenant_id = $1 AND m.stream_id = $2 AND m.kind = $3 AND m.snapshot_id = $4 AND m.key_hash = r.key_hash)`
	var n int64
	if err := tx.tx().QueryRowContext(ctx, query, tx.stream.Tenant, tx.stream.ID, kind, snapshot).Scan(&n); err != nil {
		return 0, fmt.Errorf("count rows to sweep of %s: %w", kind, err)
	}
	return n, nil
}

package store

import (
	"context"
	"database/sql"

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

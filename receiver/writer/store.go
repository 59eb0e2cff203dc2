package writer

import (
	"context"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// Store is what the writer needs of the portal's database.
type Store interface {
	InShard(ctx context.Context, by store.Fence, tenant protocol.TenantID, stream protocol.StreamID, f func(*store.StreamTx) error) error
	NewStage(s *protocol.SectionSchema) *store.Stage
	Schema(ctx context.Context, tenant protocol.TenantID, hash protocol.SchemaHash) (protocol.Schema, error)
	Unfit(err error) bool
	Sweep(ctx context.Context, by store.Fence, tenant protocol.TenantID, stream protocol.StreamID, kind string, limit int) (deleted int64, done bool, err error)
	Sweeping(ctx context.Context) ([]store.SweepingKind, error)
	Leases
	Documents
}

// Leases says who works on which shard.
type Leases interface {
	Lease(ctx context.Context, shard int, holder string, ttl time.Duration) (fence int64, ok bool, err error)
	RenewLease(ctx context.Context, shard int, holder string, fence int64, ttl time.Duration) (ok bool, err error)
	ReleaseLease(ctx context.Context, shard int, holder string, fence int64) error
}

// Documents keeps what agents uploaded, first sealed in parts, then opened.
type Documents interface {
	BlobKey(ctx context.Context, tenant protocol.TenantID) ([]byte, error)
	HasBlob(ctx context.Context, tenant protocol.TenantID, name string) (bool, error)
	BlobParts(ctx context.Context, tenant protocol.TenantID, name string) ([][]byte, error)
	StoreBlob(ctx context.Context, tenant protocol.TenantID, name string, content []byte, at time.Time) error
	DropBlobParts(ctx context.Context, tenant protocol.TenantID, name string) error
}

package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"

	"lessor.dk/portalsync/protocol"
)

// Tenant is one customer of LESSOR.
type Tenant struct {
	ID        protocol.TenantID
	Code      string // short name for operations, unique
	Name      string // shown to people
	Suspended bool
}

// blobKeyBytes is the length of a tenant's key for blob names.
const blobKeyBytes = 32

const createTenantSQL = `
INSERT INTO tenant (code, name, blob_key)
VALUES ($1, $2, $3)
RETURNING tenant_id`

// CreateTenant makes a customer with its own key for blob names. A code in use is ErrExists.
func (s *Store) CreateTenant(ctx context.Context, code, name string) (protocol.TenantID, error) {
	key := make([]byte, blobKeyBytes)
	rand.Read(key)
	var id protocol.TenantID
	err := s.write.QueryRowContext(ctx, createTenantSQL, code, name, key).Scan(&id)
	if s.dialect.unique(err) {
		return 0, fmt.Errorf("create tenant %s: %w", code, ErrExists)
	}
	if err != nil {
		return 0, fmt.Errorf("create tenant %s: %w", code, err)
	}
	return id, nil
}

const tenantsSQL = `
SELECT tenant_id, code, name, suspended
FROM   tenant
ORDER  BY code`

// Tenants lists all customers by code.
func (s *Store) Tenants(ctx context.Context) ([]Tenant, error) {
	return list(ctx, s.read, "tenants", func(rows *sql.Rows, t *Tenant) error {
		return rows.Scan(&t.ID, &t.Code, &t.Name, &t.Suspended)
	}, tenantsSQL)
}

const suspendTenantSQL = `
UPDATE tenant
SET    suspended = $2
WHERE  tenant_id = $1`

// SuspendTenant stops or resumes everything of a customer: its agents are answered "suspended" and
// what is queued is dropped, to be sent again later.
func (s *Store) SuspendTenant(ctx context.Context, tenant protocol.TenantID, suspended bool) error {
	return s.one(ctx, "suspend tenant", suspendTenantSQL, tenant, flag(suspended))
}

const blobKeySQL = `
SELECT blob_key
FROM   tenant
WHERE  tenant_id = $1`

// BlobKey returns the tenant's key for blob names. It goes to the tenant's agents sealed, and nowhere else.
func (s *Store) BlobKey(ctx context.Context, tenant protocol.TenantID) ([]byte, error) {
	var key []byte
	if err := s.read.QueryRowContext(ctx, blobKeySQL, tenant).Scan(&key); err != nil {
		return nil, fmt.Errorf("blob key of tenant %d: %w", tenant, found(err))
	}
	return key, nil
}

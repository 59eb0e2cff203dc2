package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

const insertBlobSQL = `
INSERT INTO blob (tenant_id, name, parts)
VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, name) DO UPDATE
SET parts = excluded.parts
WHERE blob.stored_at = 0 AND blob.parts <> excluded.parts`

const putPartSQL = `
INSERT INTO blob_part (tenant_id, name, part, sealed)
SELECT tenant_id, name, CAST($3 AS INTEGER), $4
FROM   blob
WHERE  tenant_id = $1 AND name = $2 AND stored_at = 0
ON CONFLICT (tenant_id, name, part) DO UPDATE
SET sealed = excluded.sealed`

const dropOtherPartsSQL = `
DELETE FROM blob_part
WHERE  tenant_id = $1 AND name = $2`

// PutBlobPart keeps part number part, counting from 0, of the of sealed parts of a document. A part that is sent again
// replaces itself; a document sent in another number of parts starts over; parts of a stored document are ignored.
func (s *Store) PutBlobPart(ctx context.Context, tenant protocol.TenantID, name string, part, of int, sealed []byte) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, insertBlobSQL, tenant, name, of))
		if err != nil {
			return err
		}
		if n > 0 {
			if _, err := tx.ExecContext(ctx, dropOtherPartsSQL, tenant, name); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, putPartSQL, tenant, name, part, sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep part %d of blob %s: %w", part, name, err)
	}
	return nil
}

const blobHeadSQL = `
SELECT parts, stored_at
FROM   blob
WHERE  tenant_id = $1 AND name = $2`

const partNumbersSQL = `
SELECT part
FROM   blob_part
WHERE  tenant_id = $1 AND name = $2
ORDER  BY part`

// BlobState tells what is here of a document: complete when it is stored or all its parts are. An unknown name is a
// state without parts, not an error: the agent asks before it sends.
func (s *Store) BlobState(ctx context.Context, tenant protocol.TenantID, name string) (protocol.BlobState, error) {
	of, stored, err := s.blobHead(ctx, tenant, name)
	switch {
	case errors.Is(err, ErrNotFound):
		return protocol.BlobState{}, nil
	case err != nil:
		return protocol.BlobState{}, err
	case stored:
		return protocol.BlobState{Complete: true}, nil
	}
	parts, err := list(ctx, s.read, "blob parts", func(rows *sql.Rows, n *int) error { return rows.Scan(n) }, partNumbersSQL, tenant, name)
	return protocol.BlobState{Complete: err == nil && len(parts) == of, Parts: parts}, err
}

func (s *Store) blobHead(ctx context.Context, tenant protocol.TenantID, name string) (of int, stored bool, err error) {
	var storedAt int64
	if err := s.read.QueryRowContext(ctx, blobHeadSQL, tenant, name).Scan(&of, &storedAt); err != nil {
		return 0, false, fmt.Errorf("blob %s: %w", name, found(err))
	}
	return of, storedAt != 0, nil
}

// HasBlob reports whether a document is stored, opened, for pages to show. A row that names it may then be applied.
func (s *Store) HasBlob(ctx context.Context, tenant protocol.TenantID, name string) (bool, error) {
	_, stored, err := s.blobHead(ctx, tenant, name)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return stored, err
}

const blobPartsSQL = `
SELECT sealed
FROM   blob_part
WHERE  tenant_id = $1 AND name = $2
ORDER  BY part`

// BlobParts returns the sealed parts of a document in order, for the writer to open. Until all are here, and once
// the document is stored, it is ErrNotFound.
func (s *Store) BlobParts(ctx context.Context, tenant protocol.TenantID, name string) ([][]byte, error) {
	of, stored, err := s.blobHead(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	parts, err := list(ctx, s.read, "blob parts", func(rows *sql.Rows, b *[]byte) error { return rows.Scan(b) }, blobPartsSQL, tenant, name)
	if err != nil {
		return nil, err
	}
	if stored || len(parts) != of {
		return nil, fmt.Errorf("blob %s has %d of %d parts: %w", name, len(parts), of, ErrNotFound)
	}
	return parts, nil
}

const storeBlobSQL = `
INSERT INTO blob (tenant_id, name, parts, content, size, stored_at)
VALUES ($1, $2, 0, $3, $4, $5)
ON CONFLICT (tenant_id, name) DO UPDATE
SET parts = 0, content = excluded.content, size = excluded.size, stored_at = excluded.stored_at
WHERE blob.stored_at = 0`

// StoreBlob keeps a document as the writer assembled it and forgets its sealed parts. The first content stored under
// a name stays: names are made from contents.
func (s *Store) StoreBlob(ctx context.Context, tenant protocol.TenantID, name string, content []byte, at time.Time) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, storeBlobSQL, tenant, name, content, len(content), millis(at)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, dropOtherPartsSQL, tenant, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("store blob %s: %w", name, err)
	}
	return nil
}

const dropBlobSQL = `
DELETE FROM blob
WHERE  tenant_id = $1 AND name = $2 AND stored_at = 0`

// DropBlobParts forgets the sealed parts of a document that could not be opened, so that the agent sends it again.
// A stored document stays.
func (s *Store) DropBlobParts(ctx context.Context, tenant protocol.TenantID, name string) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, dropOtherPartsSQL, tenant, name); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, dropBlobSQL, tenant, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop parts of blob %s: %w", name, err)
	}
	return nil
}

const blobSQL = `
SELECT content
FROM   blob
WHERE  tenant_id = $1 AND name = $2 AND stored_at <> 0`

// Blob returns a stored document, at most protocol.MaxBlobBytes. One whose parts are not all here, or another
// tenant's, is ErrNotFound.
func (s *Store) Blob(ctx context.Context, tenant protocol.TenantID, name string) ([]byte, error) {
	var content []byte
	if err := s.read.QueryRowContext(ctx, blobSQL, tenant, name).Scan(&content); err != nil {
		return nil, fmt.Errorf("blob %s: %w", name, found(err))
	}
	return content, nil
}

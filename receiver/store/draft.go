package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
)

// Draft is a form an employee has begun and not sent.
type Draft struct {
	Key       string // becomes the submission key
	Type      string // report type
	Form      string // JSON of the form as typed
	UpdatedAt time.Time
}

// draftAge is how long an untouched draft is kept.
const draftAge = 30 * 24 * time.Hour

const saveDraftSQL = `
INSERT INTO report_draft (tenant_id, user_id, draft_key, type, form, updated_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, user_id, draft_key) DO UPDATE
SET type = excluded.type, form = excluded.form, updated_at = excluded.updated_at`

const purgeDraftsSQL = `
DELETE FROM report_draft
WHERE  tenant_id = $1 AND user_id = $2 AND updated_at < $3`

// SaveDraft keeps a user's draft under its key and forgets the user's drafts untouched for 30 days.
func (s *Store) SaveDraft(ctx context.Context, tenant protocol.TenantID, user identity.UserID, d Draft) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, purgeDraftsSQL, tenant, user, millis(d.UpdatedAt.Add(-draftAge))); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, saveDraftSQL, tenant, user, d.Key, d.Type, d.Form, millis(d.UpdatedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("save draft: %w", err)
	}
	return nil
}

const draftsSQL = `
SELECT draft_key, type, form, updated_at
FROM   report_draft
WHERE  tenant_id = $1 AND user_id = $2
ORDER  BY updated_at DESC`

// Drafts returns a user's drafts, newest first.
func (s *Store) Drafts(ctx context.Context, tenant protocol.TenantID, user identity.UserID) ([]Draft, error) {
	return list(ctx, s.read, "drafts", scanDraft, draftsSQL, tenant, user)
}

const draftSQL = `
SELECT draft_key, type, form, updated_at
FROM   report_draft
WHERE  tenant_id = $1 AND user_id = $2 AND draft_key = $3`

// Draft returns one of a user's drafts, or ErrNotFound.
func (s *Store) Draft(ctx context.Context, tenant protocol.TenantID, user identity.UserID, key string) (Draft, error) {
	drafts, err := list(ctx, s.read, "draft", scanDraft, draftSQL, tenant, user, key)
	if err != nil {
		return Draft{}, err
	}
	if len(drafts) == 0 {
		return Draft{}, fmt.Errorf("read draft: %w", ErrNotFound)
	}
	return drafts[0], nil
}

func scanDraft(rows *sql.Rows, d *Draft) error {
	var at int64
	err := rows.Scan(&d.Key, &d.Type, &d.Form, &at)
	d.UpdatedAt = instant(at)
	return err
}

// DeleteDraft removes a draft. An unknown one is no error.
func (s *Store) DeleteDraft(ctx context.Context, tenant protocol.TenantID, user identity.UserID, key string) error {
	if _, err := s.write.ExecContext(ctx, deleteDraftSQL, tenant, user, key); err != nil {
		return fmt.Errorf("delete draft: %w", err)
	}
	return nil
}

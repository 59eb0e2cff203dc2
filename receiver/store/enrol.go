package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lessor.dk/portalsync/protocol"
)

// maxInviteFailures is how many wrong proofs burn an invite.
const maxInviteFailures = 5

// Invite lets one agent enrol once. The code that the administrator sees holds ID and the secret.
type Invite struct {
	ID         string
	Tenant     protocol.TenantID
	Secret     []byte           // what a proof is checked with
	Replaces   protocol.AgentID // the agent whose identity and stream the new key takes over; 0 makes a new one
	MainSystem string           // name of the new stream, as the customer calls the system
	CreatedBy  string
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// LogValue keeps the secret out of logs.
func (i Invite) LogValue() slog.Value {
	return slog.GroupValue(slog.String("invite", i.ID), slog.Int64("tenant", int64(i.Tenant)))
}

// NewAgent is what an agent says of itself when it enrols.
type NewAgent struct {
	Key        protocol.KeyID
	SignKey    []byte
	SealKey    []byte
	InstallID  string
	Hostname   string
	Version    string
	Platform   string
	MainSystem string
	Address    string // where the request came from
}

// EnrolledAgent is an agent's identity.
type EnrolledAgent struct {
	Agent    protocol.AgentID
	Tenant   protocol.TenantID
	Stream   protocol.StreamID
	Customer string
	Repeated bool // the same key enrolled with this invite before: nothing was changed
}

const createInviteSQL = `
INSERT INTO invite (invite_id, tenant_id, secret, replaces, main_system, created_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// CreateInvite saves an invite. An id in use is ErrExists; an unknown tenant is an error of the database.
func (s *Store) CreateInvite(ctx context.Context, i Invite) error {
	_, err := s.write.ExecContext(ctx, createInviteSQL, i.ID, i.Tenant, i.Secret, i.Replaces, i.MainSystem,
		i.CreatedBy, millis(i.CreatedAt), millis(i.ExpiresAt))
	if s.dialect.unique(err) {
		return fmt.Errorf("create invite %s: %w", i.ID, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("create invite %s: %w", i.ID, err)
	}
	return nil
}

const inviteSQL = `
SELECT tenant_id, secret, replaces, main_system, created_by, created_at, expires_at, failures, used_by
FROM   invite
WHERE  invite_id = $1`

const inviteFailedSQL = `
UPDATE invite
SET    failures = failures + 1
WHERE  tenant_id = $1 AND invite_id = $2`

// Enrol gives an agent its identity. verify checks the proof against the invite; when it fails the fifth time
// the invite is burnt. A new agent gets a stream of its own; one that replaces another takes over its identity and
// stream, and the other's keys end. The same key may repeat the call and gets the same answer, also after the
// invite expired; another key is ErrInviteTaken; everything else wrong with the invite is ErrInvite.
func (s *Store) Enrol(ctx context.Context, inviteID string, at time.Time, verify func(Invite) error, a NewAgent) (EnrolledAgent, error) {
	var enrolled EnrolledAgent
	var refused error
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		invite, failures, usedBy, err := s.lockInvite(ctx, tx, inviteID)
		switch {
		case errors.Is(err, ErrNotFound):
			return ErrInvite
		case err != nil:
			return err
		case failures >= maxInviteFailures:
			return fmt.Errorf("%d wrong proofs: %w", failures, ErrInvite)
		}
		if err := verify(invite); err != nil {
			refused = errors.Join(ErrInvite, err)
			return one(ctx, tx, "count failed proof", inviteFailedSQL, invite.Tenant, inviteID)
		}
		switch {
		case usedBy == a.Key:
			enrolled.Repeated = true
			return repeatEnrolment(ctx, tx, invite.Tenant, a.Key, &enrolled)
		case usedBy != "":
			return ErrInviteTaken
		case !at.Before(invite.ExpiresAt):
			return fmt.Errorf("expired at %s: %w", invite.ExpiresAt.Format(time.RFC3339), ErrInvite)
		}
		return s.enrol(ctx, tx, invite, at, a, &enrolled)
	})
	if err = errors.Join(err, refused); err != nil {
		return EnrolledAgent{}, fmt.Errorf("enrol with invite %s: %w", inviteID, err)
	}
	return enrolled, nil
}

func (s *Store) lockInvite(ctx context.Context, tx *sql.Tx, id string) (Invite, int, protocol.KeyID, error) {
	i := Invite{ID: id}
	var created, expires int64
	var failures int
	var usedBy protocol.KeyID
	err := tx.QueryRowContext(ctx, inviteSQL+s.dialect.forUpdate(), id).Scan(&i.Tenant, &i.Secret, &i.Replaces,
		&i.MainSystem, &i.CreatedBy, &created, &expires, &failures, &usedBy)
	if err != nil {
		return Invite{}, 0, "", fmt.Errorf("read invite: %w", found(err))
	}
	i.CreatedAt, i.ExpiresAt = instant(created), instant(expires)
	return i, failures, usedBy, nil
}

const repeatEnrolmentSQL = `
SELECT a.agent_id, a.stream_id, t.name
FROM   agent_key k
JOIN   agent     a ON a.tenant_id = k.tenant_id AND a.agent_id = k.agent_id
JOIN   tenant    t ON t.tenant_id = a.tenant_id
WHERE  k.tenant_id = $1 AND k.key_id = $2`

func repeatEnrolment(ctx context.Context, tx *sql.Tx, tenant protocol.TenantID, key protocol.KeyID, e *EnrolledAgent) error {
	e.Tenant = tenant
	if err := tx.QueryRowContext(ctx, repeatEnrolmentSQL, tenant, key).Scan(&e.Agent, &e.Stream, &e.Customer); err != nil {
		return fmt.Errorf("read enrolled agent: %w", found(err))
	}
	return nil
}

const newStreamSQL = `
INSERT INTO stream (tenant_id, name, created_at)
VALUES ($1, $2, $3)
RETURNING stream_id`

const newAgentSQL = `
INSERT INTO agent (tenant_id, stream_id, enrolled_at)
VALUES ($1, $2, $3)
RETURNING agent_id`

const enrolledAgentSQL = `
UPDATE agent
SET    state = 'active', install_id = $3, hostname = $4, version = $5, platform = $6, main_system = $7, address = $8
WHERE  tenant_id = $1 AND agent_id = $2
RETURNING stream_id`

const endKeysSQL = `
UPDATE agent_key
SET    state = 'superseded'
WHERE  tenant_id = $1 AND agent_id = $2 AND state = 'active'`

const newKeySQL = `
INSERT INTO agent_key (key_id, tenant_id, agent_id, sign_key, seal_key, created_at)
VALUES ($1, $2, $3, $4, $5, $6)`

const inviteUsedSQL = `
UPDATE invite
SET    used_by = $3, used_at = $4
WHERE  tenant_id = $1 AND invite_id = $2`

const tenantNameSQL = `
SELECT name
FROM   tenant
WHERE  tenant_id = $1`

func (s *Store) enrol(ctx context.Context, tx *sql.Tx, i Invite, at time.Time, a NewAgent, e *EnrolledAgent) error {
	e.Tenant, e.Agent = i.Tenant, i.Replaces
	if err := tx.QueryRowContext(ctx, tenantNameSQL, i.Tenant).Scan(&e.Customer); err != nil {
		return fmt.Errorf("read tenant: %w", found(err))
	}
	if i.Replaces == 0 {
		if err := tx.QueryRowContext(ctx, newStreamSQL, i.Tenant, i.MainSystem, millis(at)).Scan(&e.Stream); err != nil {
			return fmt.Errorf("make stream: %w", err)
		}
		if err := tx.QueryRowContext(ctx, newAgentSQL, i.Tenant, e.Stream, millis(at)).Scan(&e.Agent); err != nil {
			return fmt.Errorf("make agent: %w", err)
		}
	} else if _, err := tx.ExecContext(ctx, endKeysSQL, i.Tenant, i.Replaces); err != nil {
		return fmt.Errorf("end the replaced agent's keys: %w", err)
	}
	err := tx.QueryRowContext(ctx, enrolledAgentSQL, i.Tenant, e.Agent, a.InstallID, a.Hostname, a.Version,
		a.Platform, a.MainSystem, a.Address).Scan(&e.Stream)
	if err != nil {
		return fmt.Errorf("save agent %d: %w", e.Agent, found(err))
	}
	_, err = tx.ExecContext(ctx, newKeySQL, a.Key, i.Tenant, e.Agent, a.SignKey, a.SealKey, millis(at))
	if s.dialect.unique(err) {
		return fmt.Errorf("key %s is enrolled already: %w", a.Key, ErrInviteTaken)
	}
	if err != nil {
		return fmt.Errorf("save agent key: %w", err)
	}
	return one(ctx, tx, "mark invite used", inviteUsedSQL, i.Tenant, i.ID, a.Key, millis(at))
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

// StreamStatus says whether a stream takes batches.
type StreamStatus string

// The states of a stream.
const (
	StreamOK        StreamStatus = "ok"
	StreamHeld      StreamStatus = "held"      // a batch did not fit the checkpoint: nothing is applied until the next OPEN
	StreamSuspended StreamStatus = "suspended" // until a person releases it
)

// Stream is the checkpoint of one main system and what else the portal knows of its stream.
type Stream struct {
	Tenant          protocol.TenantID
	ID              protocol.StreamID
	Name            string
	Gen             protocol.Generation
	AppliedSeq      protocol.Seq
	Lineage         protocol.Lineage // empty until the first cut is applied
	Position        protocol.Position
	Status          StreamStatus
	Cause           Cause            // of held and suspended
	Agent           protocol.AgentID // the agent that opened the generation; 0 before the first OPEN
	AgentState      AgentState       // of that agent
	TenantSuspended bool
	OpenedAt        time.Time
	AppliedAt       time.Time // of the last applied batch
	CapturedAt      time.Time // of the last applied cut: kinds that are ok equal the main system as of then
	HalfCut         string    // what the writer wrote down of a cut whose last batch is still to come; "" between cuts
}

const streamSQL = `
SELECT s.name, s.gen, s.applied_seq, s.lineage, s.position, s.status, s.cause, s.agent_id,
       COALESCE((SELECT a.state FROM agent a WHERE a.tenant_id = s.tenant_id AND a.agent_id = s.agent_id), ''),
       (SELECT t.suspended FROM tenant t WHERE t.tenant_id = s.tenant_id), s.opened_at, s.applied_at, s.captured_at,
       s.half_cut
FROM   stream s
WHERE  s.tenant_id = $1 AND s.stream_id = $2`

func readStream(ctx context.Context, q queryer, lock string, tenant protocol.TenantID, id protocol.StreamID) (Stream, error) {
	return scanStream(ctx, q, streamSQL+lock, tenant, id)
}

// lockStream reads and locks a stream for whoever holds a shard's lease.
func lockStream(ctx context.Context, q queryer, lock string, by Fence, tenant protocol.TenantID, id protocol.StreamID) (Stream, error) {
	if by == (Fence{}) {
		return readStream(ctx, q, lock, tenant, id)
	}
	s, err := scanStream(ctx, q, streamSQL+fencedSQL+lock, tenant, id, by.Shard, by.Number)
	if !errors.Is(err, ErrNotFound) {
		return s, err
	}
	if _, err := readStream(ctx, q, "", tenant, id); err != nil {
		return Stream{}, err
	}
	return Stream{}, ErrFenced
}

func scanStream(ctx context.Context, q queryer, query string, tenant protocol.TenantID, id protocol.StreamID, more ...any) (Stream, error) {
	s := Stream{Tenant: tenant, ID: id}
	var opened, applied, captured int64
	err := q.QueryRowContext(ctx, query, append([]any{tenant, id}, more...)...).Scan(&s.Name, &s.Gen, &s.AppliedSeq, &s.Lineage, &s.Position,
		&s.Status, &s.Cause, &s.Agent, &s.AgentState, &s.TenantSuspended, &opened, &applied, &captured, &s.HalfCut)
	if err != nil {
		return Stream{}, fmt.Errorf("read stream: %w", found(err))
	}
	s.OpenedAt, s.AppliedAt, s.CapturedAt = instant(opened), instant(applied), instant(captured)
	return s, nil
}

// StreamState returns a stream and its kinds, parents first. A stream of another tenant is ErrNotFound.
func (s *Store) StreamState(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) (Stream, []protocol.KindStatus, error) {
	st, err := readStream(ctx, s.read, "", tenant, stream)
	if err != nil {
		return Stream{}, nil, fmt.Errorf("stream %d: %w", stream, err)
	}
	kinds, err := readKinds(ctx, s.read, tenant, stream)
	if err != nil {
		return Stream{}, nil, fmt.Errorf("stream %d: %w", stream, err)
	}
	return st, statuses(kinds), nil
}

const streamsSQL = `
SELECT stream_id
FROM   stream
WHERE  tenant_id = $1
ORDER  BY stream_id`

// Streams lists the ids of a tenant's streams.
func (s *Store) Streams(ctx context.Context, tenant protocol.TenantID) ([]protocol.StreamID, error) {
	return list(ctx, s.read, "streams", func(rows *sql.Rows, id *protocol.StreamID) error {
		return rows.Scan(id)
	}, streamsSQL, tenant)
}

const setStreamStatusSQL = `
UPDATE stream
SET    status = $3, cause = $4
WHERE  tenant_id = $1 AND stream_id = $2`

// SuspendStream stops a stream until ReleaseStream.
func (s *Store) SuspendStream(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, cause Cause) error {
	return s.one(ctx, "suspend stream", setStreamStatusSQL, tenant, stream, StreamSuspended, cause)
}

// ReleaseStream lets a held or suspended stream take batches again.
func (s *Store) ReleaseStream(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) error {
	return s.one(ctx, "release stream", setStreamStatusSQL, tenant, stream, StreamOK, Cause{})
}

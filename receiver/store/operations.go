package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

// FleetAgent is what LESSOR's operations see of one agent and its stream: metadata, no tenant data.
type FleetAgent struct {
	Tenant          protocol.TenantID
	TenantCode      string
	TenantName      string
	TenantSuspended bool
	Agent           protocol.AgentID
	State           AgentState
	Hostname        string
	Version         string
	Platform        string
	MainSystem      string
	Address         string // where it last called from
	EnrolledAt      time.Time
	LastContact     time.Time // zero when it never called
	Status          protocol.AgentStatus
	Stream          Stream
	RowsApplied     int64
	Held            int   // kinds whose sweep waits for a person
	Suspended       int   // kinds left out until a person releases them
	Loading         int   // kinds being read in full
	Letters         int64 // dead letters that wait
	ReportsWaiting  int64 // reports not yet acknowledged
	OldestReport    time.Time
}

const fleetSQL = `
SELECT t.tenant_id, t.code, t.name, t.suspended, a.agent_id, a.state, a.hostname, a.version, a.platform, a.main_system,
       a.address, a.enrolled_at, a.last_contact, a.status, a.trouble, a.trouble_at, s.stream_id, s.name, s.gen, s.applied_seq, s.lineage, s.position,
       s.status, s.cause, s.opened_at, s.applied_at, s.captured_at, s.rows_applied,
       COALESCE(k.held, 0), COALESCE(k.suspended, 0), COALESCE(k.loading, 0), COALESCE(k.letters, 0),
       COALESCE(r.waiting, 0), COALESCE(r.oldest, 0)
FROM   agent  a
JOIN   tenant t ON t.tenant_id = a.tenant_id
JOIN   stream s ON s.tenant_id = a.tenant_id AND s.stream_id = a.stream_id
LEFT   JOIN (SELECT tenant_id, stream_id, SUM(CASE WHEN held IN (1, 2) THEN 1 ELSE 0 END) AS held,
                    SUM(CASE WHEN state = 'suspended' THEN 1 ELSE 0 END) AS suspended,
                    SUM(CASE WHEN state IN ('needed', 'running') THEN 1 ELSE 0 END) AS loading,
                    SUM(letters) AS letters
             FROM   stream_kind
             WHERE  planned = 1
             GROUP  BY tenant_id, stream_id) k ON k.tenant_id = a.tenant_id AND k.stream_id = a.stream_id
LEFT   JOIN (SELECT tenant_id, stream_id, COUNT(*) AS waiting, MIN(submitted_at) AS oldest
             FROM   report
             WHERE  settled = 0 AND ack_lineage = ''
             GROUP  BY tenant_id, stream_id) r ON r.tenant_id = a.tenant_id AND r.stream_id = a.stream_id`

const fleetOrderSQL = `
ORDER  BY t.code, a.agent_id`

// Fleet returns all agents by customer.
func (s *Store) Fleet(ctx context.Context) ([]FleetAgent, error) {
	return list(ctx, s.read, "fleet", scanFleetAgent, fleetSQL+fleetOrderSQL)
}

const fleetAgentWhereSQL = `
WHERE  a.tenant_id = $1 AND a.agent_id = $2`

// FleetAgent returns one agent, or ErrNotFound.
func (s *Store) FleetAgent(ctx context.Context, tenant protocol.TenantID, agent protocol.AgentID) (FleetAgent, error) {
	agents, err := list(ctx, s.read, "agent", scanFleetAgent, fleetSQL+fleetAgentWhereSQL, tenant, agent)
	if err != nil {
		return FleetAgent{}, err
	}
	if len(agents) == 0 {
		return FleetAgent{}, fmt.Errorf("read agent %d: %w", agent, ErrNotFound)
	}
	return agents[0], nil
}

func scanFleetAgent(rows *sql.Rows, a *FleetAgent) error {
	var enrolled, contact, opened, applied, captured, oldest, told int64
	var status, trouble string
	err := rows.Scan(&a.Tenant, &a.TenantCode, &a.TenantName, &a.TenantSuspended, &a.Agent, &a.State, &a.Hostname, &a.Version,
		&a.Platform, &a.MainSystem, &a.Address, &enrolled, &contact, &status, &trouble, &told, &a.Stream.ID, &a.Stream.Name, &a.Stream.Gen,
		&a.Stream.AppliedSeq, &a.Stream.Lineage, &a.Stream.Position, &a.Stream.Status, &a.Stream.Cause, &opened, &applied,
		&captured, &a.RowsApplied, &a.Held, &a.Suspended, &a.Loading, &a.Letters, &a.ReportsWaiting, &oldest)
	if err != nil {
		return err
	}
	a.EnrolledAt, a.LastContact, a.OldestReport = instant(enrolled), instant(contact), instant(oldest)
	a.Stream.Tenant, a.Stream.OpenedAt, a.Stream.AppliedAt, a.Stream.CapturedAt = a.Tenant, instant(opened), instant(applied), instant(captured)
	if err := json.Unmarshal([]byte(status), &a.Status); err != nil {
		return err
	}
	return recall(&a.Status, trouble, told)
}

// FleetKind is one record kind of a stream, for operations.
type FleetKind struct {
	Kind       string
	State      protocol.KindState
	Held       bool
	Hold       Hold // for what it is held
	Cause      Cause
	Planned    bool
	Letters    int64 // dead letters that wait
	Kept       int64 // rows of the full read that would have emptied fields and wait; one that came again counts again
	CapturedAt time.Time
}

const fleetKindsSQL = `
SELECT kind, state, held, blanked, cause, planned, letters, captured_at
FROM   stream_kind
WHERE  tenant_id = $1 AND stream_id = $2`

// FleetKinds returns the kinds of a stream, in no order.
func (s *Store) FleetKinds(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) ([]FleetKind, error) {
	return list(ctx, s.read, "record kinds", func(rows *sql.Rows, k *FleetKind) error {
		var blanked, captured int64
		err := rows.Scan(&k.Kind, &k.State, &k.Hold, &blanked, &k.Cause, &k.Planned, &k.Letters, &captured)
		k.Held, k.CapturedAt = k.Hold.waits(), instant(captured)
		if k.Hold == HoldBlanks {
			k.Kept = blanked
		}
		return err
	}, fleetKindsSQL, tenant, stream)
}

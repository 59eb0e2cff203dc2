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

// The fleet is read in three parts: of most agents there is nothing in the last two.
const (
	fleetSQL = `
SELECT t.tenant_id, t.code, t.name, t.suspended, a.agent_id, a.state, a.hostname, a.version, a.platform, a.main_system,
       a.address, a.enrolled_at, a.last_contact, a.status, a.trouble, a.trouble_at, s.stream_id, s.name, s.gen,
       s.applied_seq, s.lineage, s.position, s.status, s.cause, s.opened_at, s.applied_at, s.captured_at, s.rows_applied
FROM   agent  a
JOIN   tenant t ON t.tenant_id = a.tenant_id
JOIN   stream s ON s.tenant_id = a.tenant_id AND s.stream_id = a.stream_id`

	fleetKindsToldSQL = `
SELECT stream_id, SUM(CASE WHEN held IN (1, 2) THEN 1 ELSE 0 END),
       SUM(CASE WHEN state = 'suspended' THEN 1 ELSE 0 END),
       SUM(CASE WHEN state IN ('needed', 'running') THEN 1 ELSE 0 END),
       SUM(letters)
FROM   stream_kind
WHERE  planned = 1 AND (state <> 'ok' OR held <> 0 OR letters > 0)`

	fleetReportsSQL = `
SELECT stream_id, COUNT(*), MIN(submitted_at)
FROM   report
WHERE  settled = 0 AND ack_lineage = ''`

	fleetOrderSQL = `
ORDER  BY t.code, a.agent_id`

	perStreamSQL = `
GROUP  BY tenant_id, stream_id`

	fleetAgentWhereSQL = `
WHERE  a.tenant_id = $1 AND a.agent_id = $2`

	ofStreamSQL = ` AND tenant_id = $1 AND stream_id = $2`
)

// Fleet returns all agents by customer.
func (s *Store) Fleet(ctx context.Context) ([]FleetAgent, error) {
	agents, err := list(ctx, s.read, "fleet", scanFleetAgent, fleetSQL+fleetOrderSQL)
	if err != nil {
		return nil, err
	}
	return agents, s.tell(ctx, agents, perStreamSQL)
}

// FleetAgent returns one agent, or ErrNotFound.
func (s *Store) FleetAgent(ctx context.Context, tenant protocol.TenantID, agent protocol.AgentID) (FleetAgent, error) {
	agents, err := list(ctx, s.read, "agent", scanFleetAgent, fleetSQL+fleetAgentWhereSQL, tenant, agent)
	if err != nil {
		return FleetAgent{}, err
	}
	if len(agents) == 0 {
		return FleetAgent{}, fmt.Errorf("read agent %d: %w", agent, ErrNotFound)
	}
	err = s.tell(ctx, agents, ofStreamSQL+perStreamSQL, tenant, agents[0].Stream.ID)
	return agents[0], err
}

// tell adds what waits to agents: record kinds, and reports. Ids of streams are never of two tenants.
func (s *Store) tell(ctx context.Context, agents []FleetAgent, of string, args ...any) error {
	kinds, err := list(ctx, s.read, "record kinds that wait", func(rows *sql.Rows, a *FleetAgent) error {
		return rows.Scan(&a.Stream.ID, &a.Held, &a.Suspended, &a.Loading, &a.Letters)
	}, fleetKindsToldSQL+of, args...)
	if err != nil {
		return err
	}
	reports, err := list(ctx, s.read, "reports that wait", func(rows *sql.Rows, a *FleetAgent) error {
		var oldest int64
		err := rows.Scan(&a.Stream.ID, &a.ReportsWaiting, &oldest)
		a.OldestReport = instant(oldest)
		return err
	}, fleetReportsSQL+of, args...)
	if err != nil {
		return err
	}
	places := make(map[protocol.StreamID][]int, len(agents))
	for i := range agents {
		places[agents[i].Stream.ID] = append(places[agents[i].Stream.ID], i)
	}
	for _, k := range kinds {
		for _, i := range places[k.Stream.ID] {
			a := &agents[i]
			a.Held, a.Suspended, a.Loading, a.Letters = k.Held, k.Suspended, k.Loading, k.Letters
		}
	}
	for _, r := range reports {
		for _, i := range places[r.Stream.ID] {
			agents[i].ReportsWaiting, agents[i].OldestReport = r.ReportsWaiting, r.OldestReport
		}
	}
	return nil
}

func scanFleetAgent(rows *sql.Rows, a *FleetAgent) error {
	var enrolled, contact, opened, applied, captured, told int64
	var status, trouble string
	err := rows.Scan(&a.Tenant, &a.TenantCode, &a.TenantName, &a.TenantSuspended, &a.Agent, &a.State, &a.Hostname, &a.Version,
		&a.Platform, &a.MainSystem, &a.Address, &enrolled, &contact, &status, &trouble, &told, &a.Stream.ID, &a.Stream.Name, &a.Stream.Gen,
		&a.Stream.AppliedSeq, &a.Stream.Lineage, &a.Stream.Position, &a.Stream.Status, &a.Stream.Cause, &opened, &applied,
		&captured, &a.RowsApplied)
	if err != nil {
		return err
	}
	a.EnrolledAt, a.LastContact = instant(enrolled), instant(contact)
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

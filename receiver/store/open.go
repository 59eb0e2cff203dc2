package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"lessor.dk/portalsync/protocol"
)

// StreamOpening is what an agent says when it opens a stream.
type StreamOpening struct {
	Agent        protocol.AgentID
	BootNonce    string
	HeldGen      protocol.Generation // that the process was given last; 0 before its first
	InstallID    string
	Lineage      protocol.Lineage  // of the main system now; the checkpoint's own moves only when a cut is applied
	Position     protocol.Position // of the main system now
	AgentVersion string
	Platform     string
	PlanHash     string
	Schemas      []protocol.Schema // one per planned kind, checked by the caller
	Now          time.Time
}

// clonedOpens is how often in a row two agent processes may take a stream from each other before it is suspended.
// A boot nonce returns when its process lives on beside another one, or when the network delivers an OPEN late or
// again. Only the living process knows the last generation that its nonce was given, so only that counts.
const clonedOpens = 4

const openingSQL = `
SELECT boot_nonce, previous_nonce, previous_gen, returned_nonces, plan_hash
FROM   stream
WHERE  tenant_id = $1 AND stream_id = $2`

const openStreamSQL = `
UPDATE stream
SET    gen = $3, applied_seq = 0, status = $4, cause = $5, agent_id = $6, opened_at = $7, install_id = $8,
       seen_lineage = $9, seen_position = $10, plan_hash = $11, boot_nonce = $12, previous_nonce = $13,
       returned_nonces = $14, previous_gen = $15, half_cut = ''
WHERE  tenant_id = $1 AND stream_id = $2`

const agentProgramSQL = `
UPDATE agent
SET    version = $3, platform = $4, install_id = $5
WHERE  tenant_id = $1 AND agent_id = $2 AND stream_id = $6`

// OpenStream begins a generation: gen becomes max(gen + 1, now in unix ms), so it never repeats, also across a
// restore of the portal, and fences every older writer. Planned kinds that are new become needed; kinds no longer
// planned are suspended with that cause, and needed when they are planned again; a changed plan makes every kind
// needed, for its rows may be others, and leaves it held if it is for blanks. A held stream goes on; a suspended one stays
// so. Two processes that take the stream from each other in turns suspend it. An agent of another stream is ErrNotFound.
func (s *Store) OpenStream(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, o StreamOpening) (Stream, []protocol.KindStatus, error) {
	var st Stream
	var kinds []protocol.KindStatus
	err := s.InStream(ctx, tenant, stream, func(tx *StreamTx) error {
		if err := one(ctx, tx.tx(), "find the agent's stream", agentProgramSQL, tenant, o.Agent, o.AgentVersion, o.Platform, o.InstallID, stream); err != nil {
			return err
		}
		if err := tx.open(ctx, o); err != nil {
			return err
		}
		var err error
		if st, err = readStream(ctx, tx.tx(), "", tenant, stream); err != nil {
			return err
		}
		kinds = tx.Kinds()
		return nil
	})
	if err != nil {
		return Stream{}, nil, fmt.Errorf("open: %w", err)
	}
	return st, kinds, nil
}

func (tx *StreamTx) open(ctx context.Context, o StreamOpening) error {
	var boot, previous, plan string
	var previousGen protocol.Generation
	var returned int
	tenant, stream := tx.stream.Tenant, tx.stream.ID
	if err := tx.tx().QueryRowContext(ctx, openingSQL, tenant, stream).Scan(&boot, &previous, &previousGen, &returned, &plan); err != nil {
		return fmt.Errorf("read last opening: %w", err)
	}
	switch o.BootNonce {
	case boot:
	case previous:
		if returned++; o.HeldGen != previousGen {
			returned = 0
		}
		previous, previousGen = boot, tx.stream.Gen
	default:
		returned, previous, previousGen = 0, boot, tx.stream.Gen
	}
	status, cause := tx.stream.Status, tx.stream.Cause
	switch {
	case returned >= clonedOpens:
		status, cause, returned = StreamSuspended, Cause{Code: CauseTwoAgents}, 0
	case status == StreamHeld:
		status, cause = StreamOK, Cause{}
	}
	gen := max(tx.stream.Gen+1, protocol.Generation(o.Now.UnixMilli()))
	err := one(ctx, tx.tx(), "begin generation", openStreamSQL, tenant, stream, gen, status, cause, o.Agent, millis(o.Now),
		o.InstallID, o.Lineage, o.Position, o.PlanHash, o.BootNonce, previous, returned, previousGen)
	if err != nil {
		return err
	}
	return tx.planKinds(ctx, o.Schemas, plan != "" && plan != o.PlanHash)
}

// planKinds brings the kinds in line with the agent's plan.
func (tx *StreamTx) planKinds(ctx context.Context, schemas []protocol.Schema, changed bool) error {
	for _, schema := range schemas {
		if err := tx.saveSchema(ctx, schema); err != nil {
			return err
		}
		old, err := tx.kind(schema.Kind)
		switch {
		case err != nil:
		case !old.planned:
		case old.State == protocol.KindSuspended, old.State == protocol.KindNeeded, !changed:
			continue
		}
		needed := kindRow{KindStatus: protocol.KindStatus{Kind: schema.Kind, State: protocol.KindNeeded}, planned: true}
		if old.hold == HoldBlanks {
			needed.hold, needed.cause = old.hold, old.cause
		}
		if err := tx.saveKind(ctx, needed); err != nil {
			return err
		}
	}
	for _, k := range slices.Clone(tx.kinds) {
		if !k.planned || slices.ContainsFunc(schemas, func(s protocol.Schema) bool { return s.Kind == k.Kind }) {
			continue
		}
		dropped := kindRow{KindStatus: protocol.KindStatus{Kind: k.Kind, State: protocol.KindSuspended}, cause: Cause{Code: CauseUnplanned}}
		if err := tx.saveKind(ctx, dropped); err != nil {
			return err
		}
	}
	return nil
}

const saveSchemaSQL = `
INSERT INTO agent_schema (tenant_id, hash, body)
VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, hash) DO NOTHING`

func (tx *StreamTx) saveSchema(ctx context.Context, schema protocol.Schema) error {
	body, err := json.Marshal(schema)
	if err != nil {
		return fmt.Errorf("encode schema of %s: %w", schema.Kind, err)
	}
	if _, err := tx.tx().ExecContext(ctx, saveSchemaSQL, tx.stream.Tenant, schema.Hash().String(), string(body)); err != nil {
		return fmt.Errorf("save schema of %s: %w", schema.Kind, err)
	}
	return nil
}

const schemaSQL = `
SELECT body
FROM   agent_schema
WHERE  tenant_id = $1 AND hash = $2`

// Schema returns a schema that one of the tenant's agents named in an OPEN. Schemas are never deleted.
func (s *Store) Schema(ctx context.Context, tenant protocol.TenantID, hash protocol.SchemaHash) (protocol.Schema, error) {
	var body string
	if err := s.read.QueryRowContext(ctx, schemaSQL, tenant, hash.String()).Scan(&body); err != nil {
		return protocol.Schema{}, fmt.Errorf("schema %s: %w", hash, found(err))
	}
	var schema protocol.Schema
	if err := json.Unmarshal([]byte(body), &schema); err != nil {
		return protocol.Schema{}, fmt.Errorf("read schema %s: %w", hash, err)
	}
	return schema, nil
}

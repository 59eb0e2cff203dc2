package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

// AgentState says what an agent, or one of its keys, may do.
type AgentState string

// The states of an agent and of an agent's key.
const (
	AgentActive     AgentState = "active"
	AgentSuspended  AgentState = "suspended"  // a person stopped it for now
	AgentRevoked    AgentState = "revoked"    // it never returns
	AgentSuperseded AgentState = "superseded" // another key took over
)

// AgentKey is an agent as known by one of its keys.
type AgentKey struct {
	Agent           protocol.AgentID
	Tenant          protocol.TenantID
	Stream          protocol.StreamID
	State           AgentState // the agent's, or the key's when the key is not active
	TenantSuspended bool
	SignKey         []byte // Ed25519 public key
	SealKey         []byte // HPKE public key
}

const agentByKeySQL = `
SELECT k.tenant_id, k.agent_id, a.stream_id, CASE WHEN k.state = 'active' THEN a.state ELSE k.state END,
       t.suspended, k.sign_key, k.seal_key
FROM   agent_key k
JOIN   agent     a ON a.tenant_id = k.tenant_id AND a.agent_id = k.agent_id
JOIN   tenant    t ON t.tenant_id = k.tenant_id
WHERE  k.key_id = $1`

// AgentByKey finds the agent that signs with a key. An unknown key is ErrNotFound.
func (s *Store) AgentByKey(ctx context.Context, key protocol.KeyID) (AgentKey, error) {
	var a AgentKey
	err := s.read.QueryRowContext(ctx, agentByKeySQL, key).Scan(&a.Tenant, &a.Agent, &a.Stream, &a.State,
		&a.TenantSuspended, &a.SignKey, &a.SealKey)
	if err != nil {
		return AgentKey{}, fmt.Errorf("agent with key %s: %w", key, found(err))
	}
	return a, nil
}

const setAgentStateSQL = `
UPDATE agent
SET    state = $3
WHERE  tenant_id = $1 AND agent_id = $2`

// SetAgentState suspends, resumes or revokes an agent.
func (s *Store) SetAgentState(ctx context.Context, tenant protocol.TenantID, agent protocol.AgentID, state AgentState) error {
	return s.one(ctx, "set agent state", setAgentStateSQL, tenant, agent, state)
}

// keepTrouble is how long an agent's last trouble is kept when its check-ins bring none: it has restarted since.
const keepTrouble = 7 * 24 * time.Hour

const saveCheckInSQL = `
UPDATE agent
SET    status = $3, address = $4, last_contact = $5,
       trouble = CASE WHEN CAST($6 AS TEXT) <> '' THEN CAST($6 AS TEXT) WHEN trouble_at < $8 THEN '' ELSE trouble END,
       trouble_at = CASE WHEN CAST($6 AS TEXT) <> '' THEN CAST($7 AS BIGINT) ELSE trouble_at END
WHERE  tenant_id = $1 AND agent_id = $2`

// SaveCheckIn keeps what an agent said of itself, where it called from and when. The last trouble that it told is kept
// for 7 days after it was over, also when the agent has forgotten it.
func (s *Store) SaveCheckIn(ctx context.Context, tenant protocol.TenantID, agent protocol.AgentID, status protocol.AgentStatus, address string, at time.Time) error {
	b, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("encode status of agent %d: %w", agent, err)
	}
	trouble, told, err := troubleOf(status, at)
	if err != nil {
		return fmt.Errorf("encode trouble of agent %d: %w", agent, err)
	}
	return s.one(ctx, "save check-in", saveCheckInSQL, tenant, agent, string(b), address, millis(at), trouble, told,
		millis(at.Add(-keepTrouble)))
}

// troubleOf returns the trouble of a status as it is kept, and when it was over or, while it lasts, last told.
func troubleOf(status protocol.AgentStatus, at time.Time) (text string, told int64, err error) {
	if status.LastTrouble == nil {
		return "", 0, nil
	}
	b, err := json.Marshal(status.LastTrouble)
	return string(b), cmp.Or(status.LastTrouble.Until, millis(at)), err
}

// recall gives a status the last trouble that its agent told before it restarted. One that lasted then was over with
// the restart: nobody waits for the requests of a process that is gone.
func recall(status *protocol.AgentStatus, trouble string, told int64) error {
	if status.LastTrouble != nil || trouble == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(trouble), &status.LastTrouble); err != nil {
		return fmt.Errorf("read last trouble: %w", err)
	}
	status.LastTrouble.Until = told
	return nil
}

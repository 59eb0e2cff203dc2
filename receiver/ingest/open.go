package ingest

import (
	"fmt"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// open begins a generation and answers with the portal's checkpoint.
func (in *Ingest) open(c *call) (any, error) {
	var r protocol.OpenRequest
	if err := c.message(&r); err != nil {
		return nil, err
	}
	if r.Stream != c.agent.Stream {
		return nil, notYours()
	}
	if r.Protocol != protocol.Version {
		return nil, &protocol.Reject{Code: protocol.CodeVersion, Detail: fmt.Sprintf("the agent speaks protocol version %d, the receiver %d: update the older of them", r.Protocol, protocol.Version)}
	}
	for _, s := range r.Schemas {
		if err := s.Check(); err != nil {
			return nil, malformed("%v", err)
		}
	}
	stream, kinds, err := in.store.OpenStream(c.Context(), c.agent.Tenant, c.agent.Stream, store.StreamOpening{
		Agent:        c.agent.Agent,
		BootNonce:    r.BootNonce,
		HeldGen:      r.Gen,
		InstallID:    r.InstallID,
		Lineage:      r.Lineage,
		Position:     r.Position,
		AgentVersion: r.Agent,
		Platform:     r.Platform,
		PlanHash:     r.Plan,
		Schemas:      r.Schemas,
		Now:          c.now,
	})
	if err != nil {
		return nil, err
	}
	blobKey, err := in.sealedBlobKey(c)
	if err != nil {
		return nil, err
	}
	in.log.InfoContext(c.Context(), "stream opened", "tenant", c.agent.Tenant, "stream", c.agent.Stream, "agent", c.agent.Agent, "gen", stream.Gen)
	return protocol.OpenAnswer{
		Gen:      stream.Gen,
		Lineage:  stream.Lineage,
		Position: stream.Position,
		Kinds:    kinds,
		Keyset:   in.keys.Version(),
		BlobKey:  blobKey,
	}, nil
}

func (in *Ingest) sealedBlobKey(c *call) ([]byte, error) {
	key, err := in.store.BlobKey(c.Context(), c.agent.Tenant)
	if err != nil {
		return nil, err
	}
	return c.sealToAgent(protocol.PurposeSecret, protocol.BlobKeyID, key)
}

// sealToAgent seals something so that only the calling agent can open it, and only as what it is.
func (c *call) sealToAgent(p protocol.Purpose, id string, plaintext []byte) ([]byte, error) {
	pub, err := protocol.ParseSealingPublic(c.agent.SealKey)
	if err != nil {
		return nil, fmt.Errorf("seal to agent %d: %w", c.agent.Agent, err)
	}
	address := protocol.Address{Purpose: p, Tenant: c.agent.Tenant, Stream: c.agent.Stream, Agent: c.agent.Agent, ID: id}
	sealed, err := protocol.SealTo(pub, address, plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal to agent %d: %w", c.agent.Agent, err)
	}
	return sealed, nil
}

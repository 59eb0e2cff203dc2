package push

import (
	"context"
	"fmt"

	"lessor.dk/portalsync/protocol"
)

// BlobName returns the name under which PutBlob would store a document.
func (c *Client) BlobName(content []byte) (string, error) {
	key := c.blobKey.Load()
	if key == nil {
		return "", errNoBlobKey
	}
	return protocol.BlobName(*key, content), nil
}

// Digest asks what the portal holds of a record kind. It waits while the receiver is busy reading. Keys of the answer are
// opened: only this agent can.
func (c *Client) Digest(ctx context.Context, r protocol.DigestRequest) (protocol.DigestAnswer, error) {
	var a protocol.DigestAnswer
	if err := c.post(ctx, protocol.PathDigest, r, &a); err != nil {
		return protocol.DigestAnswer{}, err
	}
	if len(a.Keys) == 0 {
		return a, nil
	}
	keys, err := protocol.OpenFrom(c.id.Seal, protocol.Address{
		Purpose: protocol.PurposeSecret, Tenant: c.id.Tenant, Stream: c.id.Stream, Agent: c.id.Agent, ID: protocol.DigestKeysID(r.Kind),
	}, a.Keys)
	if err != nil {
		return protocol.DigestAnswer{}, fmt.Errorf("open the keys of %s: %w", r.Kind, err)
	}
	a.Keys = keys
	return a, nil
}

// Verified tells operations the outcome of a verification. Telling it twice is the same.
func (c *Client) Verified(ctx context.Context, r protocol.VerifiedRequest) error {
	return c.post(ctx, protocol.PathVerified, r, nil)
}

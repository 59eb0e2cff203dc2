package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"lessor.dk/portalsync/protocol"
)

// Open begins a generation and keeps the tenant's key of blob names for PutBlob.
func (c *Client) Open(ctx context.Context, r protocol.OpenRequest) (protocol.OpenAnswer, error) {
	var a protocol.OpenAnswer
	if err := c.post(ctx, protocol.PathOpen, r, &a); err != nil {
		return protocol.OpenAnswer{}, err
	}
	if len(a.BlobKey) > 0 {
		key, err := protocol.OpenFrom(c.id.Seal, protocol.Address{
			Purpose: protocol.PurposeSecret, Tenant: c.id.Tenant, Stream: c.id.Stream, Agent: c.id.Agent, ID: protocol.BlobKeyID,
		}, a.BlobKey)
		if err != nil {
			return protocol.OpenAnswer{}, fmt.Errorf("open the key of blob names: %w", err)
		}
		c.blobKey.Store(&key)
	}
	c.renew(ctx, a.Keyset)
	return a, nil
}

// Batch seals and sends an encoded batch. It waits while the receiver is full or busy; gap, reopen,
// too-large and the like come back as *[protocol.Reject].
func (c *Client) Batch(ctx context.Context, h protocol.StreamHeader, encoded []byte) (protocol.BatchAnswer, error) {
	sealed, err := c.sealed(ctx, func(ks *protocol.Keyset) ([]byte, error) {
		return c.sealer.SealBatch(ks, c.Now(), h, encoded)
	})
	if err != nil {
		return protocol.BatchAnswer{}, fmt.Errorf("seal batch: %w", err)
	}
	send := &call{
		client: c, method: http.MethodPost, path: protocol.PathBatch, media: protocol.MediaBatch, body: sealed,
		header: http.Header{http.CanonicalHeaderKey(protocol.HeaderStream): {h.String()}},
	}
	var a protocol.BatchAnswer
	return a, send.do(ctx, &a)
}

// sealed seals with the keyset held, or waits for one that has a key for now.
func (c *Client) sealed(ctx context.Context, seal func(*protocol.Keyset) ([]byte, error)) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		ks, err := c.Keyset(ctx)
		if err != nil {
			return nil, err
		}
		sealed, err := seal(ks)
		if !errors.Is(err, protocol.ErrNoSealingKey) {
			return sealed, err
		}
		if err := c.refreshKeyset(ctx); err == nil && c.keyset.Load() != ks {
			continue
		}
		c.trouble(nil, c.troubleOf(fmt.Errorf("%w: %w", errKeyset, err), nil))
		if err := pause(ctx, c.cfg.Wait(attempt, 0)); err != nil {
			return nil, err
		}
	}
}

// Ack tells the receiver which reports are in the main system. Telling it twice is the same.
func (c *Client) Ack(ctx context.Context, acks []protocol.Ack) error {
	return c.post(ctx, protocol.PathAck, protocol.AckRequest{Stream: c.id.Stream, Acks: acks}, nil)
}

// Report opens a report that was sealed to this agent.
func (c *Client) Report(r protocol.SealedReport) (protocol.Report, error) {
	var report protocol.Report
	text, err := protocol.OpenFrom(c.id.Seal, protocol.Address{
		Purpose: protocol.PurposeReport, Tenant: c.id.Tenant, Stream: c.id.Stream, Agent: c.id.Agent, ID: string(r.ID),
	}, r.Sealed)
	if err != nil {
		return report, fmt.Errorf("open report %s: %w", r.ID, err)
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return protocol.Report{}, fmt.Errorf("read report %s: it is not of a form this agent knows: update it", r.ID)
	}
	return report, nil
}

func (c *Client) post(ctx context.Context, path string, message, answer any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode request to %s: %w", path, err)
	}
	send := &call{client: c, method: http.MethodPost, path: path, media: protocol.MediaJSON, body: body, patient: path == protocol.PathDigest}
	return send.do(ctx, answer)
}

// pause waits or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

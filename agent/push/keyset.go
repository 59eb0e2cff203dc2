package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"lessor.dk/portalsync/protocol"
)

// errKeyset reports a keyset that the root pinned at enrolment did not sign, or an older one.
var errKeyset = errors.New("keyset not taken")

// Keyset returns the receiver's keys, fetching them when none are held yet.
func (c *Client) Keyset(ctx context.Context) (*protocol.Keyset, error) {
	if err := c.needKeyset(ctx); err != nil {
		return nil, err
	}
	return c.keyset.Load(), nil
}

// needKeyset fetches the keyset if none is held, and blocks until there is one.
func (c *Client) needKeyset(ctx context.Context) error {
	for attempt := 0; c.keyset.Load() == nil; attempt++ {
		if err := c.refreshKeyset(ctx); err == nil {
			return nil
		}
		if err := pause(ctx, c.cfg.Wait(attempt, 0)); err != nil {
			return err
		}
	}
	return nil
}

// renew fetches the keyset when an answer names a newer version. A failure is told as trouble and
// mended by the next answer.
func (c *Client) renew(ctx context.Context, version int) {
	if held := c.keyset.Load(); held == nil || version > held.Version {
		if err := c.refreshKeyset(ctx); err != nil {
			c.cfg.Log.DebugContext(ctx, "keyset not renewed", "err", err)
		}
	}
}

// refreshKeyset makes one attempt to fetch the keyset. It takes only what the pinned root signed,
// and never a version older than the one held.
func (c *Client) refreshKeyset(ctx context.Context) error {
	c.fetching.Lock()
	defer c.fetching.Unlock()
	var signed protocol.SignedKeyset
	fetch := &call{client: c, method: http.MethodGet, path: protocol.PathKeyset, media: protocol.MediaJSON, keyless: true, once: true}
	if err := fetch.do(ctx, nil); err != nil {
		return err
	}
	err := json.Unmarshal(fetch.answer, &signed)
	var ks *protocol.Keyset
	if err == nil {
		ks, err = signed.Verify(c.id.Root, c.Now())
	}
	held := c.keyset.Load()
	if err == nil && held != nil && held.NewerThan(ks) {
		err = fmt.Errorf("version %d is older than %d", ks.Version, held.Version)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", errKeyset, err)
		c.trouble(nil, c.troubleOf(err, nil))
		return err
	}
	if !ks.NewerThan(held) {
		return nil
	}
	c.keyset.Store(ks)
	c.cfg.Log.InfoContext(ctx, "took newer keyset", "version", ks.Version)
	if c.cfg.SaveKeyset == nil {
		return nil
	}
	if err := c.cfg.SaveKeyset(signed); err != nil {
		c.cfg.Log.WarnContext(ctx, "newer keyset not kept on disk", "err", err)
	}
	return nil
}

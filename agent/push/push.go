// Package push delivers what capture reads: it seals, signs, sends, sends again, and believes
// nothing but an answer that the receiver signed for this very request. Proxies, captive portals
// and strangers can delay it and are named to operations; they cannot make it forget or go on.
//
// It implements the specification's parts on signing, sealing, enrolment and HTTP.
package push

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lessor.dk/portalsync/protocol"
)

// Identity is who the agent is to the receiver.
type Identity struct {
	Sign   *protocol.SigningKey
	Seal   *protocol.SealingKey
	Root   protocol.RootFingerprint
	Keyset *protocol.SignedKeyset // newest known; nil is fetched
	// Agent, Tenant and Stream are zero until enrolled.
	Agent  protocol.AgentID
	Tenant protocol.TenantID
	Stream protocol.StreamID
}

// Config tunes a Client. The zero value is usable.
type Config struct {
	// Proxy is the URL of an HTTP proxy, user and password included; empty means HTTPS_PROXY and
	// NO_PROXY of the environment.
	Proxy string
	// ExtraCA holds certificates in PEM that are trusted beside the system's, for a proxy that
	// intercepts TLS.
	ExtraCA []byte
	// Transport replaces the network, proxies and TLS altogether; nil is the network.
	Transport http.RoundTripper
	// Now tells the system's time; nil means time.Now. What the receiver says of the clock's error
	// is added to it.
	Now func() time.Time
	// Wait returns how long to wait before trying again: attempt counts from 0, asked is the capped
	// Retry-After or 0. Nil means full jitter from 1 s to 5 min.
	Wait func(attempt int, asked time.Duration) time.Duration
	// Trouble is told, at every failed attempt, a stable code of this package and one sentence for
	// operations; and two empty strings when a signed answer ends the trouble of the last call in it. Nil
	// ignores it.
	Trouble func(code, sentence string)
	// SaveKeyset keeps a newer keyset; nil keeps it in memory only.
	SaveKeyset func(protocol.SignedKeyset) error
	// UserAgent names the program and its version; empty means "portalsync-agent".
	UserAgent string
	Log       *slog.Logger // nil discards
}

// Client talks to one receiver. It is safe for concurrent use. Its methods block, trying again,
// until a signed answer arrives or ctx ends; a refusal that the caller must act on is a
// *[protocol.Reject].
type Client struct {
	base      *url.URL
	id        Identity
	cfg       Config
	transport http.RoundTripper
	sealer    *protocol.Sealer

	keyset    atomic.Pointer[protocol.Keyset]
	fetching  sync.Mutex   // one fetch of the keyset at a time
	offset    atomic.Int64 // nanoseconds from the system's clock to the receiver's
	way       way
	issuer    atomic.Pointer[string]
	skew      atomic.Int64 // nanoseconds from the system's clock to the Date of the last answer
	blobKey   atomic.Pointer[[]byte]
	longPolls longPolls
}

// New returns a Client of the receiver at base, for example https://portal.lessor.dk.
// It does nothing on the network. Errors name the setting that is wrong.
func New(base string, id Identity, cfg Config) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("receiver address %q is not of the form https://host or https://host:port", base)
	}
	if id.Sign == nil || id.Seal == nil {
		return nil, errors.New("the agent has no keys")
	}
	sealer, err := protocol.NewSealer()
	if err != nil {
		return nil, err
	}
	c := &Client{base: u, id: id, cfg: cfg, transport: cfg.Transport, sealer: sealer}
	if c.cfg.Now == nil {
		c.cfg.Now = time.Now
	}
	if c.cfg.Wait == nil {
		c.cfg.Wait = fullJitter
	}
	if c.cfg.Trouble == nil {
		c.cfg.Trouble = func(string, string) {}
	}
	if c.cfg.Log == nil {
		c.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if c.cfg.UserAgent == "" {
		c.cfg.UserAgent = "portalsync-agent"
	}
	if c.transport == nil {
		if c.transport, err = newTransport(cfg); err != nil {
			return nil, err
		}
	}
	if id.Keyset != nil {
		ks, err := id.Keyset.Verify(id.Root, time.Time{})
		if err != nil {
			return nil, fmt.Errorf("read stored keyset: %w", err)
		}
		c.keyset.Store(ks)
	}
	return c, nil
}

// Now returns the time as the receiver sees it: the system's, corrected by what a signed answer
// said of it. The system's clock is never set.
func (c *Client) Now() time.Time { return c.cfg.Now().Add(c.ClockOffset()) }

// ClockOffset returns the correction in use; 0 until the receiver called the clock wrong.
func (c *Client) ClockOffset() time.Duration { return time.Duration(c.offset.Load()) }

// Issuer returns who issued the certificate seen last, for the status: a name that is not the
// receiver's authority is a proxy that intercepts TLS. Empty before the first connection.
func (c *Client) Issuer() string {
	if p := c.issuer.Load(); p != nil {
		return *p
	}
	return ""
}

// Skew returns how far the last answer's Date was ahead of the system's clock, to the second; 0 before
// the first. Anybody can write a Date: it is for a diagnosis, and nothing acts on it.
func (c *Client) Skew() time.Duration { return time.Duration(c.skew.Load()) }

// fine ends a trouble that was told, unless another call is still in it.
func (c *Client) fine(after *call) {
	if c.way.clear(after, c.cfg.Now()) {
		c.cfg.Trouble("", "")
	}
}

// trouble tells what keeps a call from its answer; of is nil for what is no call.
func (c *Client) trouble(of *call, t trouble) {
	c.way.note(of, t, c.cfg.Now())
	c.cfg.Trouble(t.code, t.sentence)
}

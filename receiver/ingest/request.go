package ingest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// call is one request whose head may be trusted as far as its fields say.
type call struct {
	*http.Request
	now      time.Time
	address  string // of the agent, through trusted proxies only
	param    func(string) string
	body     io.Reader // ends in EOF only if it is what was signed
	verified *protocol.Verified
	agent    store.AgentKey      // zero for enrolment
	writer   http.ResponseWriter // for deadlines only
}

// handler returns the answer of a call, or an error that reject turns into a refusal.
type handler func(c *call) (any, error)

// limited runs a handler within the deadline of an ordinary request.
func (in *Ingest) limited(h handler) gin.HandlerFunc {
	return func(g *gin.Context) {
		c := &call{Request: g.Request, now: in.cfg.Now(), address: g.ClientIP(), param: g.Param, writer: g.Writer}
		ctx, cancel := context.WithTimeout(g.Request.Context(), in.cfg.Timeout+maxWait)
		defer cancel()
		c.Request = g.Request.WithContext(ctx)
		deadline(g.Writer, in.cfg.Timeout)
		answer, err := h(c)
		in.answer(g, answer, err)
	}
}

// deadline gives the connection that long to finish the request. Every path sets it, since it outlives the
// request on a connection that is kept. A transport without deadlines has none.
func deadline(w http.ResponseWriter, d time.Duration) {
	rc := http.NewResponseController(w)
	until := time.Now().Add(d)
	_ = rc.SetReadDeadline(until)
	_ = rc.SetWriteDeadline(until)
}

// signed runs a handler for an enrolled agent: the head is verified, the agent's state judged and the announced
// size compared with the limit before a byte of the body is read.
func (in *Ingest) signed(limit int64, h handler) gin.HandlerFunc {
	return in.limited(func(c *call) (any, error) {
		verifier := protocol.Verifier{
			Authority: in.cfg.Authority,
			Window:    in.cfg.Window,
			Keys: func(ctx context.Context, id protocol.KeyID) (ed25519.PublicKey, error) {
				agent, err := in.store.AgentByKey(ctx, id)
				if errors.Is(err, store.ErrNotFound) {
					return nil, nil
				}
				c.agent = agent
				return agent.SignKey, err
			},
		}
		var err error
		if c.verified, err = verifier.Head(c.Request, c.now); err != nil {
			return nil, err
		}
		if err := verdict(c.agent); err != nil {
			return nil, err
		}
		if s := c.verified.Stream; s != nil && (s.Tenant != c.agent.Tenant || s.Stream != c.agent.Stream) {
			return nil, notYours()
		}
		if err := c.limit(limit); err != nil {
			return nil, err
		}
		return h(c)
	})
}

// limit bounds the body; a body that announces more is refused unread.
func (c *call) limit(limit int64) error {
	if c.ContentLength > limit {
		return tooLarge(limit)
	}
	c.body = c.verified.Body(http.MaxBytesReader(c.writer, c.Body, limit))
	return nil
}

func tooLarge(limit int64) error {
	return &protocol.Reject{Code: protocol.CodeTooLarge, Detail: fmt.Sprintf("the body is larger than the %d bytes that fit here", limit)}
}

func notYours() error {
	return &protocol.Reject{Code: protocol.CodeForbidden, Detail: "the request names a tenant or stream that is not the agent's own"}
}

// verdict refuses an agent that may not send (protocol part 8).
func verdict(a store.AgentKey) error {
	switch {
	case a.State == store.AgentRevoked:
		return &protocol.Reject{Code: protocol.CodeRevoked, Detail: "the agent was revoked in the portal: enrol again with a new code"}
	case a.State == store.AgentSuperseded:
		return &protocol.Reject{Code: protocol.CodeRevoked, Detail: "another installation took over this agent's identity: stop this one"}
	case a.State == store.AgentSuspended:
		return &protocol.Reject{Code: protocol.CodeSuspended, Detail: "the agent was suspended in the portal: an administrator can resume it"}
	case a.TenantSuspended:
		return &protocol.Reject{Code: protocol.CodeSuspended, Detail: "the customer's service is suspended: ask LESSOR"}
	}
	return nil
}

// bytes reads the whole body. It allocates what was announced, which limit has judged.
func (c *call) bytes() ([]byte, error) {
	var b bytes.Buffer
	if c.ContentLength > 0 {
		b.Grow(int(c.ContentLength) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(c.body); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return b.Bytes(), nil
}

// message reads the body as one JSON message. Members that this version does not know are skipped: a newer agent
// may send more.
func (c *call) message(into any) error {
	body, err := c.bytes()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return malformed("the body is not the JSON message of this path: %v", err)
	}
	return nil
}

func malformed(format string, args ...any) error {
	return &protocol.Reject{Code: protocol.CodeMalformed, Detail: fmt.Sprintf(format, args...)}
}

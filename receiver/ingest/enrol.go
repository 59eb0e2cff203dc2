package ingest

import (
	"crypto/ed25519"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// keyset hands out the receiver's public keys. The root key's signature is inside.
func (in *Ingest) keyset(g *gin.Context) {
	deadline(g.Writer, in.cfg.Timeout)
	g.Header("Cache-Control", "no-store")
	g.JSON(http.StatusOK, in.keys.Signed())
}

var errProof = errors.New("the proof does not match")

// enrol gives a new key its identity if it proves the secret of an invite (protocol part 8). The key is in the
// request; that the sender holds it is proven by the head, and a head is taken once.
func (in *Ingest) enrol(c *call) (any, error) {
	verifier := protocol.Verifier{Authority: in.cfg.Authority, Window: in.cfg.Window, Nonces: in.queue.FirstUse}
	var err error
	if c.verified, err = verifier.EnrolHead(c.Request, c.now); err != nil {
		return nil, err
	}
	if err := c.limit(protocol.MaxMessageBytes); err != nil {
		return nil, err
	}
	var r protocol.EnrolRequest
	if err := c.message(&r); err != nil {
		return nil, err
	}
	if !c.verified.Public.Equal(ed25519.PublicKey(r.SignKey)) {
		return nil, malformed("the key in the message is not the one that signed it")
	}
	if _, err := protocol.ParseSealingPublic(r.SealKey); err != nil {
		return nil, malformed("seal_key: %v", err)
	}
	prove := func(i store.Invite) error {
		if !protocol.CheckEnrolProof(i.Secret, r) {
			return errProof
		}
		return nil
	}
	a, err := in.store.Enrol(c.Context(), r.Invite, c.now, prove, store.NewAgent{
		Key:        c.verified.Key,
		SignKey:    r.SignKey,
		SealKey:    r.SealKey,
		InstallID:  r.InstallID,
		Hostname:   r.Hostname,
		Version:    r.Agent,
		Platform:   r.Platform,
		MainSystem: r.MainSystem,
		Address:    c.address,
	})
	if err != nil {
		return nil, err
	}
	in.log.InfoContext(c.Context(), "agent enrolled", "tenant", a.Tenant, "stream", a.Stream, "agent", a.Agent)
	return protocol.EnrolAnswer{Agent: a.Agent, Tenant: a.Tenant, Stream: a.Stream, Key: c.verified.Key, Customer: a.Customer}, nil
}

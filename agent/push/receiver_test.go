package push

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
)

// receiver answers as a receiver does, and misbehaves as it is told.
type receiver struct {
	t        *testing.T
	root     *protocol.SigningKey
	response *protocol.SigningKey
	sealing  *protocol.SealingKey
	agent    *protocol.SigningKey
	agentKey *protocol.SealingKey
	now      func() time.Time

	mu      sync.Mutex
	version int
	server  *httptest.Server
	seen    []*protocol.Verified // heads that verified
	paths   []string
	bodies  [][]byte
	// answer decides what a verified request gets; nil is an empty object.
	answer func(n int, r *http.Request, body []byte) (int, any)
	// meddle, if set, may answer in place of the receiver: it stands for what is on the way.
	meddle func(n int, w http.ResponseWriter, r *http.Request, next http.HandlerFunc)
	calls  int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{
		t: t, version: 1, now: time.Now,
		root: protocol.NewSigningKey(), response: protocol.NewSigningKey(), agent: protocol.NewSigningKey(),
	}
	var err error
	if r.sealing, err = protocol.NewSealingKey(); err != nil {
		t.Fatal(err)
	}
	if r.agentKey, err = protocol.NewSealingKey(); err != nil {
		t.Fatal(err)
	}
	return r
}

// ServeHTTP lets meddle have the request first.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	n, meddle := r.calls, r.meddle
	if q.URL.Path != protocol.PathKeyset {
		r.calls++
	}
	r.mu.Unlock()
	if meddle != nil && q.URL.Path != protocol.PathKeyset {
		meddle(n, w, q, func(w http.ResponseWriter, q *http.Request) { r.serve(n, w, q) })
		return
	}
	r.serve(n, w, q)
}

func (r *receiver) serve(n int, w http.ResponseWriter, q *http.Request) {
	if q.URL.Path == protocol.PathKeyset {
		json.NewEncoder(w).Encode(r.signedKeyset())
		return
	}
	v := &protocol.Verifier{
		Authority: []string{"portal.test", q.Host},
		Keys: func(context.Context, protocol.KeyID) (ed25519.PublicKey, error) {
			return r.agent.Public(), nil
		},
	}
	head := v.Head
	if q.URL.Path == protocol.PathEnrol {
		head = v.EnrolHead
	}
	verified, err := head(q, r.now())
	if refusal := new(protocol.Reject); errors.As(err, &refusal) {
		r.sign(w, refusal.Code.Status(), refusal, protocol.RequestSignatureOf(q.Header))
		return
	} else if err != nil {
		r.t.Errorf("the verifier refuses with %v, want a Reject", err)
		return
	}
	body, err := io.ReadAll(verified.Body(q.Body))
	if err != nil {
		r.sign(w, http.StatusBadRequest, &protocol.Reject{Code: protocol.CodeBadDigest}, verified.Signature)
		return
	}
	r.mu.Lock()
	r.seen, r.paths, r.bodies = append(r.seen, verified), append(r.paths, q.Method+" "+q.URL.RequestURI()), append(r.bodies, body)
	r.mu.Unlock()
	status, message := http.StatusOK, any(struct{}{})
	if r.answer != nil {
		status, message = r.answer(n, q, body)
	}
	r.sign(w, status, message, verified.Signature)
}

func (r *receiver) sign(w http.ResponseWriter, status int, message any, request protocol.RequestSignature) {
	body, err := json.Marshal(message)
	if err != nil {
		r.t.Error(err)
	}
	if err := r.response.SignResponse(w.Header(), status, body, request, r.now()); err != nil {
		r.t.Error(err)
	}
	w.WriteHeader(status)
	w.Write(body)
}

func (r *receiver) signedKeyset() protocol.SignedKeyset {
	from, until := r.now().Add(-24*time.Hour).UnixMilli(), r.now().Add(21*24*time.Hour).UnixMilli()
	r.mu.Lock()
	defer r.mu.Unlock()
	signed, err := protocol.SignKeyset(r.root, protocol.Keyset{
		Version: r.version, Issued: from, Expires: until,
		Response: []protocol.PublicKey{{ID: r.response.ID(), Public: r.response.Public(), From: from, Until: until}},
		Sealing:  []protocol.PublicKey{{ID: r.sealing.ID(), Public: r.sealing.Public().Bytes(), From: from, Until: until}},
	})
	if err != nil {
		r.t.Error(err)
	}
	return signed
}

func (r *receiver) open(id protocol.KeyID) (*protocol.SealingKey, bool) {
	return r.sealing, id == r.sealing.ID()
}

func (r *receiver) heads() []*protocol.Verified {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// troubles collects what the client tells.
type troubles struct {
	mu    sync.Mutex
	codes []string
	last  string
}

func (t *troubles) tell(code, sentence string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.codes = append(t.codes, code)
	if code != "" {
		t.last = sentence
	}
}

func (t *troubles) all() ([]string, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.codes), t.last
}

// handler carries requests to a handler without a network.
type handler struct{ http.Handler }

func (h handler) RoundTrip(q *http.Request) (*http.Response, error) {
	if err := q.Context().Err(); err != nil {
		return nil, err
	}
	in := q.Clone(q.Context())
	in.RequestURI, in.Host = q.URL.RequestURI(), q.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, in)
	resp := w.Result()
	resp.Request = q
	return resp, nil
}

// client returns a client that reaches the receiver without a network and does not wait.
func (r *receiver) client(cfg Config) *Client {
	r.t.Helper()
	if cfg.Transport == nil {
		cfg.Transport = handler{r}
	}
	return r.clientAt("https://portal.test", cfg)
}

func (r *receiver) clientAt(base string, cfg Config) *Client {
	r.t.Helper()
	if cfg.Wait == nil {
		cfg.Wait = func(int, time.Duration) time.Duration { return 0 }
	}
	c, err := New(base, Identity{
		Sign: r.agent, Seal: r.agentKey, Root: protocol.RootFingerprintOf(r.root.Public()), Agent: 9, Tenant: 1, Stream: 7,
	}, cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

package ingest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/receiver/ingest"
	"lessor.dk/portalsync/receiver/keyring"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
)

// bench is an ingest over HTTP in front of a real store and queue, and one enrolled agent.
type bench struct {
	t       *testing.T
	store   *store.Store
	queue   *queue.Queue
	keys    *keyring.Keyring
	ingest  *ingest.Ingest
	server  *httptest.Server
	metrics *prometheus.Registry

	agent   store.EnrolledAgent
	sign    *protocol.SigningKey
	seal    *protocol.SealingKey
	gen     protocol.Generation
	schema  protocol.Schema
	offset  time.Duration // of the agent's clock
	tamper  func(*http.Request)
	address string
}

func newBench(t *testing.T, cfg ingest.Config) *bench {
	t.Helper()
	b := &bench{t: t, metrics: prometheus.NewRegistry(), schema: protocoltest.Schema(t, "department").Schema}
	var err error
	b.store, err = store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), store.Config{})
	b.must(err)
	t.Cleanup(func() { b.store.Close() })
	b.must(b.store.Migrate(t.Context()))
	b.keys, err = keyring.Open(t.TempDir())
	b.must(err)
	redis, client, err := queue.Embedded("")
	b.must(err)
	t.Cleanup(func() { client.Close(); redis.Close() })
	b.queue = queue.New(client, queue.Config{TenantEntries: 3})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go b.queue.Run(ctx)
	b.server = httptest.NewUnstartedServer(nil)
	cfg.Authority = []string{b.server.Listener.Addr().String()}
	cfg.Metrics = b.metrics
	b.ingest, err = ingest.New(b.store, b.queue, b.keys, cfg)
	b.must(err)
	b.server.Config.Handler, err = b.ingest.Handler()
	b.must(err)
	b.server.Start()
	t.Cleanup(b.server.Close)
	b.address = b.server.URL
	b.enrol("acme")
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// enrol enrols an agent of a new tenant over HTTP and opens its stream.
func (b *bench) enrol(code string) {
	b.t.Helper()
	request := b.invite(code)
	var a protocol.EnrolAnswer
	b.ok(b.post(protocol.PathEnrol, request), &a)
	b.agent = store.EnrolledAgent{Agent: a.Agent, Tenant: a.Tenant, Stream: a.Stream}
	b.open()
}

var secret = [16]byte{1, 2, 3}

// invite makes a tenant, an invite and keys, and returns the request that enrols them.
func (b *bench) invite(code string) protocol.EnrolRequest {
	b.t.Helper()
	tenant, err := b.store.CreateTenant(b.t.Context(), code, "Firma "+code)
	b.must(err)
	b.must(b.store.CreateInvite(b.t.Context(), store.Invite{
		ID: code, Tenant: tenant, Secret: protocol.EnrolVerifier(secret), CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}))
	b.newKeys()
	return b.enrolment(code)
}

func (b *bench) newKeys() {
	b.t.Helper()
	var err error
	b.sign = protocol.NewSigningKey()
	b.seal, err = protocol.NewSealingKey()
	b.must(err)
}

func (b *bench) enrolment(code string) protocol.EnrolRequest {
	r := protocol.EnrolRequest{Invite: code, SignKey: b.sign.Public(), SealKey: b.seal.Public().Bytes(), Hostname: "lon01"}
	r.Proof = protocol.EnrolProof(secret, r)
	return r
}

func (b *bench) open() protocol.OpenAnswer {
	b.t.Helper()
	var a protocol.OpenAnswer
	b.ok(b.post(protocol.PathOpen, b.opening()), &a)
	b.gen = a.Gen
	return a
}

func (b *bench) opening() protocol.OpenRequest {
	return protocol.OpenRequest{Stream: b.agent.Stream, BootNonce: "boot", Protocol: protocol.Version, Schemas: []protocol.Schema{b.schema}}
}

// reply is a verified answer.
type reply struct {
	status  int
	header  http.Header
	body    []byte
	refusal *protocol.Reject // of a status that is not 2xx
}

func (b *bench) post(path string, message any) reply {
	b.t.Helper()
	body, err := json.Marshal(message)
	b.must(err)
	return b.call(http.MethodPost, path, protocol.MediaJSON, body, nil)
}

// call sends a signed request and verifies the answer's signature.
func (b *bench) call(method, path, media string, body []byte, header *protocol.StreamHeader) reply {
	b.t.Helper()
	r, signature := b.request(method, path, media, body, header)
	return b.send(r, signature)
}

func (b *bench) request(method, path, media string, body []byte, header *protocol.StreamHeader) (*http.Request, protocol.RequestSignature) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.address+path, bytes.NewReader(body))
	b.must(err)
	r.Header.Set("Content-Type", media)
	r.Header.Set(protocol.HeaderKey, base64.RawURLEncoding.EncodeToString(b.sign.Public()))
	if header != nil {
		r.Header.Set(protocol.HeaderStream, header.String())
	}
	signature, err := b.sign.SignRequest(r, body, time.Now().Add(b.offset))
	b.must(err)
	if b.tamper != nil {
		b.tamper(r)
	}
	return r, signature
}

func (b *bench) send(r *http.Request, signature protocol.RequestSignature) reply {
	b.t.Helper()
	resp, err := b.server.Client().Do(r)
	b.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	b.must(err)
	if err := b.keys.Keyset().VerifyResponse(resp, body, signature, time.Now()); err != nil {
		b.t.Errorf("%s %s: answer %d: %v", r.Method, r.URL.Path, resp.StatusCode, err)
	}
	got := reply{status: resp.StatusCode, header: resp.Header, body: body}
	if resp.StatusCode/100 != 2 {
		got.refusal = &protocol.Reject{}
		b.must(json.Unmarshal(body, got.refusal))
	}
	return got
}

// ok reads an answer that is no refusal.
func (b *bench) ok(r reply, into any) {
	b.t.Helper()
	if r.refusal != nil {
		b.t.Fatalf("refused: %v", r.refusal)
	}
	b.must(json.Unmarshal(r.body, into))
}

// refused checks an answer's code, and that the code has its own status.
func (b *bench) refused(r reply, want protocol.Code) {
	b.t.Helper()
	if r.refusal == nil {
		b.t.Errorf("answer is %d %s, want %s", r.status, r.body, want)
		return
	}
	if r.refusal.Code != want || r.status != want.Status() {
		b.t.Errorf("answer is %d %v, want %d %s", r.status, r.refusal, want.Status(), want)
	}
	if r.refusal.Detail == "" {
		b.t.Errorf("%s comes without a sentence", want)
	}
}

func (b *bench) header(seq protocol.Seq) *protocol.StreamHeader {
	return &protocol.StreamHeader{Tenant: b.agent.Tenant, Stream: b.agent.Stream, Gen: b.gen, Seq: seq}
}

func (b *bench) batch(seq protocol.Seq) reply {
	b.t.Helper()
	return b.call(http.MethodPost, protocol.PathBatch, protocol.MediaBatch, []byte("sealed"), b.header(seq))
}

func (b *bench) checkIn(wait time.Duration, known protocol.CheckInAnswer) protocol.CheckInAnswer {
	b.t.Helper()
	var a protocol.CheckInAnswer
	b.ok(b.post(protocol.PathCheckIn, b.checkInRequest(wait, known)), &a)
	return a
}

func (b *bench) checkInRequest(wait time.Duration, known protocol.CheckInAnswer) protocol.CheckInRequest {
	return protocol.CheckInRequest{
		Stream: b.agent.Stream, Gen: b.gen, WaitMillis: wait.Milliseconds(), AppliedSeq: known.AppliedSeq,
		KindsHash: protocol.HashKinds(known.Kinds), Status: protocol.AgentStatus{State: "following"},
	}
}

func (b *bench) queued(want int64) {
	b.t.Helper()
	if d, err := b.queue.Depth(b.t.Context()); err != nil || d.Entries != want {
		b.t.Errorf("%d batches are queued (%v), want %d", d.Entries, err, want)
	}
}

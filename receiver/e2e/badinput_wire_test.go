package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/keystore"
	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/push"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// identity is the enrolled agent's.
func (s *scene) identity() *keystore.Identity {
	s.t.Helper()
	keys, err := keystore.Open(s.path("state"))
	s.must(err)
	id, err := keys.Load()
	s.must(err)
	return id
}

// wrongClock runs the agent's own capture and push in this process, against the receiver's, with a clock an hour fast:
// a program's clock cannot be set apart from the machine's.
func (s *scene) wrongClock() {
	s.stop(s.running)
	s.hire(3)
	id := s.identity()
	ca, err := os.ReadFile(s.certificates.CA)
	s.must(err)
	var mu sync.Mutex
	told := map[string]string{}
	client, err := push.New(s.receiver.URL(), push.Identity{
		Sign: id.Sign, Seal: id.Seal, Root: id.Root, Keyset: id.Keyset, Agent: id.Agent, Tenant: id.Tenant, Stream: id.Stream,
	}, push.Config{
		ExtraCA: ca,
		Now:     func() time.Time { return time.Now().Add(time.Hour) },
		Trouble: func(code, sentence string) {
			mu.Lock()
			defer mu.Unlock()
			told[code] = sentence
		},
	})
	s.must(err)
	p, err := plan.Parse("plan.yaml", []byte(scenePlan))
	s.must(err)
	src, err := sqlite.Open(s.path("main.db"), p, sqlite.Config{})
	s.must(err)
	defer src.Close()
	follow := capture.New(src, client, capture.Config{
		Tenant: id.Tenant, Stream: id.Stream, InstallID: id.InstallID, Plan: p.Hash(), Poll: 200 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	g := new(errgroup.Group)
	g.Go(func() error { return follow.Run(ctx) })
	s.equal()
	cancel()
	s.must(g.Wait())
	mu.Lock()
	defer mu.Unlock()
	if want := "This computer's clock is 1h0m0s fast: the agent corrects for it; set the clock."; told[push.TroubleClock] != want {
		s.t.Errorf("told %q, want %q", told[push.TroubleClock], want)
	}
	s.start()
	s.equal()
}

// strangeRequests sends what an agent never would, under the agent's own name and while it runs.
func (s *scene) strangeRequests() {
	s.hire(3)
	s.equal() // so that the generation has a first batch
	id := s.identity()
	st, err := store.Open(s.t.Context(), "sqlite:"+s.path("data/portal.db"), store.Config{})
	s.must(err)
	defer st.Close()
	before, _, err := st.StreamState(s.t.Context(), id.Tenant, id.Stream)
	s.must(err)
	place := protocol.StreamHeader{Tenant: id.Tenant, Stream: id.Stream, Gen: before.Gen, Seq: 1}

	large := s.batch(id.Sign, place, make([]byte, protocol.MaxSealedBytes+1))
	s.refused(large, http.StatusRequestEntityTooLarge, protocol.CodeTooLarge, "larger than the")

	forged := s.batch(protocol.NewSigningKey(), place, []byte("sealed"))
	own := s.batch(id.Sign, place, []byte("sealed"))
	forged.Header.Set("Signature-Input", own.Header.Get("Signature-Input")) // the agent's name over a stranger's signature
	s.refused(forged, http.StatusUnauthorized, protocol.CodeBadSignature, "the signature does not fit what arrived")

	for range 2 { // the first batch of the generation again, with other content, and that again
		var answer protocol.BatchAnswer
		status, body := s.send(s.batch(id.Sign, place, []byte("sealed")))
		if err := json.Unmarshal(body, &answer); status != http.StatusAccepted || err != nil || !answer.Duplicate {
			s.t.Errorf("a replay is answered %d %s, want a duplicate", status, body)
		}
	}
	s.receiverTells("/metrics", `portalsync_ingest_refused_total{code="too-large"} 1`,
		`portalsync_ingest_refused_total{code="bad-signature"} 1`, `portalsync_ingest_batches_total{outcome="duplicate"} 2`)
	after, _, err := st.StreamState(s.t.Context(), id.Tenant, id.Stream)
	s.must(err)
	if after.Gen != before.Gen || after.AppliedSeq < before.AppliedSeq {
		s.t.Errorf("the stream went from %d/%d to %d/%d", before.Gen, before.AppliedSeq, after.Gen, after.AppliedSeq)
	}
	s.hire(3)
	s.equal()
}

func (s *scene) batch(key *protocol.SigningKey, place protocol.StreamHeader, body []byte) *http.Request {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.receiver.URL()+protocol.PathBatch, bytes.NewReader(body))
	s.must(err)
	req.Header.Set("Content-Type", protocol.MediaBatch)
	req.Header.Set(protocol.HeaderStream, place.String())
	if len(body) > 64<<10 {
		req.Header.Set("Expect", "100-continue")
	}
	_, err = key.SignRequest(req, body, time.Now())
	s.must(err)
	return req
}

func (s *scene) send(req *http.Request) (status int, body []byte) {
	s.t.Helper()
	return s.sendWith(nil, req)
}

// sendWith is send with a browser's cookies.
func (s *scene) sendWith(jar http.CookieJar, req *http.Request) (status int, body []byte) {
	s.t.Helper()
	ca, err := os.ReadFile(s.certificates.CA)
	s.must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ExpectContinueTimeout: patience}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Jar: jar}).Do(req)
	s.must(err)
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	s.must(err)
	return resp.StatusCode, b.Bytes()
}

func (s *scene) refused(req *http.Request, wantStatus int, code protocol.Code, sentence string) {
	s.t.Helper()
	status, body := s.send(req)
	var r protocol.Reject
	if err := json.Unmarshal(body, &r); err != nil || status != wantStatus || r.Code != code || !strings.Contains(r.Detail, sentence) {
		s.t.Errorf("answer is %d %s, want %d %s with %q", status, body, wantStatus, code, sentence)
	}
}

package ingest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/ingest"
	"lessor.dk/portalsync/receiver/store"
)

func TestKeysetIsTheRootsAndUnsignedOtherwise(t *testing.T) {
	b := newBench(t, ingest.Config{})
	resp, err := b.server.Client().Get(b.address + protocol.PathKeyset)
	b.must(err)
	defer resp.Body.Close()
	var signed protocol.SignedKeyset
	b.must(json.NewDecoder(resp.Body).Decode(&signed))
	if _, err := signed.Verify(b.keys.Root(), time.Now()); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestEnrol(t *testing.T) {
	b := newBench(t, ingest.Config{})
	request := b.invite("beta")
	t.Run("the identity names the tenant", func(t *testing.T) {
		var a protocol.EnrolAnswer
		b.ok(b.post(protocol.PathEnrol, request), &a)
		if a.Customer != "Firma beta" || a.Key != b.sign.ID() {
			t.Errorf("answer = %+v", a)
		}
	})
	t.Run("the same key may ask again", func(t *testing.T) {
		var a protocol.EnrolAnswer
		b.ok(b.post(protocol.PathEnrol, request), &a)
	})
	t.Run("the same request again is a replay", func(t *testing.T) {
		body, err := json.Marshal(request)
		b.must(err)
		r, signature := b.request(http.MethodPost, protocol.PathEnrol, protocol.MediaJSON, body, nil)
		again := r.Clone(t.Context())
		again.Body, err = r.GetBody()
		b.must(err)
		b.send(r, signature)
		b.refused(b.send(again, signature), protocol.CodeReplay)
	})
	t.Run("another key is a conflict", func(*testing.T) {
		b.newKeys()
		b.refused(b.post(protocol.PathEnrol, b.enrolment("beta")), protocol.CodeConflict)
	})
	t.Run("a wrong proof is refused", func(*testing.T) {
		r := b.invite("gamma")
		r.Proof[0]++
		b.refused(b.post(protocol.PathEnrol, r), protocol.CodeInvite)
	})
	t.Run("an unknown code is refused", func(*testing.T) {
		b.refused(b.post(protocol.PathEnrol, b.enrolment("delta")), protocol.CodeInvite)
	})
	t.Run("a key that did not sign is refused", func(*testing.T) {
		r := b.invite("epsilon")
		b.newKeys()
		b.refused(b.post(protocol.PathEnrol, r), protocol.CodeMalformed)
	})
	t.Run("a sealing key that is none is refused", func(*testing.T) {
		r := b.invite("zeta")
		r.SealKey = []byte("kort")
		r.Proof = protocol.EnrolProof(secret, r)
		b.refused(b.post(protocol.PathEnrol, r), protocol.CodeMalformed)
	})
}

func TestOpen(t *testing.T) {
	b := newBench(t, ingest.Config{})
	t.Run("every OPEN is a new generation with the tenant's key for documents, sealed to the agent", func(t *testing.T) {
		first, second := b.open(), b.open()
		if second.Gen <= first.Gen {
			t.Errorf("generations are %d, %d", first.Gen, second.Gen)
		}
		address := protocol.Address{Purpose: protocol.PurposeSecret, Tenant: b.agent.Tenant, Stream: b.agent.Stream, Agent: b.agent.Agent, ID: protocol.BlobKeyID}
		key, err := protocol.OpenFrom(b.seal, address, second.BlobKey)
		want, _ := b.store.BlobKey(t.Context(), b.agent.Tenant)
		if err != nil || !bytes.Equal(key, want) {
			t.Errorf("the blob key does not open: %v", err)
		}
		if second.Keyset != b.keys.Version() || len(second.Kinds) != 1 {
			t.Errorf("answer = %+v", second)
		}
	})
	t.Run("another protocol version is refused", func(*testing.T) {
		r := b.opening()
		r.Protocol++
		b.refused(b.post(protocol.PathOpen, r), protocol.CodeVersion)
	})
	t.Run("another stream is refused", func(*testing.T) {
		r := b.opening()
		r.Stream++
		b.refused(b.post(protocol.PathOpen, r), protocol.CodeForbidden)
	})
	t.Run("a schema outside the catalogue is refused", func(*testing.T) {
		r := b.opening()
		r.Schemas = []protocol.Schema{{Kind: "secrets"}}
		b.refused(b.post(protocol.PathOpen, r), protocol.CodeMalformed)
	})
	t.Run("what is not JSON is refused", func(*testing.T) {
		b.refused(b.call(http.MethodPost, protocol.PathOpen, protocol.MediaJSON, []byte("{"), nil), protocol.CodeMalformed)
	})
}

func TestBatch(t *testing.T) {
	b := newBench(t, ingest.Config{})
	t.Run("a batch is accepted", func(t *testing.T) {
		if got := b.batch(1); got.status != http.StatusAccepted {
			t.Errorf("answer is %d %s", got.status, got.body)
		}
		b.queued(1)
	})
	t.Run("again it is a duplicate", func(t *testing.T) {
		var a protocol.BatchAnswer
		b.ok(b.batch(1), &a)
		if !a.Duplicate {
			t.Error("not a duplicate")
		}
		b.queued(1)
	})
	t.Run("a gap says where to go on", func(t *testing.T) {
		got := b.batch(5)
		b.refused(got, protocol.CodeGap)
		if got.refusal.Expected != 2 {
			t.Errorf("expected = %d, want 2", got.refusal.Expected)
		}
	})
	t.Run("a full queue says when to come again", func(t *testing.T) {
		b.batch(2)
		b.batch(3)
		got := b.batch(4)
		b.refused(got, protocol.CodeFull)
		if got.header.Get("Retry-After") == "" || got.refusal.RetryAfter < 1 {
			t.Errorf("no Retry-After: %v", got.refusal)
		}
		b.queued(3)
	})
	t.Run("all is counted", func(t *testing.T) {
		got := b.counts()
		for series, want := range map[string]float64{
			"portalsync_ingest_batches_total accepted":  3,
			"portalsync_ingest_batches_total duplicate": 1,
			"portalsync_ingest_batches_total gap":       1,
			"portalsync_ingest_batches_total full":      1,
			"portalsync_ingest_refused_total full":      1,
			"portalsync_ingest_accepted_bytes_total":    18,
			"portalsync_queue_entries":                  3,
			"portalsync_queue_bytes":                    18,
		} {
			if got[series] != want {
				t.Errorf("%s = %v, want %v", series, got[series], want)
			}
		}
	})
}

// counts returns the metrics by name and label value.
func (b *bench) counts() map[string]float64 {
	b.t.Helper()
	families, err := b.metrics.Gather()
	b.must(err)
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

func TestBatchRefused(t *testing.T) {
	tests := map[string]struct {
		prepare func(b *bench)
		header  func(h *protocol.StreamHeader)
		tamper  func(r *http.Request)
		media   string
		want    protocol.Code
	}{
		"a signature of something else": {tamper: otherNonce, want: protocol.CodeBadSignature},
		"no signature":                  {tamper: func(r *http.Request) { r.Header.Del("Signature-Input") }, want: protocol.CodeUnsigned},
		"another path than signed":      {tamper: func(r *http.Request) { r.URL.Path = protocol.PathOpen }, want: protocol.CodeBadSignature},
		"another seq than signed": {tamper: func(r *http.Request) {
			r.Header.Set(protocol.HeaderStream, strings.Replace(r.Header.Get(protocol.HeaderStream), "seq=1", "seq=2", 1))
		}, want: protocol.CodeBadSignature},
		"a key that nobody enrolled":           {prepare: func(b *bench) { b.newKeys() }, want: protocol.CodeUnknownKey},
		"a clock that is an hour off":          {prepare: func(b *bench) { b.offset = time.Hour }, want: protocol.CodeStale},
		"another tenant's stream":              {header: func(h *protocol.StreamHeader) { h.Tenant++ }, want: protocol.CodeForbidden},
		"another stream":                       {header: func(h *protocol.StreamHeader) { h.Stream++ }, want: protocol.CodeForbidden},
		"a generation that is over":            {prepare: func(b *bench) { gen := b.gen; b.open(); b.gen = gen }, want: protocol.CodeReopen},
		"a generation that never was":          {header: func(h *protocol.StreamHeader) { h.Gen++ }, want: protocol.CodeReopen},
		"batch number 0":                       {header: func(h *protocol.StreamHeader) { h.Seq = 0 }, want: protocol.CodeMalformed},
		"another media type":                   {media: protocol.MediaJSON, want: protocol.CodeMalformed},
		"another body than signed":             {tamper: func(r *http.Request) { swapBody(r, "SEALED") }, want: protocol.CodeBadDigest},
		"less body than signed":                {tamper: func(r *http.Request) { swapBody(r, "sea") }, want: protocol.CodeBadDigest},
		"a revoked agent":                      {prepare: state(store.AgentRevoked), want: protocol.CodeRevoked},
		"a suspended agent":                    {prepare: state(store.AgentSuspended), want: protocol.CodeSuspended},
		"an agent whose identity was replaced": {prepare: state(store.AgentSuperseded), want: protocol.CodeRevoked},
		"a suspended tenant":                   {prepare: func(b *bench) { b.must(b.store.SuspendTenant(b.t.Context(), b.agent.Tenant, true)) }, want: protocol.CodeSuspended},
		"a suspended stream": {prepare: func(b *bench) {
			b.must(b.store.SuspendStream(b.t.Context(), b.agent.Tenant, b.agent.Stream, store.Cause{Code: store.CausePerson, Note: "prøve"}))
		}, want: protocol.CodeSuspended},
		"a held stream": {prepare: func(b *bench) {
			b.must(b.store.InStream(b.t.Context(), b.agent.Tenant, b.agent.Stream, func(tx *store.StreamTx) error {
				return tx.Hold(b.t.Context(), store.Cause{Code: store.CausePerson, Note: "prøve"})
			}))
		}, want: protocol.CodeReopen},
	}
	first := newBench(t, ingest.Config{})
	n := 0
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := *first
			b.t = t
			n++
			b.enrol("tenant " + string(rune('a'+n)))
			if tt.prepare != nil {
				tt.prepare(&b)
			}
			h := b.header(1)
			if tt.header != nil {
				tt.header(h)
			}
			if tt.media == "" {
				tt.media = protocol.MediaBatch
			}
			b.tamper = tt.tamper
			got := b.call(http.MethodPost, protocol.PathBatch, tt.media, []byte("sealed"), h)
			b.refused(got, tt.want)
			if tt.want == protocol.CodeStale && got.refusal.ServerTime == 0 {
				t.Error("stale without the server's time")
			}
			b.queued(0)
		})
	}
}

func state(s store.AgentState) func(b *bench) {
	return func(b *bench) { b.must(b.store.SetAgentState(b.t.Context(), b.agent.Tenant, b.agent.Agent, s)) }
}

func swapBody(r *http.Request, body string) {
	r.ContentLength = int64(len(body))
	r.Body = io.NopCloser(strings.NewReader(body))
}

// otherNonce makes the signature one of another request.
func otherNonce(r *http.Request) {
	input := r.Header.Get("Signature-Input")
	at := strings.Index(input, `nonce="`) + len(`nonce="`)
	other := byte('A')
	if input[at] == other {
		other = 'B'
	}
	r.Header.Set("Signature-Input", input[:at]+string(other)+input[at+1:])
}

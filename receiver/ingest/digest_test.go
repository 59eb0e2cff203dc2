package ingest_test

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"slices"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/ingest"
	"lessor.dk/portalsync/receiver/store"
)

// hold puts rows of the bench's kind into the store and returns their hashes. The kind is ok.
func (b *bench) hold(names ...string) []protocol.Pair {
	b.t.Helper()
	schema := protocol.PrepareSchema(b.schema)
	st := b.store.NewStage(schema)
	var h protocol.Hasher
	var pairs []protocol.Pair
	for _, name := range names {
		row := protocol.Row{Values: make([]protocol.Value, len(schema.Fields))}
		for i := range row.Values[:2] {
			row.Values[i] = protocol.TextValue(name)
		}
		p, err := h.Pair(schema, &row)
		b.must(err)
		b.must(st.Upsert(&protocol.DecodedRow{Row: row, KeyHash: p.Key, RowHash: p.Row}))
		pairs = append(pairs, p)
	}
	b.must(b.store.InStream(b.t.Context(), b.agent.Tenant, b.agent.Stream, func(tx *store.StreamTx) error {
		if err := tx.SetKind(b.t.Context(), protocol.KindStatus{Kind: b.schema.Kind, State: protocol.KindOK}, store.Cause{}); err != nil {
			return err
		}
		_, err := tx.Apply(b.t.Context(), st, store.ApplyOptions{})
		return err
	}))
	return pairs
}

func (b *bench) digestRequest() protocol.DigestRequest {
	return protocol.DigestRequest{Stream: b.agent.Stream, Gen: b.gen, Kind: b.schema.Kind, Schema: b.schema.Hash().String()}
}

func TestDigest(t *testing.T) {
	b := newBench(t, ingest.Config{})
	pairs := b.hold("10", "20", "30")
	want := protocol.NewDigest(2)
	for _, p := range pairs {
		want.Add(p)
	}
	t.Run("buckets come when the totals differ", func(t *testing.T) {
		r := b.digestRequest()
		r.Bits = 2
		var a protocol.DigestAnswer
		b.ok(b.post(protocol.PathDigest, r), &a)
		if a.Gen != b.gen || a.State != protocol.KindOK || a.Rows != 3 || a.Sum != want.Total().Sum || !bytes.Equal(a.Buckets, want.Bytes()) {
			t.Errorf("answer = %+v", a)
		}
	})
	t.Run("and do not when they are the agent's", func(t *testing.T) {
		r := b.digestRequest()
		r.Bits, r.Rows, r.Sum = 2, 3, want.Total().Sum
		var a protocol.DigestAnswer
		b.ok(b.post(protocol.PathDigest, r), &a)
		if len(a.Buckets) != 0 || a.Rows != 3 || a.Sum != r.Sum {
			t.Errorf("answer = %+v", a)
		}
	})
	t.Run("pairs are those of the buckets asked for", func(t *testing.T) {
		r := b.digestRequest()
		r.Bits, r.Buckets = 2, []int{want.Bucket(pairs[0].Key)}
		var a protocol.DigestAnswer
		b.ok(b.post(protocol.PathDigest, r), &a)
		got, err := protocol.ParsePairs(a.Pairs)
		if err != nil || !slices.Contains(got, pairs[0]) || len(got) != int(want.Buckets[r.Buckets[0]].Rows) {
			t.Errorf("pairs = %x (err %v)", got, err)
		}
	})
	t.Run("keys are sealed to the agent as those of this kind", func(t *testing.T) {
		r := b.digestRequest()
		r.Keys = binary.BigEndian.AppendUint64(nil, pairs[1].Key)
		var a protocol.DigestAnswer
		b.ok(b.post(protocol.PathDigest, r), &a)
		address := protocol.Address{Purpose: protocol.PurposeSecret, Tenant: b.agent.Tenant, Stream: b.agent.Stream, Agent: b.agent.Agent, ID: protocol.DigestKeysID(r.Kind)}
		plain, err := protocol.OpenFrom(b.seal, address, a.Keys)
		b.must(err)
		got, err := protocol.ParseKeyedPairs(plain)
		if err != nil || len(got) != 1 || got[0].Pair != pairs[1] || !bytes.Contains(got[0].Bytes, []byte("20")) {
			t.Errorf("keys = %v (err %v)", len(got), err)
		}
		address.ID = protocol.DigestKeysID("place")
		if _, err := protocol.OpenFrom(b.seal, address, a.Keys); err == nil {
			t.Error("they open as those of another kind")
		}
	})
	t.Run("a kind that is not ok is not read", func(t *testing.T) {
		b.must(b.store.SuspendKind(t.Context(), b.agent.Tenant, b.agent.Stream, b.schema.Kind, store.Cause{Code: store.CausePerson, Note: "prøve"}))
		var a protocol.DigestAnswer
		b.ok(b.post(protocol.PathDigest, b.digestRequest()), &a)
		if a.State != protocol.KindSuspended || a.Rows != 0 || len(a.Buckets) != 0 {
			t.Errorf("answer = %+v", a)
		}
	})
	t.Run("another tenant sees its own rows only", func(t *testing.T) {
		other := *b
		other.enrol("beta")
		other.hold("99")
		r := other.digestRequest()
		r.Keys = binary.BigEndian.AppendUint64(nil, pairs[1].Key)
		var a protocol.DigestAnswer
		other.ok(other.post(protocol.PathDigest, r), &a)
		if len(a.Keys) != 0 {
			t.Error("it was told another tenant's key")
		}
		r.Keys = nil
		other.ok(other.post(protocol.PathDigest, r), &a)
		if a.Rows != 1 {
			t.Errorf("rows = %d, want 1", a.Rows)
		}
	})
}

func TestDigestRefused(t *testing.T) {
	tests := map[string]struct {
		change func(r *protocol.DigestRequest)
		tamper func(r *http.Request)
		want   protocol.Code
	}{
		"no signature":               {tamper: func(r *http.Request) { r.Header.Del("Signature-Input") }, want: protocol.CodeUnsigned},
		"another stream":             {change: func(r *protocol.DigestRequest) { r.Stream++ }, want: protocol.CodeForbidden},
		"a generation that is over":  {change: func(r *protocol.DigestRequest) { r.Gen-- }, want: protocol.CodeReopen},
		"a kind that is not planned": {change: func(r *protocol.DigestRequest) { r.Kind = "place" }, want: protocol.CodeMalformed},
		"a schema of nobody":         {change: func(r *protocol.DigestRequest) { r.Schema = "00112233445566778899aabbccddeeff" }, want: protocol.CodeMalformed},
		"a schema that is no hash":   {change: func(r *protocol.DigestRequest) { r.Schema = "employee" }, want: protocol.CodeMalformed},
		"too many bits":              {change: func(r *protocol.DigestRequest) { r.Bits = protocol.MaxDigestBits + 1 }, want: protocol.CodeMalformed},
		"fewer bits than none":       {change: func(r *protocol.DigestRequest) { r.Bits = -1 }, want: protocol.CodeMalformed},
		"a bucket that is not there": {change: func(r *protocol.DigestRequest) { r.Bits, r.Buckets = 1, []int{2} }, want: protocol.CodeMalformed},
		"too many buckets":           {change: func(r *protocol.DigestRequest) { r.Buckets = make([]int, protocol.MaxDigestBuckets+1) }, want: protocol.CodeMalformed},
		"too many keys":              {change: func(r *protocol.DigestRequest) { r.Keys = make([]byte, 8*protocol.MaxDigestKeys+8) }, want: protocol.CodeMalformed},
		"half a key":                 {change: func(r *protocol.DigestRequest) { r.Keys = make([]byte, 4) }, want: protocol.CodeMalformed},
		"mending everything":         {change: func(r *protocol.DigestRequest) { r.Mend = true }, want: protocol.CodeMalformed},
	}
	b := newBench(t, ingest.Config{})
	b.hold("10")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := *b
			b.t = t
			r := b.digestRequest()
			if tt.change != nil {
				tt.change(&r)
			}
			b.tamper = tt.tamper
			b.refused(b.post(protocol.PathDigest, r), tt.want)
		})
	}
}

func TestVerified(t *testing.T) {
	b := newBench(t, ingest.Config{})
	outcome := protocol.Verification{Kind: b.schema.Kind, At: 1, Position: 8123, Rows: 3}
	b.ok(b.post(protocol.PathVerified, protocol.VerifiedRequest{Stream: b.agent.Stream, Verified: outcome}), &struct{}{})
	got, err := b.store.Verified(t.Context(), b.agent.Tenant, b.agent.Stream)
	if err != nil || got[b.schema.Kind].Verification != outcome {
		t.Errorf("kept = %+v (err %v)", got, err)
	}
	b.refused(b.post(protocol.PathVerified, protocol.VerifiedRequest{Stream: b.agent.Stream + 1, Verified: outcome}), protocol.CodeForbidden)
	outcome.Error = string(make([]byte, 2000))
	b.refused(b.post(protocol.PathVerified, protocol.VerifiedRequest{Stream: b.agent.Stream, Verified: outcome}), protocol.CodeMalformed)
	outcome.Kind, outcome.Error = "place", ""
	b.refused(b.post(protocol.PathVerified, protocol.VerifiedRequest{Stream: b.agent.Stream, Verified: outcome}), protocol.CodeNotFound)
}

package ingest

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// Digests is what the store knows of record kinds in hashes.
type Digests interface {
	Schema(ctx context.Context, tenant protocol.TenantID, hash protocol.SchemaHash) (protocol.Schema, error)
	DigestSums(ctx context.Context, of store.DigestOf, bits int) (*protocol.Digest, error)
	DigestPairs(ctx context.Context, of store.DigestOf, bits int, buckets []int, from uint64, limit int) ([]protocol.Pair, bool, error)
	DigestKeys(ctx context.Context, of store.DigestOf, hashes []uint64, from uint64, limit int) ([]protocol.KeyedPair, bool, error)
	MendHashes(ctx context.Context, of store.DigestOf, gen protocol.Generation, hashes []uint64) (int64, error)
	SaveVerified(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, v protocol.Verification) error
}

const (
	// digestsAtOnce bounds the digests that are being read: each reads a whole kind of a tenant.
	digestsAtOnce = 2
	// digestWait is how long a request waits for its digest. One that takes longer goes on, and the agent asks again.
	digestWait = 15 * time.Second
	// digestLife bounds the reading of one digest.
	digestLife = 10 * time.Minute
	// digestKept is how long an answer that nobody waited for is kept.
	digestKept = time.Minute
)

// digest answers what the portal holds of a record kind.
func (in *Ingest) digest(c *call) (any, error) {
	var r protocol.DigestRequest
	if err := c.message(&r); err != nil {
		return nil, err
	}
	if r.Stream != c.agent.Stream {
		return nil, notYours()
	}
	hashes, err := checkDigest(r)
	if err != nil {
		return nil, err
	}
	st, kinds, err := in.store.StreamState(c.Context(), c.agent.Tenant, c.agent.Stream)
	if err != nil {
		return nil, err
	}
	if err := accepts(st, r.Gen); err != nil {
		return nil, err
	}
	a := protocol.DigestAnswer{Gen: st.Gen, AppliedSeq: st.AppliedSeq, Lineage: st.Lineage, Position: st.Position}
	i := slices.IndexFunc(kinds, func(k protocol.KindStatus) bool { return k.Kind == r.Kind })
	if i < 0 {
		return nil, malformed("the stream has no kind of that name")
	}
	if a.State = kinds[i].State; a.State != protocol.KindOK {
		return a, nil
	}
	of, err := in.digestOf(c, r)
	if err != nil {
		return nil, err
	}
	if r.Mend {
		if _, err := in.store.MendHashes(c.Context(), of, r.Gen, hashes); err != nil {
			return nil, err
		}
	}
	got, err := in.digests.answer(c, r, func(ctx context.Context) (protocol.DigestAnswer, error) {
		return in.readDigest(ctx, of, r, hashes, a)
	})
	if err != nil || len(got.Keys) == 0 {
		return got, err
	}
	got.Keys, err = c.sealToAgent(protocol.PurposeSecret, protocol.DigestKeysID(r.Kind), got.Keys)
	return got, err
}

// checkDigest refuses a request over the limits, before anything is read or allocated for it.
func checkDigest(r protocol.DigestRequest) (hashes []uint64, err error) {
	switch {
	case r.Bits < 0 || r.Bits > protocol.MaxDigestBits:
		return nil, malformed("bits must be between 0 and %d", protocol.MaxDigestBits)
	case len(r.Buckets) > protocol.MaxDigestBuckets:
		return nil, malformed("at most %d buckets may be asked for at once", protocol.MaxDigestBuckets)
	case len(r.Buckets) > 0 && len(r.Keys) > 0, r.Mend && len(r.Keys) == 0:
		return nil, malformed("a request asks for buckets or for keys, and mends keys only")
	case len(r.Keys)%8 != 0 || len(r.Keys)/8 > protocol.MaxDigestKeys:
		return nil, malformed("keys must be at most %d key hashes of 8 bytes", protocol.MaxDigestKeys)
	}
	for _, b := range r.Buckets {
		if b < 0 || b >= 1<<r.Bits {
			return nil, malformed("a bucket is outside of the 2^%d there are", r.Bits)
		}
	}
	for b := r.Keys; len(b) > 0; b = b[8:] {
		hashes = append(hashes, binary.BigEndian.Uint64(b))
	}
	return hashes, nil
}

// digestOf finds the schema that the request names among those of the agent's own tenant.
func (in *Ingest) digestOf(c *call, r protocol.DigestRequest) (store.DigestOf, error) {
	var hash protocol.SchemaHash
	if n, err := hex.Decode(hash[:], []byte(r.Schema[:min(len(r.Schema), 2*len(hash))])); err != nil || n != len(hash) {
		return store.DigestOf{}, malformed("schema must be the hash of a schema")
	}
	schema, err := in.store.Schema(c.Context(), c.agent.Tenant, hash)
	if errors.Is(err, store.ErrNotFound) || err == nil && (schema.Kind != r.Kind || schema.Check() != nil) {
		return store.DigestOf{}, malformed("no OPEN has named that schema of %s", r.Kind)
	}
	if err != nil {
		return store.DigestOf{}, err
	}
	return store.DigestOf{Tenant: c.agent.Tenant, Stream: c.agent.Stream, Schema: protocol.PrepareSchema(schema), Content: r.Content}, nil
}

// readDigest reads one answer. Keys are not sealed yet.
func (in *Ingest) readDigest(ctx context.Context, of store.DigestOf, r protocol.DigestRequest, hashes []uint64, a protocol.DigestAnswer) (protocol.DigestAnswer, error) {
	switch {
	case len(hashes) > 0:
		keys, more, err := in.store.DigestKeys(ctx, of, hashes, r.From, protocol.MaxDigestKeyBytes)
		for _, k := range keys {
			a.Keys = protocol.AppendKeyedPair(a.Keys, k)
		}
		a.More = more
		return a, err
	case len(r.Buckets) > 0:
		pairs, more, err := in.store.DigestPairs(ctx, of, r.Bits, r.Buckets, r.From, protocol.MaxDigestPairs)
		for _, p := range pairs {
			a.Pairs = protocol.AppendPair(a.Pairs, p)
		}
		a.More = more
		return a, err
	}
	d, err := in.store.DigestSums(ctx, of, r.Bits)
	if err != nil {
		return a, err
	}
	total := d.Total()
	a.Rows, a.Sum = total.Rows, total.Sum
	if a.Rows != r.Rows || a.Sum != r.Sum {
		a.Buckets = d.Bytes()
	}
	return a, nil
}

// verified keeps the outcome of a verification for operations.
func (in *Ingest) verified(c *call) (any, error) {
	var r protocol.VerifiedRequest
	if err := c.message(&r); err != nil {
		return nil, err
	}
	if r.Stream != c.agent.Stream {
		return nil, notYours()
	}
	if len(r.Verified.Error) > maxVerifiedError {
		return nil, malformed("error is longer than %d bytes", maxVerifiedError)
	}
	return struct{}{}, in.store.SaveVerified(c.Context(), c.agent.Tenant, c.agent.Stream, r.Verified)
}

// maxVerifiedError bounds the sentence of a verification without an outcome, in bytes.
const maxVerifiedError = 1000

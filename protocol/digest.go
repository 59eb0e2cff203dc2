package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Limits of the digest exchange. A receiver refuses a request over them with [CodeMalformed].
const (
	// MaxDigestBits bounds a digest's buckets: 2^15, of 12 bytes each.
	MaxDigestBits = 15
	// MaxDigestBuckets is how many buckets' hashes one request may ask for.
	MaxDigestBuckets = 256
	// MaxDigestPairs is how many hash pairs one answer holds, of 16 bytes each.
	MaxDigestPairs = 32768
	// MaxDigestKeys is how many record keys one request may ask for.
	MaxDigestKeys = 4096
	// MaxDigestKeyBytes is the largest list of keys in one answer before it is sealed, unless it is one key.
	MaxDigestKeyBytes = 512 << 10
)

// ErrDigest reports a part of a digest answer that is not of its form.
var ErrDigest = errors.New("the digest is not of the form that was asked for")

// Pair is a record's two hashes, as [DecodedRow] has them: which record it is, and what it holds.
type Pair struct{ Key, Row uint64 }

const pairBytes = 16

// Mix condenses the pair so that a sum over records tells whether they are the same: xxHash64 over both hashes as 16
// bytes big-endian. A plain sum of hashes would not notice two records that have swapped their content.
func (p Pair) Mix() uint64 {
	var b [pairBytes]byte
	binary.BigEndian.PutUint64(b[:], p.Key)
	binary.BigEndian.PutUint64(b[pairBytes/2:], p.Row)
	return xxhash.Sum64(b[:])
}

// Bucket is how many records fall into a bucket and the wrapping sum of their mixes. A record that is there twice
// counts twice.
type Bucket struct {
	Rows uint32
	Sum  uint64
}

const bucketBytes = 12

// Digest is a record kind condensed: one bucket per value of the first bits of the key hash.
type Digest struct {
	Bits    int // 0 to MaxDigestBits
	Buckets []Bucket
}

// NewDigest returns an empty digest of 2^bits buckets. Bits outside 0 to [MaxDigestBits] are taken as the nearer bound.
func NewDigest(bits int) *Digest {
	bits = max(0, min(bits, MaxDigestBits))
	return &Digest{Bits: bits, Buckets: make([]Bucket, 1<<bits)}
}

// DigestBits returns how many bits suit a kind of so many rows: about 256 of them to a bucket.
func DigestBits(rows int64) int {
	bits := 0
	for bits < MaxDigestBits && rows>>bits > rowsPerBucket {
		bits++
	}
	return bits
}

const rowsPerBucket = 256

// Bucket returns the bucket of a key hash: its first bits.
func (d *Digest) Bucket(key uint64) int { return int(key >> (64 - d.Bits)) }

// Add counts a record.
func (d *Digest) Add(p Pair) {
	b := &d.Buckets[d.Bucket(p.Key)]
	b.Rows++
	b.Sum += p.Mix()
}

// Total returns all buckets as one.
func (d *Digest) Total() (t Bucket) {
	for _, b := range d.Buckets {
		t.Rows += b.Rows
		t.Sum += b.Sum
	}
	return t
}

// Bytes returns the buckets in order: rows (4 bytes) and sum (8 bytes) of each, big-endian.
func (d *Digest) Bytes() []byte {
	out := make([]byte, 0, bucketBytes*len(d.Buckets))
	for _, b := range d.Buckets {
		out = binary.BigEndian.AppendUint32(out, b.Rows)
		out = binary.BigEndian.AppendUint64(out, b.Sum)
	}
	return out
}

// ParseDigest reads what [Digest.Bytes] returns for so many bits. Anything else is [ErrDigest].
func ParseDigest(bits int, b []byte) (*Digest, error) {
	if bits < 0 || bits > MaxDigestBits || len(b) != bucketBytes<<bits {
		return nil, fmt.Errorf("%d bytes for %d bits: %w", len(b), bits, ErrDigest)
	}
	d := NewDigest(bits)
	for i := range d.Buckets {
		at := b[bucketBytes*i:]
		d.Buckets[i] = Bucket{Rows: binary.BigEndian.Uint32(at), Sum: binary.BigEndian.Uint64(at[4:])}
	}
	return d, nil
}

// AppendPair appends a pair as its two hashes, big-endian.
func AppendPair(b []byte, p Pair) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, p.Key), p.Row)
}

// ParsePairs reads what [AppendPair] appended. The pairs are in ascending order of their key hashes; two records may
// share one. Anything else is [ErrDigest].
func ParsePairs(b []byte) ([]Pair, error) {
	if len(b)%pairBytes != 0 {
		return nil, fmt.Errorf("%d bytes of pairs: %w", len(b), ErrDigest)
	}
	pairs := make([]Pair, len(b)/pairBytes)
	for i := range pairs {
		at := b[pairBytes*i:]
		pairs[i] = Pair{Key: binary.BigEndian.Uint64(at), Row: binary.BigEndian.Uint64(at[8:])}
		if i > 0 && pairs[i].Key < pairs[i-1].Key {
			return nil, fmt.Errorf("pairs out of order: %w", ErrDigest)
		}
	}
	return pairs, nil
}

// KeyedPair is a pair with the record's key as [KeyBytes] writes it.
type KeyedPair struct {
	Pair
	Bytes []byte
}

// AppendKeyedPair appends a pair, then its key's length as 4 bytes big-endian and the key.
func AppendKeyedPair(b []byte, k KeyedPair) []byte {
	b = AppendPair(b, k.Pair)
	b = binary.BigEndian.AppendUint32(b, uint32(len(k.Bytes)))
	return append(b, k.Bytes...)
}

// ParseKeyedPairs reads what [AppendKeyedPair] appended. Anything else is [ErrDigest].
func ParseKeyedPairs(b []byte) ([]KeyedPair, error) {
	const head = pairBytes + 4
	var out []KeyedPair
	for len(b) > 0 {
		if len(b) < head {
			return nil, fmt.Errorf("a key is cut off: %w", ErrDigest)
		}
		k := KeyedPair{Pair: Pair{Key: binary.BigEndian.Uint64(b), Row: binary.BigEndian.Uint64(b[8:])}}
		n := int64(binary.BigEndian.Uint32(b[pairBytes:]))
		if b = b[head:]; n > int64(len(b)) {
			return nil, fmt.Errorf("a key is cut off: %w", ErrDigest)
		}
		k.Bytes, b = b[:n:n], b[n:]
		out = append(out, k)
	}
	return out, nil
}

// Hasher computes the hashes of rows. It keeps its buffers and is not safe for concurrent use.
type Hasher struct{ encoded, row, key []byte }

// Pair returns the hashes that a [Decoder] would find in the row once it was sent; of a Delete or Keep, the row hash
// means nothing. A row that may not be sent is a [RowError], as [Encoder.Row] has it.
func (h *Hasher) Pair(s *SectionSchema, r *Row) (Pair, error) {
	encoded, field, err := appendRow(h.encoded[:0], s, r)
	h.encoded = encoded[:0]
	if err == nil && len(encoded) > MaxRowBytes {
		err = ErrTooLarge
	}
	if err != nil {
		rowErr := &RowError{Kind: s.Kind, Err: err}
		if field >= 0 {
			rowErr.Field = s.Fields[field].Name
		}
		return Pair{}, rowErr
	}
	return h.StoredPair(s, r.Values), nil
}

// StoredPair is [Hasher.Pair] of a row that was sent before and rests in a table: its cells are not checked again.
func (h *Hasher) StoredPair(s *SectionSchema, values []Value) Pair {
	h.row, h.key = h.row[:0], h.key[:0]
	for i := range values {
		start := len(h.row)
		if values[i].IsNull() {
			h.row = append(h.row, itemNull)
		} else {
			h.row = appendCell(h.row, &values[i])
		}
		if s.keyMask&(1<<i) != 0 {
			h.key = append(h.key, h.row[start:]...)
		}
	}
	return Pair{Key: xxhash.Sum64(h.key), Row: xxhash.Sum64(h.row)}
}

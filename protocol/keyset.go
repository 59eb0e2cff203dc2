package protocol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Errors of a keyset. An agent that meets one keeps the keyset it has.
var (
	// ErrRoot reports a keyset signed by another root than the one pinned at enrolment.
	ErrRoot = errors.New("the keyset is not signed by the root key of the enrolment code")
	// ErrKeysetExpired reports a keyset outside its validity: renewed too late, or the clock is off.
	ErrKeysetExpired = errors.New("the keyset has expired")
	// ErrKeyset reports a keyset that cannot be read.
	ErrKeyset = errors.New("the keyset is malformed")
	// ErrNoSealingKey reports a keyset without a sealing key for this moment.
	ErrNoSealingKey = errors.New("the keyset has no valid sealing key")
)

// RootFingerprint pins the offline root key: the first 16 bytes of the SHA-256 of its public key.
type RootFingerprint [16]byte

// RootFingerprintOf returns the fingerprint of a root public key.
func RootFingerprintOf(public ed25519.PublicKey) RootFingerprint {
	sum := sha256.Sum256(public)
	return RootFingerprint(sum[:16])
}

// String returns the first 120 bits in six groups of four characters, for people.
func (f RootFingerprint) String() string { return grouped(base32Text(f[:15]), 4) }

// PublicKey is one key of a keyset and when it may be used.
type PublicKey struct {
	ID     KeyID  `json:"id"`
	Public []byte `json:"public"`
	From   int64  `json:"from"`  // unix ms
	Until  int64  `json:"until"` // unix ms, exclusive
}

// Keyset lists the receiver's public keys: what signs its answers and what batches are sealed to.
// Versions only go up; the keys of two consecutive versions overlap by at least 14 days.
type Keyset struct {
	Version  int         `json:"version"`
	Issued   int64       `json:"issued"`   // unix ms
	Expires  int64       `json:"expires"`  // unix ms
	Response []PublicKey `json:"response"` // Ed25519
	Sealing  []PublicKey `json:"sealing"`  // ML-KEM-768 + X25519

	sealing []SealingPublic // parsed once, in the order of Sealing
}

// SignedKeyset is a keyset as it is fetched: the JSON of a [Keyset] exactly as it was signed.
type SignedKeyset struct {
	Root      []byte `json:"root"` // the root public key, Ed25519
	Keyset    []byte `json:"keyset"`
	Signature []byte `json:"signature"`
}

// keysetContext separates the root's signatures over keysets from anything else it may sign.
const keysetContext = "portalsync keyset v1\n"

// SignKeyset signs a keyset with the root key.
func SignKeyset(root *SigningKey, ks Keyset) (SignedKeyset, error) {
	if err := ks.prepare(); err != nil {
		return SignedKeyset{}, err
	}
	text, err := json.Marshal(ks)
	if err != nil {
		return SignedKeyset{}, fmt.Errorf("encode keyset: %w", err)
	}
	return SignedKeyset{
		Root:      root.Public(),
		Keyset:    text,
		Signature: ed25519.Sign(root.private(), append([]byte(keysetContext), text...)),
	}, nil
}

// Verify returns the keyset if the pinned root signed it and it has not expired at now:
// [ErrRoot], [ErrKeyset] or [ErrKeysetExpired] otherwise. A zero now skips the expiry,
// for a caller whose clock is not to be trusted yet.
func (s SignedKeyset) Verify(pinned RootFingerprint, now time.Time) (*Keyset, error) {
	if len(s.Root) != ed25519.PublicKeySize || RootFingerprintOf(s.Root) != pinned {
		return nil, ErrRoot
	}
	if !ed25519.Verify(s.Root, append([]byte(keysetContext), s.Keyset...), s.Signature) {
		return nil, ErrRoot
	}
	dec := json.NewDecoder(bytes.NewReader(s.Keyset))
	var ks Keyset
	if err := dec.Decode(&ks); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyset, err)
	}
	if err := ks.prepare(); err != nil {
		return nil, err
	}
	if !now.IsZero() && now.UnixMilli() >= ks.Expires {
		return nil, fmt.Errorf("%w on %s", ErrKeysetExpired, time.UnixMilli(ks.Expires).UTC().Format(time.RFC3339))
	}
	return &ks, nil
}

// prepare checks every key against its id and parses the sealing keys.
func (ks *Keyset) prepare() error {
	if ks.Version < 1 {
		return fmt.Errorf("%w: version %d", ErrKeyset, ks.Version)
	}
	for _, k := range ks.Response {
		if len(k.Public) != ed25519.PublicKeySize || KeyIDOf(k.Public) != k.ID {
			return fmt.Errorf("%w: response key %q does not match its id", ErrKeyset, k.ID)
		}
	}
	ks.sealing = make([]SealingPublic, 0, len(ks.Sealing))
	for _, k := range ks.Sealing {
		p, err := ParseSealingPublic(k.Public)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrKeyset, err)
		}
		if p.ID() != k.ID {
			return fmt.Errorf("%w: sealing key %q does not match its id", ErrKeyset, k.ID)
		}
		ks.sealing = append(ks.sealing, p)
	}
	return nil
}

// NewerThan reports whether the keyset may replace old: its version is higher, or old is nil.
func (ks *Keyset) NewerThan(old *Keyset) bool { return old == nil || ks.Version > old.Version }

// SealTo returns the key to seal to at now: of those valid the one that began last.
// It returns [ErrNoSealingKey] when none is.
func (ks *Keyset) SealTo(now time.Time) (SealingPublic, error) {
	best, at := -1, now.UnixMilli()
	for i, k := range ks.Sealing {
		if k.From <= at && at < k.Until && (best < 0 || k.From > ks.Sealing[best].From) {
			best = i
		}
	}
	if best < 0 || best >= len(ks.sealing) {
		return SealingPublic{}, fmt.Errorf("%w at %s: fetch the keyset again or mend the clock", ErrNoSealingKey, now.UTC().Format(time.RFC3339))
	}
	return ks.sealing[best], nil
}

// responseKey returns the public key of an answer's keyid. A key is taken until it ends; its
// beginning is not checked, so that an agent whose clock is slow can still be told so.
func (ks *Keyset) responseKey(id KeyID, now time.Time) (ed25519.PublicKey, bool) {
	for _, k := range ks.Response {
		if k.ID == id && now.UnixMilli() < k.Until {
			return k.Public, true
		}
	}
	return nil, false
}

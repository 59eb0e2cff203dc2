package protocol

import (
	"crypto/hpke"
	"fmt"
	"io"
	"log/slog"
)

// Sizes of the hybrid key ML-KEM-768 + X25519, in bytes.
const (
	// SealingPublicBytes is the size of a public sealing key.
	SealingPublicBytes = 1216
	// sealingSeedBytes is the size of a private sealing key as stored.
	sealingSeedBytes = 32
	// encapsulationBytes is what a sealed message carries beside its ciphertext.
	encapsulationBytes = 1120
	// tagBytes is what AES-256-GCM adds to a plaintext.
	tagBytes = 16
)

// SealingPublic is a public key to seal to, and its id.
type SealingPublic struct {
	id  KeyID
	key hpke.PublicKey
}

// ParseSealingPublic reads a public key of [SealingPublicBytes] bytes.
func ParseSealingPublic(b []byte) (SealingPublic, error) {
	key, err := hpke.MLKEM768X25519().NewPublicKey(b)
	if err != nil {
		return SealingPublic{}, fmt.Errorf("read public sealing key of %d bytes: %w", len(b), err)
	}
	return SealingPublic{id: KeyIDOf(b), key: key}, nil
}

// ID returns the key's id.
func (p SealingPublic) ID() KeyID { return p.id }

// Bytes returns the public key.
func (p SealingPublic) Bytes() []byte { return p.key.Bytes() }

// SealingKey is an HPKE private key (ML-KEM-768 + X25519) and its id. Like [SigningKey]
// it describes itself as "[redacted]"; only Bytes gives it away.
type SealingKey struct {
	id      KeyID
	private func() hpke.PrivateKey // see SigningKey
}

// NewSealingKey makes a key from the system's random source.
func NewSealingKey() (*SealingKey, error) {
	private, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make sealing key: %w", err)
	}
	return sealingKeyOf(private), nil
}

// ParseSealingKey reads what [SealingKey.Bytes] returned: a seed of 32 bytes.
func ParseSealingKey(seed []byte) (*SealingKey, error) {
	if len(seed) != sealingSeedBytes {
		return nil, fmt.Errorf("sealing key has %d bytes, not %d", len(seed), sealingSeedBytes)
	}
	private, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	return sealingKeyOf(private), nil
}

func sealingKeyOf(private hpke.PrivateKey) *SealingKey {
	return &SealingKey{id: KeyIDOf(private.PublicKey().Bytes()), private: func() hpke.PrivateKey { return private }}
}

// ID returns the id of the public key.
func (k SealingKey) ID() KeyID { return k.id }

// Public returns the public key.
func (k SealingKey) Public() SealingPublic {
	return SealingPublic{id: k.id, key: k.private().PublicKey()}
}

// Bytes returns the secret seed, 32 bytes, for a key store.
func (k SealingKey) Bytes() ([]byte, error) {
	b, err := k.private().Bytes()
	if err != nil {
		return nil, fmt.Errorf("write sealing key: %w", err)
	}
	return b, nil
}

// String hides the key.
func (k SealingKey) String() string { return redacted }

// Format hides the key from every verb.
func (k SealingKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs the key's id alone.
func (k SealingKey) LogValue() slog.Value { return slog.StringValue(string(k.id)) }

// MarshalJSON refuses with [ErrSecret].
func (k SealingKey) MarshalJSON() ([]byte, error) { return nil, ErrSecret }

// MarshalText refuses with [ErrSecret].
func (k SealingKey) MarshalText() ([]byte, error) { return nil, ErrSecret }

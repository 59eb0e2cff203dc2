package protocol

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// ErrSecret reports an attempt to write a private key as JSON.
var ErrSecret = errors.New("a private key is never written as JSON")

// redacted is all that a private key says of itself.
const redacted = "[redacted]"

// keyIDLength is the number of characters of a [KeyID].
const keyIDLength = 22

// KeyIDOf names a public key: the base64url SHA-256 of its bytes, cut to 22 characters (132 bits).
func KeyIDOf(public []byte) KeyID {
	sum := sha256.Sum256(public)
	return KeyID(base64.RawURLEncoding.EncodeToString(sum[:])[:keyIDLength])
}

// SigningKey is an Ed25519 private key and its id. It describes itself as "[redacted]"
// wherever it is printed, logged or encoded; only Bytes gives it away.
type SigningKey struct {
	id KeyID
	// private is a function, not a field: fmt follows pointers of a struct that holds a key in an
	// unexported field, where no method of the key can stop it.
	private func() ed25519.PrivateKey
}

// NewSigningKey makes a key from the system's random source.
func NewSigningKey() *SigningKey {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails: crypto/rand ends the program instead
	return signingKeyOf(seed)
}

// ParseSigningKey reads what [SigningKey.Bytes] returned: a seed of 32 bytes.
func ParseSigningKey(seed []byte) (*SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("signing key has %d bytes, not %d", len(seed), ed25519.SeedSize)
	}
	return signingKeyOf(seed), nil
}

func signingKeyOf(seed []byte) *SigningKey {
	private := ed25519.NewKeyFromSeed(seed)
	return &SigningKey{
		id:      KeyIDOf(private.Public().(ed25519.PublicKey)),
		private: func() ed25519.PrivateKey { return private },
	}
}

// ID returns the id of the public key.
func (k SigningKey) ID() KeyID { return k.id }

// Public returns the public key, 32 bytes.
func (k SigningKey) Public() ed25519.PublicKey {
	return k.private().Public().(ed25519.PublicKey)
}

// Bytes returns the secret seed, 32 bytes, for a key store.
func (k SigningKey) Bytes() []byte { return k.private().Seed() }

// String hides the key.
func (k SigningKey) String() string { return redacted }

// Format hides the key from every verb.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs the key's id alone.
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(string(k.id)) }

// MarshalJSON refuses with [ErrSecret].
func (k SigningKey) MarshalJSON() ([]byte, error) { return nil, ErrSecret }

// MarshalText refuses with [ErrSecret].
func (k SigningKey) MarshalText() ([]byte, error) { return nil, ErrSecret }

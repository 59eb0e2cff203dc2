package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Cost is how much work one password hash takes (argon2id, RFC 9106). The zero value means [DefaultCost].
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Threads   uint8
}

// DefaultCost takes 19 MiB and two passes, OWASP's recommendation: about 25 ms on one core.
var DefaultCost = Cost{MemoryKiB: 19 << 10, Passes: 2, Threads: 1}

const (
	saltBytes = 16
	hashBytes = 32
	// Ceilings for parameters read from a stored hash, so that a forged row cannot exhaust the memory.
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
)

var errHash = errors.New("stored password hash is not an argon2id hash of this program")

// HashPassword returns the salted argon2id hash of a password in the PHC string format, which
// carries its own parameters (N21). The password is normalised to NFKC first, so that it does not
// matter which keyboard composes the letters.
func HashPassword(password string, cost Cost) string {
	if cost == (Cost{}) {
		cost = DefaultCost
	}
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	return encodeHash(cost, salt, derive(password, salt, cost))
}

// VerifyPassword reports whether the password is the hashed one, and whether the hash was made with
// another cost than the given one and should be made again.
func VerifyPassword(password, hash string, cost Cost) (ok, rehash bool, err error) {
	if cost == (Cost{}) {
		cost = DefaultCost
	}
	have, salt, want, err := decodeHash(hash)
	if err != nil {
		return false, false, err
	}
	got := derive(password, salt, have)
	ok = subtle.ConstantTimeCompare(got, want) == 1
	return ok, ok && have != cost, nil
}

func derive(password string, salt []byte, c Cost) []byte {
	return argon2.IDKey([]byte(norm.NFKC.String(password)), salt, c.Passes, c.MemoryKiB, c.Threads, hashBytes)
}

func encodeHash(c Cost, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, c.MemoryKiB, c.Passes, c.Threads, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func decodeHash(hash string) (c Cost, salt, sum []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return Cost{}, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.MemoryKiB, &c.Passes, &c.Threads); err != nil {
		return Cost{}, nil, nil, errHash
	}
	if c.MemoryKiB > maxMemoryKiB || c.Passes == 0 || c.Passes > maxPasses || c.Threads == 0 {
		return Cost{}, nil, nil, errHash
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return Cost{}, nil, nil, errHash
	}
	if sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(sum) != hashBytes {
		return Cost{}, nil, nil, errHash
	}
	return c, salt, sum, nil
}

package protocol

import (
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Errors of sealed content. None of them says what the content was.
var (
	// ErrSealed reports content that does not open: another key, another place, or altered bytes.
	ErrSealed = errors.New("the sealed content does not open")
	// ErrSealedVersion reports a version byte this program does not speak.
	ErrSealedVersion = errors.New("the sealed content is of another version")
	// ErrSealedKey reports content sealed to a key that is not held, or no longer.
	ErrSealedKey = errors.New("the content is sealed to a key that is not held")
)

const (
	sealedVersion = 1
	// sealedHead is the version byte, the keyset version (4 bytes) and the key id.
	sealedHead = 1 + 4 + keyIDLength
	// SealedOverhead is what sealing adds to a plaintext, in bytes, before compression takes away.
	SealedOverhead = sealedHead + encapsulationBytes + tagBytes
)

// The first words of info, one per use of the seal.
const (
	batchContext = "portalsync batch v1"
	blobContext  = "portalsync blob v1"
	agentContext = "portalsync agent v1"
)

// seal writes head, encapsulated key and ciphertext; info binds the head and the place.
func seal(pub SealingPublic, keyset int, context string, place [][]byte, plaintext []byte) ([]byte, error) {
	if pub.key == nil {
		return nil, ErrNoSealingKey
	}
	head := make([]byte, 0, sealedHead)
	head = append(head, sealedVersion)
	head = binary.BigEndian.AppendUint32(head, uint32(keyset))
	head = append(head, pub.id...)
	enc, sender, err := hpke.NewSender(pub.key, hpke.HKDFSHA256(), hpke.AES256GCM(), sealInfo(context, head, place))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	ciphertext, err := sender.Seal(nil, plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	sealed := make([]byte, 0, len(head)+len(enc)+len(ciphertext))
	sealed = append(sealed, head...)
	sealed = append(sealed, enc...)
	return append(sealed, ciphertext...), nil
}

// open undoes seal.
func open(keys func(KeyID) (*SealingKey, bool), context string, place [][]byte, sealed []byte) ([]byte, error) {
	if len(sealed) < 1 {
		return nil, fmt.Errorf("%w: it is empty", ErrSealed)
	}
	if sealed[0] != sealedVersion {
		return nil, fmt.Errorf("%w: %d, this program reads %d", ErrSealedVersion, sealed[0], sealedVersion)
	}
	if len(sealed) < SealedOverhead {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrSealed, len(sealed))
	}
	head, id := sealed[:sealedHead], KeyID(sealed[sealedHead-keyIDLength:sealedHead])
	key, ok := keys(id)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrSealedKey, id)
	}
	enc, ciphertext := sealed[sealedHead:sealedHead+encapsulationBytes], sealed[sealedHead+encapsulationBytes:]
	recipient, err := hpke.NewRecipient(enc, key.private(), hpke.HKDFSHA256(), hpke.AES256GCM(), sealInfo(context, head, place))
	if err != nil {
		return nil, ErrSealed
	}
	plaintext, err := recipient.Open(nil, ciphertext)
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}

func sealInfo(context string, head []byte, place [][]byte) []byte {
	return transcript(context, append([][]byte{head}, place...)...)
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// SealBlobPart seals one part of a document, at most [BlobPartBytes], to the keyset's current key.
// The seal binds tenant, name and part, so that a part cannot be moved.
func SealBlobPart(ks *Keyset, now time.Time, tenant TenantID, name string, part int, content []byte) ([]byte, error) {
	pub, err := ks.SealTo(now)
	if err != nil {
		return nil, err
	}
	return seal(pub, ks.Version, blobContext, blobPlace(tenant, name, part), content)
}

// OpenBlobPart opens what [SealBlobPart] sealed. The joined parts are the document only if
// [BlobName] of them is the name.
func OpenBlobPart(keys func(KeyID) (*SealingKey, bool), tenant TenantID, name string, part int, sealed []byte) ([]byte, error) {
	return open(keys, blobContext, blobPlace(tenant, name, part), sealed)
}

func blobPlace(tenant TenantID, name string, part int) [][]byte {
	return [][]byte{number(int64(tenant)), []byte(name), number(int64(part))}
}

// BlobName names a document: the hex HMAC-SHA-256 of its content under the tenant's key, so that
// equal documents of two tenants cannot be linked.
func BlobName(key, content []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(content)
	return hex.EncodeToString(mac.Sum(nil))
}

// Purpose says what is sealed to an agent, so that one thing cannot be passed off as another.
type Purpose uint8

// The purposes.
const (
	PurposeSecret Purpose = 1 // a key, for example of blob names; ID is its name
	PurposeReport Purpose = 2 // a report; ID is its ReportID
)

// String returns the purpose's name.
func (p Purpose) String() string {
	switch p {
	case PurposeSecret:
		return "secret"
	case PurposeReport:
		return "report"
	}
	return "purpose " + strconv.Itoa(int(p))
}

// BlobKeyID is the ID of [PurposeSecret] under which OPEN hands out the key of blob names.
const BlobKeyID = "blob-key"

// Address says whom and what something sealed to an agent is for. All of it is bound.
type Address struct {
	Purpose Purpose
	Tenant  TenantID
	Stream  StreamID
	Agent   AgentID
	ID      string
}

func (a Address) place() [][]byte {
	return [][]byte{{byte(a.Purpose)}, number(int64(a.Tenant)), number(int64(a.Stream)), number(int64(a.Agent)), []byte(a.ID)}
}

// SealTo seals plaintext to an agent's own key.
func SealTo(pub SealingPublic, a Address, plaintext []byte) ([]byte, error) {
	return seal(pub, 0, agentContext, a.place(), plaintext)
}

// OpenFrom opens what [SealTo] sealed to key under the same address.
func OpenFrom(key *SealingKey, a Address, sealed []byte) ([]byte, error) {
	return open(func(id KeyID) (*SealingKey, bool) { return key, id == key.ID() }, agentContext, a.place(), sealed)
}

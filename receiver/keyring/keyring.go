// Package keyring keeps the receiver's private keys: the root that agents pin, the keys that sign
// answers, and the keys that batches are sealed to. It makes them on first use, renews them before
// they end and destroys them afterwards.
//
// Every process of a receiver that signs answers or opens batches reads the same directory. A
// version of the keyring is one file that is never changed once it is there, so that two processes
// that renew at the same moment agree: the first file wins, the other process reads it.
package keyring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lessor.dk/portalsync/protocol"
)

const (
	sealingPeriod  = 7 * 24 * time.Hour  // a sealing key is the newest this long
	responsePeriod = 30 * 24 * time.Hour // a response key likewise
	overlap        = 14 * 24 * time.Hour // and is valid this much longer
	keysetValidity = 90 * 24 * time.Hour // agents fetch a newer keyset long before
	lastCall       = 7 * 24 * time.Hour  // renewing may fail until keys end this soon
	checkEvery     = 10 * time.Minute
)

// Keyring holds the newest version of the keys. It is safe for concurrent use.
type Keyring struct {
	dir       string
	root      *protocol.SigningKey // nil where the root key is kept elsewhere
	reloading sync.Mutex           // so that current never goes back
	current   atomic.Pointer[version]
}

// version is one immutable state of the keyring.
type version struct {
	signed   protocol.SignedKeyset
	keyset   *protocol.Keyset
	response *protocol.SigningKey
	sealing  map[protocol.KeyID]*protocol.SealingKey
	secrets  secrets
}

// secrets is a version as stored.
type secrets struct {
	Signed   protocol.SignedKeyset `json:"signed"`
	Response []secret              `json:"response"` // newest last
	Sealing  []secret              `json:"sealing"`  // newest last
}

type secret struct {
	Seed  []byte `json:"seed"`
	From  int64  `json:"from"`  // unix ms
	Until int64  `json:"until"` // unix ms
}

// Open reads the newest version of the keys in dir, or makes the first. The directory is made if it
// is missing. A key file that other accounts can read is refused with a sentence.
//
// The root key, root.key, may be taken off line: without it nothing is renewed.
func Open(dir string) (*Keyring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make key directory: %w", err)
	}
	k := &Keyring{dir: dir}
	if err := k.reload(); err != nil {
		return nil, err
	}
	if err := k.loadRoot(); err != nil {
		return nil, err
	}
	if err := k.Renew(time.Now()); err != nil {
		return nil, err
	}
	if k.current.Load() == nil {
		return nil, fmt.Errorf("%s holds neither keys nor a root key to make them with", dir)
	}
	return k, nil
}

// Run renews keys when they are due and takes in what another process renewed, until ctx ends.
// A failure, of a full disk for example, is tried again; it is returned only when the newest keys
// end within a week.
func (k *Keyring) Run(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := k.Renew(time.Now()); err != nil && time.Until(k.end()) < lastCall {
				return err
			}
		}
	}
}

// end returns when the newest sealing key ends: it is the shortest-lived.
func (k *Keyring) end() time.Time {
	keys := k.current.Load().secrets.Sealing
	return time.UnixMilli(keys[len(keys)-1].Until)
}

// Signed returns the keyset for agents, signed by the root.
func (k *Keyring) Signed() protocol.SignedKeyset { return k.current.Load().signed }

// Keyset returns the public keys.
func (k *Keyring) Keyset() *protocol.Keyset { return k.current.Load().keyset }

// Response returns the key that signs answers now.
func (k *Keyring) Response() *protocol.SigningKey { return k.current.Load().response }

// Sealing returns the private key of an id, as long as it is not destroyed. An id that is unknown
// here but known to another process of the receiver is looked up on the disk.
func (k *Keyring) Sealing(id protocol.KeyID) (*protocol.SealingKey, bool) {
	if key, ok := k.current.Load().sealing[id]; ok {
		return key, true
	}
	if k.reload() != nil {
		return nil, false
	}
	key, ok := k.current.Load().sealing[id]
	return key, ok
}

// Root returns the fingerprint that enrolment codes carry.
func (k *Keyring) Root() protocol.RootFingerprint {
	return protocol.RootFingerprintOf(k.current.Load().signed.Root)
}

// Version returns the keyset's version.
func (k *Keyring) Version() int { return k.current.Load().keyset.Version }

// Renew makes a newer version when a key's period is over, with keys that agents can use for the
// overlap, and destroys keys that have ended. It does nothing when nothing is due or the root key
// is kept elsewhere.
func (k *Keyring) Renew(now time.Time) error {
	if err := k.reload(); err != nil {
		return err
	}
	if k.root == nil {
		return nil
	}
	next, due, err := k.next(now)
	if err != nil || !due {
		return err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode keyring: %w", err)
	}
	v, err := open(next)
	if err != nil {
		return err
	}
	path := filepath.Join(k.dir, versionName(v.keyset.Version))
	if err := createPrivate(path, text); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := k.reload(); err != nil { // ours, or that of the process that was first
		return err
	}
	return k.destroyOlder()
}

// next returns the secrets of the version after the current one.
func (k *Keyring) next(now time.Time) (secrets, bool, error) {
	var old secrets
	number := 1
	if v := k.current.Load(); v != nil {
		old, number = v.secrets, v.keyset.Version+1
	}
	response, newResponse, err := renewed(old.Response, now, responsePeriod, func() ([]byte, error) {
		return protocol.NewSigningKey().Bytes(), nil
	})
	if err != nil {
		return secrets{}, false, err
	}
	sealing, newSealing, err := renewed(old.Sealing, now, sealingPeriod, func() ([]byte, error) {
		key, err := protocol.NewSealingKey()
		if err != nil {
			return nil, err
		}
		return key.Bytes()
	})
	if err != nil {
		return secrets{}, false, err
	}
	if !newResponse && !newSealing {
		return secrets{}, false, nil
	}
	s := secrets{Response: response, Sealing: sealing}
	s.Signed, err = k.sign(number, s, now)
	return s, true, err
}

// renewed drops keys that have ended and adds one when the newest is past its period.
func renewed(keys []secret, now time.Time, period time.Duration, make func() ([]byte, error)) ([]secret, bool, error) {
	keys = slices.DeleteFunc(slices.Clone(keys), func(s secret) bool { return s.Until <= now.UnixMilli() })
	if n := len(keys); n > 0 && now.UnixMilli() < keys[n-1].From+period.Milliseconds() {
		return keys, false, nil
	}
	seed, err := make()
	if err != nil {
		return nil, false, err
	}
	return append(keys, secret{Seed: seed, From: now.UnixMilli(), Until: now.Add(period + overlap).UnixMilli()}), true, nil
}

func (k *Keyring) sign(number int, s secrets, now time.Time) (protocol.SignedKeyset, error) {
	ks := protocol.Keyset{Version: number, Issued: now.UnixMilli(), Expires: now.Add(keysetValidity).UnixMilli()}
	for _, r := range s.Response {
		key, err := protocol.ParseSigningKey(r.Seed)
		if err != nil {
			return protocol.SignedKeyset{}, err
		}
		ks.Response = append(ks.Response, protocol.PublicKey{ID: key.ID(), Public: key.Public(), From: r.From, Until: r.Until})
	}
	for _, r := range s.Sealing {
		key, err := protocol.ParseSealingKey(r.Seed)
		if err != nil {
			return protocol.SignedKeyset{}, err
		}
		ks.Sealing = append(ks.Sealing, protocol.PublicKey{ID: key.ID(), Public: key.Public().Bytes(), From: r.From, Until: r.Until})
	}
	return protocol.SignKeyset(k.root, ks)
}

// open makes a version of its secrets.
func open(s secrets) (*version, error) {
	keyset, err := s.Signed.Verify(protocol.RootFingerprintOf(s.Signed.Root), time.Time{})
	if err != nil {
		return nil, err
	}
	if len(s.Response) == 0 || len(s.Sealing) == 0 {
		return nil, errors.New("a key is missing")
	}
	v := &version{signed: s.Signed, keyset: keyset, secrets: s, sealing: make(map[protocol.KeyID]*protocol.SealingKey)}
	if v.response, err = protocol.ParseSigningKey(s.Response[len(s.Response)-1].Seed); err != nil {
		return nil, err
	}
	for _, r := range s.Sealing {
		key, err := protocol.ParseSealingKey(r.Seed)
		if err != nil {
			return nil, err
		}
		v.sealing[key.ID()] = key
	}
	return v, nil
}

// Package keystore keeps an agent's identity at rest: its private keys, who it is to the receiver,
// and the receiver's keys. One file, readable by the agent's own account alone; on Windows its
// secrets are additionally sealed to the machine by DPAPI. It holds no payroll data.
//
// Losing the directory loses nothing of the payroll: the agent is enrolled again with an invite
// that replaces it.
package keystore

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"lessor.dk/portalsync/protocol"
)

// ErrEmpty reports a directory without an identity: the computer is not enrolled.
var ErrEmpty = errors.New("no identity here: enrol this computer first")

const (
	fileName    = "identity.json"
	fileVersion = 1
)

// Identity is who an agent is. Agent, Tenant and Stream are zero until it is enrolled: the keys are
// kept before the first request, so that a lost answer is asked for again with the same keys.
type Identity struct {
	Sign      *protocol.SigningKey
	Seal      *protocol.SealingKey
	InstallID string
	Receiver  string // its address
	Root      protocol.RootFingerprint
	Keyset    *protocol.SignedKeyset // newest known; nil before the first
	Agent     protocol.AgentID
	Tenant    protocol.TenantID
	Stream    protocol.StreamID
	Customer  string // name, for people
}

// Enrolled reports whether the receiver has given the agent an identity.
func (id *Identity) Enrolled() bool { return id.Agent != 0 }

// LogValue logs who the agent is, never its keys.
func (id *Identity) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int64("agent", int64(id.Agent)),
		slog.Int64("tenant", int64(id.Tenant)),
		slog.Int64("stream", int64(id.Stream)),
		slog.Any("key", id.Sign),
	)
}

// Store is the directory of one agent. It is safe for concurrent use within one process.
type Store struct {
	mu   sync.Mutex
	path string
}

// Open returns the store in a directory and makes the directory, private, if it is missing.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	return &Store{path: filepath.Join(dir, fileName)}, nil
}

// file is the identity as stored. Secrets are what protect returned.
type file struct {
	Version   int                    `json:"version"`
	Protected string                 `json:"protected"` // how the secrets are kept: see protection
	SignKey   []byte                 `json:"sign_key"`
	SealKey   []byte                 `json:"seal_key"`
	InstallID string                 `json:"install_id"`
	Receiver  string                 `json:"receiver"`
	Root      string                 `json:"root"`
	Keyset    *protocol.SignedKeyset `json:"keyset,omitempty"`
	Agent     protocol.AgentID       `json:"agent,omitempty"`
	Tenant    protocol.TenantID      `json:"tenant,omitempty"`
	Stream    protocol.StreamID      `json:"stream,omitempty"`
	Customer  string                 `json:"customer,omitempty"`
}

// Prepare returns the identity kept for a receiver, making keys and an install id when there is
// none. An identity that is already enrolled is returned as it is.
func (s *Store) Prepare(receiver string, root protocol.RootFingerprint) (*Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.load()
	switch {
	case err == nil && id.Enrolled():
		return id, nil
	case errors.Is(err, ErrEmpty):
		if id, err = newIdentity(); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	id.Receiver, id.Root, id.Keyset = receiver, root, nil
	return id, s.save(id)
}

func newIdentity() (*Identity, error) {
	seal, err := protocol.NewSealingKey()
	if err != nil {
		return nil, err
	}
	install := protocol.NewSigningKey().ID() // 132 random bits of the right alphabet
	return &Identity{Sign: protocol.NewSigningKey(), Seal: seal, InstallID: string(install)}, nil
}

// Load returns the identity; [ErrEmpty] when there is none. A file that others could read is
// refused: whoever read it can be this agent.
func (s *Store) Load() (*Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load()
}

// Save keeps the identity: after Save returns it survives a loss of power, and a reader sees the
// old one or the new one, never a part.
func (s *Store) Save(id *Identity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save(id)
}

// SaveKeyset keeps a newer keyset of the receiver.
func (s *Store) SaveKeyset(ks protocol.SignedKeyset) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.load()
	if err != nil {
		return err
	}
	id.Keyset = &ks
	return s.save(id)
}

func (s *Store) load() (*Identity, error) {
	text, err := readPrivate(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", s.path, ErrEmpty)
	}
	if err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("%s is damaged: restore it, or remove it and enrol again: %w", s.path, err)
	}
	if f.Version != fileVersion || f.Protected != protection {
		return nil, fmt.Errorf("%s was written by another version or on another system (version %d, protection %q): enrol again", s.path, f.Version, f.Protected)
	}
	id := &Identity{
		InstallID: f.InstallID, Receiver: f.Receiver, Keyset: f.Keyset,
		Agent: f.Agent, Tenant: f.Tenant, Stream: f.Stream, Customer: f.Customer,
	}
	if id.Sign, err = readKey(f.SignKey, protocol.ParseSigningKey); err != nil {
		return nil, fmt.Errorf("%s: signing key: %w", s.path, err)
	}
	if id.Seal, err = readKey(f.SealKey, protocol.ParseSealingKey); err != nil {
		return nil, fmt.Errorf("%s: sealing key: %w", s.path, err)
	}
	root, err := base64.StdEncoding.DecodeString(f.Root)
	if err != nil || copy(id.Root[:], root) != len(id.Root) {
		return nil, fmt.Errorf("%s is damaged: the receiver's fingerprint cannot be read: enrol again", s.path)
	}
	return id, nil
}

func readKey[K any](protected []byte, parse func([]byte) (K, error)) (K, error) {
	seed, err := unprotect(protected)
	if err != nil {
		var none K
		return none, err
	}
	return parse(seed)
}

func (s *Store) save(id *Identity) error {
	seal, err := id.Seal.Bytes()
	if err != nil {
		return err
	}
	f := file{
		Version: fileVersion, Protected: protection,
		InstallID: id.InstallID, Receiver: id.Receiver, Keyset: id.Keyset,
		Root:  base64.StdEncoding.EncodeToString(id.Root[:]),
		Agent: id.Agent, Tenant: id.Tenant, Stream: id.Stream, Customer: id.Customer,
	}
	if f.SignKey, err = protect(id.Sign.Bytes()); err != nil {
		return fmt.Errorf("protect signing key: %w", err)
	}
	if f.SealKey, err = protect(seal); err != nil {
		return fmt.Errorf("protect sealing key: %w", err)
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode identity: %w", err)
	}
	return writeAtomic(s.path, append(text, '\n'))
}

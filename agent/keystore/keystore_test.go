package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"lessor.dk/portalsync/protocol"
)

var root = protocol.RootFingerprint{1, 2, 3}

func open(t *testing.T) (*Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, filepath.Join(dir, fileName)
}

func TestIdentityReadsBack(t *testing.T) {
	s, _ := open(t)
	if _, err := s.Load(); !errors.Is(err, ErrEmpty) {
		t.Fatalf("err = %v, want %v", err, ErrEmpty)
	}
	id, err := s.Prepare("https://portal.test", root)
	if err != nil {
		t.Fatal(err)
	}
	if id.Enrolled() || id.InstallID == "" {
		t.Errorf("prepared %+v", id)
	}
	again, err := s.Prepare("https://portal.test", root)
	if err != nil || again.Sign.ID() != id.Sign.ID() || again.Seal.ID() != id.Seal.ID() || again.InstallID != id.InstallID {
		t.Errorf("a repeated enrolment has other keys: %v", err)
	}
	id.Agent, id.Tenant, id.Stream, id.Customer = 9, 1, 7, "Nordvask A/S"
	if err := s.Save(id); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveKeyset(protocol.SignedKeyset{Keyset: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if !got.Enrolled() || got.Tenant != 1 || got.Stream != 7 || got.Customer != "Nordvask A/S" || got.Root != root ||
		got.Receiver != "https://portal.test" || string(got.Keyset.Keyset) != "{}" || got.Sign.ID() != id.Sign.ID() || got.Seal.ID() != id.Seal.ID() {
		t.Errorf("read back %+v", got)
	}
	kept, err := s.Prepare("https://other.test", protocol.RootFingerprint{9})
	if err != nil || kept.Root != root {
		t.Errorf("an enrolled identity was changed: %v", err)
	}
}

func TestFileIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("access follows the directory's access list")
	}
	s, path := open(t)
	if _, err := s.Prepare("https://portal.test", root); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", p, info.Mode(), want)
		}
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(); err == nil || !strings.Contains(err.Error(), "can be read by other accounts (mode 0") || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: err = %v", mode, err)
		}
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	s, path := open(t)
	if _, err := s.Prepare("https://portal.test", root); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ content, want string }{
		"empty":              {"", "is damaged: restore it, or remove it"},
		"cut":                {string(good[:len(good)/2]), "is damaged: restore it"},
		"another version":    {strings.Replace(string(good), `"version": 1`, `"version": 2`, 1), "another version or on another system"},
		"another protection": {strings.Replace(string(good), protection, "other", 1), "another version or on another system"},
		"no signing key":     {strings.Replace(string(good), `"sign_key": "`, `"sign_key": "AAAA`, 1), "signing key"},
		"no sealing key":     {strings.Replace(string(good), `"seal_key": "`, `"seal_key": "AAAA`, 1), "sealing key"},
		"no root":            {strings.Replace(string(good), `"root": "`, `"root": "!`, 1), "fingerprint cannot be read"},
	} {
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: err = %v, want one with %q", name, err, tt.want)
		}
		if _, err := s.Prepare("https://portal.test", root); err == nil {
			t.Errorf("%s: new keys were made over it", name)
		}
	}
}

// A write that does not complete leaves the old file and no other.
func TestFailedWriteLeavesTheOldFile(t *testing.T) {
	s, path := open(t)
	id, err := s.Prepare("https://portal.test", root)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	blocked := filepath.Join(filepath.Dir(path), "blocked")
	if err := os.MkdirAll(filepath.Join(blocked, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (&Store{path: blocked}).Save(id); err == nil {
		t.Fatal("a file took the name of a directory")
	}
	after, _ := os.ReadFile(path)
	if !bytes.Equal(before, after) {
		t.Error("the old file changed")
	}
	if left, _ := filepath.Glob(blocked + ".new-*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestIdentityDoesNotLogItsKeys(t *testing.T) {
	id, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("identity", "id", id)
	if !strings.Contains(log.String(), string(id.Sign.ID())) || strings.Contains(log.String()+fmt.Sprintf("%+v", id), fmt.Sprintf("%v", id.Sign.Bytes()[:8])) {
		t.Errorf("log = %s", log.String())
	}
}

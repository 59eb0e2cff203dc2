package keyring

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/protocol"
)

func opened(t *testing.T, dir string) *Keyring {
	t.Helper()
	k, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestFirstUseMakesKeysThatStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := opened(t, dir)
	if k.Version() != 1 {
		t.Errorf("version = %d, want 1", k.Version())
	}
	ks, err := k.Signed().Verify(k.Root(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ks.SealTo(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := k.Sealing(pub.ID()); !ok || key.ID() != pub.ID() {
		t.Error("the sealing key of the keyset is not held")
	}
	if _, ok := k.Sealing("AAAAAAAAAAAAAAAAAAAAAA"); ok {
		t.Error("an unknown key is held")
	}
	again := opened(t, dir)
	if again.Version() != 1 || again.Root() != k.Root() || again.Response().ID() != k.Response().ID() {
		t.Error("opening again made other keys")
	}
	if runtime.GOOS == "windows" {
		return
	}
	for _, name := range files(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// Seventy days, a look every ten minutes: an agent that fetches what an answer names can always seal,
// what was sealed opens for at least 14 days, and nothing is kept for long.
func TestKeysAreRenewedAndDestroyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		k := opened(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		sealedAt := map[protocol.KeyID]time.Time{}
		versions := map[int]bool{}
		for range 70 {
			time.Sleep(24 * time.Hour) //nolint:forbidigo // the bubble's clock, for which nobody waits
			synctest.Wait()
			ks, err := k.Signed().Verify(k.Root(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			pub, err := ks.SealTo(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			sealedAt[pub.ID()], versions[ks.Version] = time.Now(), true
			for id, at := range sealedAt {
				age := time.Since(at)
				if _, held := k.Sealing(id); held != (age < overlap) && age != overlap {
					t.Fatalf("sealed %v ago: key held = %t", age, held)
				}
			}
			if n := len(files(t, dir)); n != 2 {
				t.Fatalf("files = %v, want the root and one version", files(t, dir))
			}
		}
		if n := len(versions); n < 10 || n > 14 {
			t.Errorf("%d versions in 70 days", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestProcessesThatRenewAtOnceAgree(t *testing.T) {
	dir := t.TempDir()
	first := opened(t, dir)
	rings := []*Keyring{first}
	for range 7 {
		rings = append(rings, opened(t, dir))
	}
	later := time.Now().Add(sealingPeriod + time.Hour)
	var wait sync.WaitGroup
	for _, k := range rings {
		wait.Go(func() {
			if err := k.Renew(later); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	pub, err := first.Keyset().SealTo(later)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range rings {
		if k.Version() != 2 || k.Response().ID() != first.Response().ID() {
			t.Errorf("version %d", k.Version())
		}
		if _, ok := k.Sealing(pub.ID()); !ok {
			t.Error("a process does not hold the new key")
		}
	}
}

func TestFirstUseByManyProcesses(t *testing.T) {
	dir := t.TempDir()
	rings := make([]*Keyring, 8)
	var wait sync.WaitGroup
	for i := range rings {
		wait.Go(func() {
			var err error
			if rings[i], err = Open(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, k := range rings {
		if k != nil && (k.Root() != rings[0].Root() || k.Response().ID() != rings[0].Response().ID()) {
			t.Error("two processes made keys of their own")
		}
	}
}

// A disk that fails for two weeks costs nothing; then it is told while a week is left.
func TestRenewalThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		k := opened(t, dir)
		moved := dir + "-gone"
		if err := os.Rename(dir, moved); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := k.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "write keys") {
			t.Errorf("err = %v", err)
		}
		if after := time.Since(began); after < 13*24*time.Hour || after > 15*24*time.Hour {
			t.Errorf("told after %v", after)
		}
	})
}

// What another process renewed is found when its key is first needed.
func TestKeyOfAnotherProcessIsFound(t *testing.T) {
	dir := t.TempDir()
	one, two := opened(t, dir), opened(t, dir)
	later := time.Now().Add(sealingPeriod + time.Hour)
	if err := one.Renew(later); err != nil {
		t.Fatal(err)
	}
	pub, err := one.Keyset().SealTo(later)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := two.Sealing(pub.ID()); !ok {
		t.Error("the key is not found")
	}
}

func TestBadKeyDirectories(t *testing.T) {
	version := func(dir string) string { return filepath.Join(dir, versionName(1)) }
	tests := map[string]struct {
		change func(t *testing.T, dir string) error
		want   string
	}{
		"version readable by others": {func(_ *testing.T, dir string) error { return os.Chmod(version(dir), 0o644) }, "can be read by other accounts (mode 0644): run chmod 600"},
		"root readable by others":    {func(_ *testing.T, dir string) error { return os.Chmod(filepath.Join(dir, rootName), 0o640) }, "can be read by other accounts (mode 0640)"},
		"version damaged":            {func(_ *testing.T, dir string) error { return os.WriteFile(version(dir), []byte("{"), 0o600) }, "is damaged: restore the key directory"},
		"version without keys":       {func(_ *testing.T, dir string) error { return os.WriteFile(version(dir), []byte("{}"), 0o600) }, "is damaged: restore the key directory"},
		"root damaged": {func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, rootName), []byte("zz"), 0o600)
		}, "is damaged: restore it from a backup"},
		"another root": {func(t *testing.T, dir string) error {
			other := t.TempDir()
			opened(t, other)
			text, err := os.ReadFile(filepath.Join(other, rootName))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, rootName), text, 0o600)
		}, "is not the root of the keys beside it"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(name, "readable") {
				t.Skip("access follows the directory's access list")
			}
			dir := t.TempDir()
			opened(t, dir)
			if err := tt.change(t, dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestRootTakenOffLine(t *testing.T) {
	dir := t.TempDir()
	k := opened(t, dir)
	if err := os.Remove(filepath.Join(dir, rootName)); err != nil {
		t.Fatal(err)
	}
	without := opened(t, dir)
	if err := without.Renew(time.Now().AddDate(1, 0, 0)); err != nil || without.Version() != 1 || without.Root() != k.Root() {
		t.Errorf("version = %d, %v", without.Version(), err)
	}
}

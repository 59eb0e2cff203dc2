package keyring

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"lessor.dk/portalsync/protocol"
)

const rootName = "root.key"

// versionName sorts by version.
func versionName(number int) string { return fmt.Sprintf("keyring-%08d.json", number) }

// versions lists the version files, oldest first.
func (k *Keyring) versions() ([]string, error) {
	names, err := filepath.Glob(filepath.Join(k.dir, "keyring-*.json"))
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return names, nil // Glob sorts
}

// reload takes in the newest version on the disk, if it is newer than the one held. A file that goes
// away in between was destroyed by a process that wrote a newer one.
func (k *Keyring) reload() error {
	k.reloading.Lock()
	defer k.reloading.Unlock()
	for {
		if err := k.reloadOnce(); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
}

func (k *Keyring) reloadOnce() error {
	names, err := k.versions()
	if err != nil || len(names) == 0 {
		return err
	}
	newest := names[len(names)-1]
	if held := k.current.Load(); held != nil && filepath.Base(newest) <= versionName(held.keyset.Version) {
		return nil
	}
	text, err := readPrivate(newest)
	if err != nil {
		return err
	}
	var s secrets
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is damaged: restore the key directory from a backup: %w", newest, err)
	}
	v, err := open(s)
	if err != nil {
		return fmt.Errorf("%s is damaged: restore the key directory from a backup: %w", newest, err)
	}
	k.current.Store(v)
	return nil
}

// loadRoot reads the root key, or makes it when there are no keys at all yet.
func (k *Keyring) loadRoot() error {
	path := filepath.Join(k.dir, rootName)
	if k.current.Load() == nil {
		text := hex.EncodeToString(protocol.NewSigningKey().Bytes())
		if err := createPrivate(path, []byte(text+"\n")); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s is damaged: restore it from a backup", path)
	}
	root, err := protocol.ParseSigningKey(seed)
	if err != nil {
		return fmt.Errorf("%s is damaged: restore it from a backup: %w", path, err)
	}
	if v := k.current.Load(); v != nil && protocol.RootFingerprintOf(root.Public()) != protocol.RootFingerprintOf(v.signed.Root) {
		return fmt.Errorf("%s is not the root of the keys beside it: agents would refuse it; put the right one back", path)
	}
	k.root = root
	return nil
}

// destroyOlder removes the files of versions before the newest, and with them the only copies of
// keys that have ended.
func (k *Keyring) destroyOlder() error {
	names, err := k.versions()
	if err != nil {
		return err
	}
	for _, name := range names[:max(0, len(names)-1)] {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("destroy old keys: %w", err)
		}
	}
	return nil
}

// readPrivate reads a file that its owner alone can read.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by other accounts (mode %04o): run chmod 600 on it, and make new keys if somebody may have read it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return text, nil
}

// createPrivate makes a file whole or not at all, and never over another: fs.ErrExist.
func createPrivate(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err == nil && runtime.GOOS != "windows" {
		err = syncDirectory(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

// syncDirectory makes a new name survive a loss of power.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

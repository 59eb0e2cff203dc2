//go:build !windows

package keystore

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// protection says how secrets are kept in the file: as they are, behind the file's mode 0600.
const protection = "mode-0600"

func protect(secret []byte) ([]byte, error) { return secret, nil }

func unprotect(protected []byte) ([]byte, error) { return protected, nil }

// private refuses a file that others than its owner can reach.
func private(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s can be read by other accounts (mode %04o): run chmod 600 on it, and enrol again if somebody may have read it", path, mode)
	}
	return nil
}

// adopt gives a file that root has made to the owner of its directory: root enrols for an agent that runs under
// an account of its own.
func adopt(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(owner.Uid), -1)
	}
	return nil
}

// syncDirectory makes a rename in a directory survive a loss of power.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

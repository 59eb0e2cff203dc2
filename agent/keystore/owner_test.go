//go:build unix

package keystore

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Root enrols, and the agent that runs under an account of its own can read its keys.
func TestKeysBelongToWhomTheirDirectoryBelongs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	s, path := open(t)
	const account = 54321
	if err := os.Chown(filepath.Dir(path), account, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare("https://portal.test", root); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; got != account {
		t.Errorf("the keys belong to account %d, want %d", got, account)
	}
}

//go:build unix

package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lessor.dk/portalsync/agent/config"
)

func TestAccountOfAServiceIsAdmitted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	tests := map[string]struct {
		account string
		mode    os.FileMode // of the settings file, which is root's
		want    string      // in the error; empty is none
	}{
		"one that may read the settings": {"nobody", 0o644, ""},
		"one that may not":               {"nobody", 0o600, "the account nobody may not read the settings file "},
		"one that is not known":          {"nobody-here", 0o644, "the account nobody-here is not known on this computer: make it first"},
		"one that looks like an option":  {"--help", 0o644, "the account --help is not known"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
				t.Fatal(err)
			}
			cfg := &config.Config{File: filepath.Join(dir, "agent.yaml"), State: filepath.Join(dir, "state")}
			outside := filepath.Join(dir, "outside")
			for path, mode := range map[string]os.FileMode{cfg.File: tt.mode, outside: 0o600} {
				if err := os.WriteFile(path, nil, mode); err != nil {
					t.Fatal(err)
				}
			}
			cfg.Plan = cfg.File
			enrolled(t, cfg.State)
			if err := os.Symlink(outside, filepath.Join(cfg.State, "link")); err != nil {
				t.Fatal(err)
			}
			err := admit(t.Context(), tt.account, "/bin/sh", cfg)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("admit = %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			who, err := identify(t.Context(), tt.account)
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]uint32{cfg.State: who.Uid, filepath.Join(cfg.State, "identity.json"): who.Uid, outside: 0} {
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
					t.Errorf("%s belongs to %d, want %d", path, got, want)
				}
			}
		})
	}
}

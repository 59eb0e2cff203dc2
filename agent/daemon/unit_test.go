//go:build unix

package daemon

import (
	"strings"
	"testing"

	"lessor.dk/portalsync/agent/config"
)

func TestUnitNamesPathsAsSystemdReadsThem(t *testing.T) {
	cfg := &config.Config{
		File: `/etc/løn 100% $A/agent.yaml`, State: "/var/lib/portalsync", Socket: "/var/lib/portalsync/status.sock",
		MainSystem: config.MainSystem{SQLite: `/srv/a "b" \c/main.db`},
	}
	tests := map[string]struct {
		account string
		want    []string
		without string
	}{
		"for root": {"", []string{
			`ExecStart="/opt/agent" service run --config "/etc/løn 100%% $$A/agent.yaml"` + "\n",
			`ReadWritePaths="-/srv/a \"b\" \\c" "-/var/lib/portalsync"` + "\n",
			"CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER\n", "Type=notify\n", "WatchdogSec=60\n",
		}, "User="},
		"for an account of its own": {"portalsync", []string{"User=portalsync\nCapabilityBoundingSet=\n"}, "CAP_"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := unit("/opt/agent", tt.account, cfg)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("unit lacks %s:\n%s", want, got)
				}
			}
			if strings.Contains(got, tt.without) {
				t.Errorf("unit has %s:\n%s", tt.without, got)
			}
		})
	}
}

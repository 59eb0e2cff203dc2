package daemon

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/config"
)

// unit is the systemd unit, in place of kardianos', which restarts after 120 s, knows no readiness and
// protects nothing. The agent reads everything and writes only where the settings say: its state, its socket,
// and beside a main system that is a file, which takes the reports. A directory that is not there yet is no error ("-").
func unit(program, account string, cfg *config.Config) string {
	writable := []string{cfg.State, filepath.Dir(cfg.Socket)}
	if file := cfg.MainSystem.SQLite; file != "" {
		writable = append(writable, filepath.Dir(file))
	}
	slices.Sort(writable)
	var paths []string
	for _, dir := range slices.Compact(writable) {
		paths = append(paths, quoted("-"+dir))
	}
	user := "User=" + account + "\nCapabilityBoundingSet="
	if account == "" { // root without these could not open what belongs to others, nor leave SQLite's side files to their owner
		user = "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER"
	}
	exec := quoted(program) + " service run --config " + quoted(strings.ReplaceAll(cfg.File, "$", "$$"))
	return fmt.Sprintf(unitText, exec, user, strings.Join(paths, " "))
}

// quoted is a word as systemd reads it (systemd.syntax(7)); %% is its escape of %.
func quoted(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(word) + `"`
}

const unitText = `[Unit]
Description=LESSOR PortalSync Agent: pushes what the plan allows from the main system to LESSOR-Portalen
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=%s
%s
Restart=always
RestartSec=5
TimeoutStartSec=60
TimeoutStopSec=30
WatchdogSec=60
UMask=0077
ReadWritePaths=%s
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`

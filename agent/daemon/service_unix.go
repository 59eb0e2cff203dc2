//go:build unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// elevate is what to do when an account may not change the system's services.
const elevate = "run it as root, for instance with sudo"

// RunService runs the agent as systemd started it: a program that a signal stops. Its log goes to stderr, which
// systemd gives to journald.
func RunService(ctx context.Context, stderr io.Writer, run func(context.Context, Sink) error) error {
	if os.Getenv("JOURNAL_STREAM") != "" {
		return run(ctx, Journal(stderr))
	}
	return run(ctx, Plain(stderr))
}

// serviceLog says how to read the service's log.
func serviceLog() string { return "journalctl -u " + ServiceName }

// refine has nothing to add: the unit says it all.
func refine() error { return nil }

// remedy knows nothing beyond what systemctl says.
func remedy(error) string { return "" }

// forget makes systemd forget how a service that is gone has failed.
func forget(ctx context.Context) error {
	_ = exec.CommandContext(ctx, "systemctl", "reset-failed", ServiceName+".service").Run() // an error means that there was nothing to forget
	return nil
}

// inspect asks systemd.
func inspect(ctx context.Context) (*ServiceStatus, error) {
	out, err := exec.CommandContext(ctx, "systemctl", "show", ServiceName+".service",
		"--property=LoadState,ActiveState,SubState,MainPID,UnitFileState,User,NRestarts,ExecMainStatus,ExecStart").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("systemctl: %w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, fmt.Errorf("systemctl: %w", err)
	}
	return parseUnit(string(out)), nil
}

// parseUnit reads the properties that systemctl show prints.
func parseUnit(text string) *ServiceStatus {
	p := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		p[key] = value
	}
	st := &ServiceStatus{Automatic: p["UnitFileState"] == "enabled", Account: p["User"], State: Stopped}
	switch p["ActiveState"] {
	case "active", "reloading":
		st.State = Running
	case "activating":
		st.State = Starting
		if p["SubState"] == "auto-restart" {
			st.State = Restarting
		}
	case "deactivating":
		st.State = Stopping
	case "failed":
		st.State = Failed
	}
	if p["LoadState"] == "not-found" && st.State != Running {
		return &ServiceStatus{State: NotInstalled}
	}
	if st.Account == "" {
		st.Account = "root"
	}
	st.Process, _ = strconv.Atoi(p["MainPID"]) // 0 when systemd says nothing
	st.Restarts, _ = strconv.Atoi(p["NRestarts"])
	st.Exit, _ = strconv.Atoi(p["ExecMainStatus"])
	st.Program, st.Settings = command(p["ExecStart"])
	return st
}

// command takes program and settings out of { path=… ; argv[]=… service run --config … ; … }, which systemd
// prints without quotes: the settings are what stands last.
func command(text string) (program, settings string) {
	_, text, _ = strings.Cut(text, "{ path=")
	program, text, _ = strings.Cut(text, " ; argv[]=")
	_, text, _ = strings.Cut(text, " --config ")
	settings, _, _ = strings.Cut(text, " ; ")
	return program, settings
}

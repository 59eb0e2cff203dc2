//go:build unix

package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/protocol"
)

// hear is what systemd does: it listens on a socket and tells where in the environment. The function it returns
// is the next word within a time, or nothing.
func hear(t *testing.T, watchdog string) (manager, func(time.Duration) string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	environment := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": watchdog}
	return managerOf(func(key string) string { return environment[key] }), func(within time.Duration) string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestSystemdHearsThatTheAgentIsReadyLivesAndStops(t *testing.T) {
	m, next := hear(t, "20000")
	d := &Daemon{log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- d.attend(ctx, m, func() Status {
			return Status{Capture: protocol.AgentStatus{State: "following", RowsSent: 3, Error: "two\nlines"}}
		})
	}()
	const status = "\nSTATUS=following, 3 rows sent: two lines"
	if got, want := next(10*time.Second), "READY=1"+status; got != want {
		t.Errorf("first %q, want %q", got, want)
	}
	for range 3 {
		if got, want := next(10*time.Second), "WATCHDOG=1"+status; got != want {
			t.Errorf("then %q, want %q", got, want)
		}
	}
	stop()
	for {
		got := next(10 * time.Second)
		if strings.HasPrefix(got, "STOPPING=1") {
			break
		}
		if !strings.HasPrefix(got, "WATCHDOG=1") {
			t.Fatalf("at the end %q, want STOPPING=1", got)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("attend = %v, want nil", err)
	}
}

// An agent whose status cannot be had, because its parts hold each other's locks, must fall silent.
func TestSystemdHearsNothingFromAnAgentThatIsStuck(t *testing.T) {
	m, next := hear(t, "20000")
	d := &Daemon{log: slog.New(slog.DiscardHandler)}
	asked, answer := make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- d.attend(ctx, m, func() Status {
			asked <- struct{}{}
			<-answer
			return Status{}
		})
	}()
	<-asked
	answer <- struct{}{}
	if got := next(10 * time.Second); !strings.HasPrefix(got, "READY=1") {
		t.Fatalf("first %q, want READY=1", got)
	}
	<-asked // stuck from here, for five times the watchdog's patience
	if got := next(100 * time.Millisecond); got != "" {
		t.Errorf("while stuck %q, want silence", got)
	}
	stop()
	close(answer)
	for {
		select {
		case <-asked: // a tick that was waiting, and STOPPING=1
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
}

// A service that waits to be enrolled is ready and lives, and so is not ended; begun, it does not say that it stops.
func TestSystemdHearsThatTheAgentWaitsToBeEnrolled(t *testing.T) {
	m, next := hear(t, "20000")
	d := New(&config.Config{State: t.TempDir()}, "test", slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- d.awaitEnrolment(t.Context(), m) }()
	if got := next(10 * time.Second); !strings.HasPrefix(got, "READY=1\nSTATUS=this computer is not enrolled") {
		t.Errorf("first %q, want READY=1 and why it waits", got)
	}
	for range 3 {
		if got, want := next(10*time.Second), "WATCHDOG=1"; got != want {
			t.Errorf("then %q, want %q", got, want)
		}
	}
	enrolled(t, d.cfg.State)
	if err := <-done; err != nil {
		t.Errorf("awaitEnrolment = %v, want nil", err)
	}
	for got := "WATCHDOG=1"; got != ""; got = next(time.Millisecond) {
		if got != "WATCHDOG=1" {
			t.Errorf("at the end %q, want nothing: the agent begins", got)
		}
	}
}

func TestSignsOfLifeComeTwiceWithinTheWatchdogsPatience(t *testing.T) {
	tests := map[string]struct {
		watchdog string // WATCHDOG_USEC
		want     time.Duration
	}{
		"half of the unit's patience":              {"60000000", 30 * time.Second},
		"no less often than wanted":                {"3600000000", 30 * time.Second},
		"more often for a manager of little":       {"2000000", time.Second},
		"as often as wanted without watchdog":      {"", 30 * time.Second},
		"as often as wanted where it is no number": {"soon", 30 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := managerOf(func(key string) string { return map[string]string{"WATCHDOG_USEC": tt.watchdog}[key] })
			if got := m.every(statusEvery); got != tt.want {
				t.Errorf("every %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWithoutSystemdNobodyIsTold(t *testing.T) {
	m := managerOf(func(string) string { return "" })
	if m != (manager{}) {
		t.Errorf("manager = %+v, want none", m)
	}
	if err := m.notify(t.Context(), "READY=1"); err != nil {
		t.Error(err)
	}
}

func TestSystemctlShowIsRead(t *testing.T) {
	const exec = "ExecStart={ path=/opt/portal sync/agent ; argv[]=/opt/portal sync/agent service run --config /etc/løn a/agent.yaml ; ignore_errors=no ; start_time=[n/a] }\n"
	tests := map[string]struct {
		text string
		want ServiceStatus
	}{
		"running": {
			"MainPID=42\nNRestarts=2\nExecMainStatus=0\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nUser=portalsync\n" + exec,
			ServiceStatus{State: Running, Process: 42, Restarts: 2, Automatic: true, Account: "portalsync", Program: "/opt/portal sync/agent", Settings: "/etc/løn a/agent.yaml"},
		},
		"waiting for its restart": {
			"MainPID=0\nNRestarts=3\nExecMainStatus=1\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\nUnitFileState=disabled\n",
			ServiceStatus{State: Restarting, Restarts: 3, Exit: 1, Account: "root"},
		},
		"starting":        {"LoadState=loaded\nActiveState=activating\nSubState=start\n", ServiceStatus{State: Starting, Account: "root"}},
		"failed":          {"LoadState=loaded\nActiveState=failed\nExecMainStatus=203\n", ServiceStatus{State: Failed, Exit: 203, Account: "root"}},
		"stopped":         {"LoadState=loaded\nActiveState=inactive\n", ServiceStatus{State: Stopped, Account: "root"}},
		"never installed": {"LoadState=not-found\nActiveState=inactive\n", ServiceStatus{State: NotInstalled}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := parseUnit(tt.text); *got != tt.want {
				t.Errorf("parseUnit = %+v, want %+v", *got, tt.want)
			}
		})
	}
}

package daemon

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// statusEvery is how often systemctl status hears anew how the agent is.
const statusEvery = 30 * time.Second

// manager is systemd, which wants to hear that the agent is ready, lives, and stops (sd_notify(3)). The zero
// value is no manager: nobody listens.
type manager struct {
	socket   string        // a path, or an abstract address that begins with @; empty is nobody
	patience time.Duration // after how long without a word it kills the agent; 0 is never
}

// managerOf reads what systemd says in the environment of a service.
func managerOf(getenv func(string) string) manager {
	m := manager{socket: getenv("NOTIFY_SOCKET")}
	if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		m.patience = time.Duration(us) * time.Microsecond
	}
	return m
}

// every is how often to give a sign: at least twice within the manager's patience, and at least as often as wanted.
func (m manager) every(wanted time.Duration) time.Duration {
	if m.patience == 0 {
		return wanted
	}
	return min(wanted, m.patience/2)
}

// notify sends lines of VARIABLE=VALUE.
func (m manager) notify(ctx context.Context, lines ...string) error {
	if m.socket == "" {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unixgram", m.socket)
	if err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	return nil
}

// attend tells the manager that the agent is ready, and then, until ctx ends, that it lives. Each sign of life
// asks for the status first: an agent whose parts hold each other's locks falls silent, and is restarted.
func (d *Daemon) attend(ctx context.Context, m manager, status func() Status) error {
	tell := func(ctx context.Context, word string) { d.inform(ctx, m, word, "STATUS="+sentence(status())) }
	tell(ctx, "READY=1")
	tick := time.NewTicker(m.every(statusEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			tell(context.WithoutCancel(ctx), "STOPPING=1")
			return nil
		case <-tick.C:
			tell(ctx, "WATCHDOG=1")
		}
	}
}

// inform notifies the manager. One that cannot be told is no reason to end.
func (d *Daemon) inform(ctx context.Context, m manager, lines ...string) {
	if err := m.notify(ctx, lines...); err != nil {
		d.log.WarnContext(ctx, "service manager not told", "err", err)
	}
}

// sentence is a status in one line, for systemctl status.
func sentence(s Status) string {
	text := fmt.Sprintf("%s, %d rows sent", s.Capture.State, s.Capture.RowsSent)
	if s.Capture.Error != "" {
		text += ": " + s.Capture.Error
	} else if t := s.Trouble; t != nil && t.Until == 0 {
		text += ": " + t.Sentence
	}
	return strings.ReplaceAll(text, "\n", " ")
}

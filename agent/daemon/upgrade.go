package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// lookFunc looks for an upgrade of the main system, as mainsystem.System does.
type lookFunc func(ctx context.Context) (begun time.Time, err error)

// upgradeNews answers who asked on the socket. Begun is zero when no upgrade is open.
type upgradeNews struct {
	Begun time.Time `json:"begun,omitzero"`
	Error string    `json:"error,omitempty"`
}

// serveUpgrade answers POST /upgrade once the agent has looked, and so paused or gone on. With none open, goOn ends the
// wait for the next try.
func (d *Daemon) serveUpgrade(look lookFunc, goOn func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var news upgradeNews
		begun, err := look(r.Context())
		if news.Begun = begun; err != nil {
			news.Error = err.Error()
		} else if begun.IsZero() {
			goOn()
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(news); err != nil {
			d.log.DebugContext(r.Context(), "upgrade not told", "err", err)
		}
	}
}

// AskUpgrade has the agent that runs on a socket look whether an upgrade of the main system is open, and returns since when;
// zero when none is. From then on it has paused, or goes on.
func AskUpgrade(ctx context.Context, socket string) (time.Time, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent/upgrade", nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("tell the agent of an upgrade: %w", err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return time.Time{}, fmt.Errorf("no agent answers on %s: %w", socket, reason(err))
	}
	defer resp.Body.Close()
	var news upgradeNews
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, statusLimit)).Decode(&news); err != nil {
		return time.Time{}, fmt.Errorf("the agent that answers on %s is of another version than this program: %w", socket, err)
	}
	if news.Error != "" {
		return news.Begun, fmt.Errorf("the agent that answers on %s: %s", socket, news.Error)
	}
	return news.Begun, nil
}

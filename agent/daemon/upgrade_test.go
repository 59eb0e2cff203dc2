package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// lookedAt serves a look for an upgrade on a socket.
func lookedAt(t *testing.T, look lookFunc, goOn func()) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s.sock")
	ln, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{log: slog.New(slog.DiscardHandler)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /upgrade", d.serveUpgrade(look, goOn))
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return socket
}

func TestTheAgentIsAskedToLookForAnUpgrade(t *testing.T) {
	day := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		begun time.Time
		err   error
		want  string
	}{
		"one is open":                     {begun: day},
		"none is open":                    {},
		"the main system does not say":    {err: errors.New("it is locked"), want: "it is locked"},
		"one is open, and it fell silent": {begun: day, err: errors.New("it is gone"), want: "it is gone"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var wentOn atomic.Bool
			socket := lookedAt(t, func(context.Context) (time.Time, error) { return tt.begun, tt.err }, func() { wentOn.Store(true) })
			begun, err := AskUpgrade(t.Context(), socket)
			if !begun.Equal(tt.begun) || (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("AskUpgrade = %s, %v, want %s, %q", begun, err, tt.begun, tt.want)
			}
			if none := tt.begun.IsZero() && tt.err == nil; wentOn.Load() != none {
				t.Errorf("it goes on at once: %t, want %t", wentOn.Load(), none)
			}
		})
	}
}

func TestNoAgentIsToldOfAnUpgrade(t *testing.T) {
	if _, err := AskUpgrade(t.Context(), filepath.Join(t.TempDir(), "s.sock")); err == nil || !strings.Contains(err.Error(), "no agent answers") {
		t.Errorf("err = %v, want that nobody answers", err)
	}
}

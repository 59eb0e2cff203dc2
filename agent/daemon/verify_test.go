package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/protocol"
)

// served serves a verification on a socket.
func served(t *testing.T, verify verifyFunc) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s.sock")
	ln, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{log: slog.New(slog.DiscardHandler)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /verify", d.serveVerify(verify))
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return socket
}

func TestAVerificationIsToldAsItGoes(t *testing.T) {
	said := []capture.VerifyNews{
		{Kind: "employee", Rows: 5000, Total: 12000},
		{Kind: "employee", Rows: 12000, Total: 12000, Outcome: &protocol.Verification{Kind: "employee", Position: 8123, Rows: 12000}},
	}
	next := make(chan struct{})
	socket := served(t, func(_ context.Context, repair bool, tell func(capture.VerifyNews)) error {
		if !repair {
			t.Error("repair was lost on the way")
		}
		tell(said[0])
		<-next // the first line arrives before there is a second
		tell(said[1])
		return nil
	})
	var heard []capture.VerifyNews
	err := AskVerify(t.Context(), socket, true, func(n capture.VerifyNews) {
		if heard = append(heard, n); len(heard) == 1 {
			close(next)
		}
	})
	if diff := cmp.Diff(said, heard); diff != "" || err != nil {
		t.Errorf("err %v: %s", err, diff)
	}
}

func TestAVerificationSaysWhyItDoesNotBegin(t *testing.T) {
	socket := served(t, func(context.Context, bool, func(capture.VerifyNews)) error { return capture.ErrVerifying })
	err := AskVerify(t.Context(), socket, false, nil)
	if err == nil || err.Error() != capture.ErrVerifying.Error() {
		t.Errorf("err = %v, want %v", err, capture.ErrVerifying)
	}
}

func TestAVerificationEndsWithWhoeverAsked(t *testing.T) {
	ended := make(chan error)
	socket := served(t, func(ctx context.Context, _ bool, tell func(capture.VerifyNews)) error {
		tell(capture.VerifyNews{Kind: "employee"})
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	err := AskVerify(ctx, socket, false, func(capture.VerifyNews) { cancel() })
	if err == nil || !errors.Is(<-ended, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestNobodyVerifiesWithoutAnAgent(t *testing.T) {
	err := AskVerify(t.Context(), filepath.Join(t.TempDir(), "s.sock"), false, nil)
	if err == nil || !strings.Contains(err.Error(), "no agent answers") {
		t.Errorf("err = %v", err)
	}
}

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"lessor.dk/portalsync/agent/capture"
)

// verifyFunc verifies, as capture does.
type verifyFunc func(ctx context.Context, repair bool, tell func(capture.VerifyNews)) error

// VerifyNews is one line of a verification asked for on the socket: how far it is, an outcome, or why it ended early.
type VerifyNews struct {
	capture.VerifyNews
	Error string `json:"error,omitempty"`
}

// serveVerify answers POST /verify[?repair=true] with one line of JSON per news. It ends with whoever asked.
func (d *Daemon) serveVerify(verify verifyFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines, flush := json.NewEncoder(w), http.NewResponseController(w)
		say := func(n VerifyNews) {
			err := lines.Encode(n)
			if err = errors.Join(err, flush.Flush()); err != nil {
				d.log.DebugContext(r.Context(), "verification not told", "err", err)
			}
		}
		err := verify(r.Context(), r.URL.Query().Get("repair") == "true", func(n capture.VerifyNews) { say(VerifyNews{VerifyNews: n}) })
		if err != nil && r.Context().Err() == nil {
			say(VerifyNews{Error: err.Error()})
		}
	}
}

// AskVerify has the agent that runs on a socket verify every kind, and calls tell with what it says. It returns when all
// kinds have an outcome; ending ctx ends the verification.
func AskVerify(ctx context.Context, socket string, repair bool, tell func(capture.VerifyNews)) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://agent/verify?repair=%t", repair), nil)
	if err != nil {
		return fmt.Errorf("ask for a verification: %w", err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("no agent answers on %s: start it, or name its settings file with --config: %w", socket, reason(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the agent that answers on %s cannot verify: it is of another version than this program", socket)
	}
	lines := json.NewDecoder(resp.Body)
	for {
		var n VerifyNews
		err := lines.Decode(&n)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("the verification ends unfinished: %w", ctx.Err())
		case err != nil:
			return fmt.Errorf("the agent stopped while it verified: %w", err)
		case n.Error != "":
			return errors.New(n.Error)
		}
		tell(n.VerifyNews)
	}
}

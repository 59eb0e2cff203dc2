package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"lessor.dk/portalsync/agent/inbox"
	"lessor.dk/portalsync/agent/keystore"
	"lessor.dk/portalsync/protocol"
)

// Status is what a running agent tells on its socket. It holds no payroll data.
type Status struct {
	Version  string               `json:"version"`
	Process  int                  `json:"process"` // its id
	Started  time.Time            `json:"started"`
	Customer string               `json:"customer"`
	Tenant   protocol.TenantID    `json:"tenant"`
	Agent    protocol.AgentID     `json:"agent"`
	Stream   protocol.StreamID    `json:"stream"`
	Receiver string               `json:"receiver"`
	Capture  protocol.AgentStatus `json:"capture"`
	Waiting  int                  `json:"reports_waiting"`        // held, not yet in the main system
	Inbox    string               `json:"inbox_error,omitempty"`  // why reports wait
	Trouble  *protocol.Trouble    `json:"receiver_err,omitempty"` // the last on the way to the receiver; nil if there was none
	Load     *Load                `json:"main_system_load,omitempty"`
}

// Load is what reading cost the main system's database since the agent started; nil where that is not counted.
type Load struct {
	Spent  time.Duration `json:"spent_ns"`            // from each request to its last row
	Waited time.Duration `json:"waited_ns"`           // for the budget
	Budget time.Duration `json:"budget_ns,omitempty"` // of each minute; 0 is no limit
}

// statusLimit bounds a status read from a socket, in bytes.
const statusLimit = 1 << 20

func (d *Daemon) status(id *keystore.Identity, captured protocol.AgentStatus, in inbox.Status, way *protocol.Trouble) Status {
	s := Status{
		Version: d.version, Process: os.Getpid(), Started: d.started, Customer: id.Customer,
		Tenant: id.Tenant, Agent: id.Agent, Stream: id.Stream, Receiver: d.cfg.Receiver,
		Capture: captured, Waiting: in.Waiting, Trouble: way,
	}
	if in.Err != nil {
		s.Inbox = in.Err.Error()
	}
	return s
}

// tell answers on the status socket until ctx ends. A socket that cannot be made is logged and the
// agent goes on: nobody loses data because nobody can ask.
func (d *Daemon) tell(ctx context.Context, status func() Status, verify verifyFunc, look lookFunc, goOn func()) error {
	ln, err := d.listen(ctx)
	if err != nil {
		d.log.WarnContext(ctx, "status cannot be asked for", "err", err)
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(status()); err != nil {
			d.log.DebugContext(ctx, "status not told", "err", err)
		}
	})
	mux.HandleFunc("POST /verify", d.serveVerify(verify))
	mux.HandleFunc("POST /upgrade", d.serveUpgrade(look, goOn))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // Serve tells the same
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		d.log.WarnContext(ctx, "status cannot be asked for any more", "err", err)
	}
	return nil
}

// listen makes the socket, readable by the agent's own account, taking the place of one that a killed
// process left behind.
func (d *Daemon) listen(ctx context.Context) (net.Listener, error) {
	if _, err := AskStatus(ctx, d.cfg.Socket); err == nil {
		return nil, fmt.Errorf("another agent answers on %s: stop it, or set socket to another path", d.cfg.Socket)
	}
	if err := os.Remove(d.cfg.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", d.cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("make the status socket: %w: a path of fewer than 100 characters in a directory of the agent's is needed", err)
	}
	if err := os.Chmod(d.cfg.Socket, 0o600); err != nil {
		_ = ln.Close() // the first error says more
		return nil, fmt.Errorf("protect the status socket: %w", err)
	}
	return ln, nil
}

// AskStatus asks the agent that runs on a socket how it is.
func AskStatus(ctx context.Context, socket string) (*Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/status", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for status: %w", err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("no agent answers on %s: start it, or name its settings file with --config: %w", socket, reason(err))
	}
	defer resp.Body.Close()
	var s Status
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, statusLimit)).Decode(&s); err != nil {
		return nil, fmt.Errorf("read the status told on %s: %w", socket, err)
	}
	return &s, nil
}

// reason is the cause of a failed request without the request, which the sentence around it has named.
func reason(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

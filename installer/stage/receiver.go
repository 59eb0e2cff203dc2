package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// readyTime bounds one look at whether a receiver is ready.
const readyTime = 5 * time.Second

// Receiver is a receiver on this machine: its settings, and how to run its commands.
type Receiver struct {
	Address string // HOST:PORT of the public listener
	Admin   string // HOST:PORT of health and metrics
	Redis   string // HOST:PORT of the Redis inside the process; "" when it uses another
	program string
	dir     string
	config  string

	settings map[string]any
}

// ReceiverSettings are what a Receiver may differ in. The zero value is the default edition: SQLite and Redis inside.
type ReceiverSettings struct {
	Database string // postgres://… or sqlite:FILE; "" is a SQLite file in the directory
	RedisURL string // "" is a Redis inside the process
	Log      string // level; "" is info
}

// NewReceiver writes the settings of a receiver in dir, on free ports.
func NewReceiver(ctx context.Context, p Programs, dir string, c Certificates, s ReceiverSettings) (*Receiver, error) {
	r := &Receiver{program: p.Receiver, dir: dir}
	addresses := []*string{&r.Address, &r.Admin}
	if s.RedisURL == "" {
		addresses = append(addresses, &r.Redis)
	}
	for _, a := range addresses {
		var err error
		if *a, err = FreeAddress(ctx); err != nil {
			return nil, err
		}
	}
	settings := map[string]any{
		"listen": r.Address, "admin": r.Admin, "data": filepath.Join(dir, "data"),
		"names": []string{r.Address},
		"tls":   map[string]string{"certificate": c.Certificate, "key": c.Key},
	}
	for key, value := range map[string]string{"database": s.Database, "redis": s.RedisURL, "embedded_redis": r.Redis, "log": s.Log} {
		if value != "" {
			settings[key] = value
		}
	}
	r.settings = settings
	var err error
	r.config, err = writeSettings(dir, "receiver.yaml", settings)
	return r, err
}

// URL returns the portal's address.
func (r *Receiver) URL() string { return "https://" + r.Address }

// Serve starts the receiver with the given role ("" is all) and returns when it is ready.
func (r *Receiver) Serve(ctx context.Context, role string) (*Process, error) {
	return r.serve(ctx, "receiver", role)
}

func (r *Receiver) serve(ctx context.Context, name, role string) (*Process, error) {
	args := []string{"serve", "--config", r.config}
	if role != "" {
		args = append(args, "--role", role)
	}
	p, err := Start(name, filepath.Join(r.dir, name+".log"), r.program, args...)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: readyTime}
	err = p.Await(ctx, func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Admin+"/readyz", http.NoBody)
		if err != nil {
			return false, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet; Await notices when it never will
		}
		return resp.StatusCode == http.StatusOK, resp.Body.Close()
	})
	if err != nil {
		_ = p.Kill() // the first error says more
		return nil, err
	}
	return p, nil
}

// ServeBeside starts one more process of the receiver, with one role that agents and browsers do not call.
// It shares settings, database and Redis with the first; only its admin address is its own.
func (r *Receiver) ServeBeside(ctx context.Context, role, name string) (*Process, error) {
	other := *r
	var err error
	if other.Admin, err = FreeAddress(ctx); err != nil {
		return nil, err
	}
	settings := maps.Clone(r.settings)
	settings["admin"] = other.Admin
	if other.config, err = writeSettings(r.dir, name+".yaml", settings); err != nil {
		return nil, err
	}
	return other.serve(ctx, name, role)
}

// Run runs another command of the receiver and returns its output. Input is its standard input.
func (r *Receiver) Run(ctx context.Context, input string, args ...string) (string, error) {
	return run(ctx, r.program, input, append(args, "--config", r.config)...)
}

// run runs a program to its end and returns its output, also when it ends with an error. That holds what the program
// wrote to standard error.
func run(ctx context.Context, program, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Invite adds a customer and returns a code that lets one agent enrol.
func (r *Receiver) Invite(ctx context.Context, customer, name, mainSystem string) (string, error) {
	if _, err := r.Run(ctx, "", "customer", "add", customer, name); err != nil {
		return "", err
	}
	out, err := r.Run(ctx, "", "invite", customer, "--main-system", mainSystem, "--json")
	if err != nil {
		return "", err
	}
	var invite struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal([]byte(out), &invite); err != nil {
		return "", fmt.Errorf("read invite: %w", err)
	}
	return invite.Code, nil
}

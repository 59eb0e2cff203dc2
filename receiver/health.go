package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
)

// checkTime bounds each look at a dependency.
const checkTime = 3 * time.Second

// health is what the admin listener and `receiver status` tell.
type health struct {
	Version  string   `json:"version"`
	Roles    []string `json:"roles"`
	Uptime   int64    `json:"uptime_seconds"`
	Ready    bool     `json:"ready"`
	Database string   `json:"database"` // "ok" or what is wrong
	Schema   int64    `json:"schema"`   // version of the database's tables
	Redis    string   `json:"redis"`    // "ok" or what is wrong
	Embedded bool     `json:"embedded_redis"`
	Queued   int64    `json:"queued_batches"`
	Bytes    int64    `json:"queued_bytes"`
}

// health looks at the store and at Redis now.
func (r *receiver) health(ctx context.Context) health {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	h := health{
		Version: version, Roles: r.roles, Uptime: int64(time.Since(r.started).Seconds()),
		Database: "ok", Redis: "ok", Embedded: r.cfg.Redis == "",
	}
	current, target, err := r.store.SchemaVersion(ctx)
	switch {
	case err != nil:
		h.Database = err.Error()
	case current != target:
		h.Database = fmt.Sprintf("tables are at version %d, this program needs %d; run: receiver migrate", current, target)
	}
	h.Schema = current
	depth, err := r.queue.Depth(ctx)
	if err != nil {
		h.Redis = err.Error()
	}
	h.Queued, h.Bytes = depth.Entries, depth.Bytes
	h.Ready = h.Database == "ok" && h.Redis == "ok"
	return h
}

// listenAdmin serves /healthz, /readyz, /status and /metrics on the loopback listener.
func (r *receiver) listenAdmin(ctx context.Context) error {
	r.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", r.readyz)
	mux.HandleFunc("GET /status", r.status)
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics, promhttp.HandlerOpts{}))
	ln, err := r.bind(ctx, "admin", r.cfg.Admin)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: checkTime}
	return serveUntil(ctx, srv, func() error { return srv.Serve(ln) }, func() {})
}

func (r *receiver) readyz(w http.ResponseWriter, req *http.Request) {
	if h := r.health(req.Context()); !h.Ready {
		http.Error(w, "database: "+h.Database+"\nredis: "+h.Redis, http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}

func (r *receiver) status(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.health(req.Context())) // the reader has gone when this fails
}

func newStatus(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the running receiver is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			h, err := askStatus(cmd.Context(), cfg.Admin)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(h)
			} else {
				err = h.print(cmd.OutOrStdout())
			}
			if err == nil && !h.Ready {
				return fmt.Errorf("not ready")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func askStatus(ctx context.Context, address string) (h health, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*checkTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", http.NoBody)
	if err != nil {
		return h, fmt.Errorf("ask for the status: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return h, fmt.Errorf("no receiver answers on %s (%w); start it with: receiver serve", address, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		return h, fmt.Errorf("read the status that %s gave: %w", address, err)
	}
	return h, nil
}

func (h health) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "version   %s\nroles     %s\nuptime    %s\ndatabase  %s (version %d)\nredis     %s\nqueued    %d batches, %d bytes\n",
		h.Version, strings.Join(h.Roles, ", "), time.Duration(h.Uptime)*time.Second, h.Database, h.Schema, h.Redis, h.Queued, h.Bytes)
	return err
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"lessor.dk/portalsync/receiver/store"
)

// checkTime bounds each look at a dependency.
const checkTime = 3 * time.Second

// Codes of troubles. They are stable: operations and documentation rely on them.
const (
	troubleDatabase    = "database-unreachable" // no answer, or not the database of a portal
	troubleSchemaOld   = "schema-old"           // the tables lack a migration
	troubleSchemaNewer = "schema-newer"         // a newer program has been at the tables
	troubleDiskFull    = "disk-full"            // the database cannot grow
	troubleWrite       = "database-error"       // the database answers and refuses to write
	troubleRedis       = "redis-unreachable"    // no answer, or loading
	troubleCertificate = "certificate-ends"     // soon, or has ended
	troubleRenewal     = "certificate-renewal"  // the files were changed, and what is in them cannot be served
)

// certificateWarning is how long before its end a certificate is a trouble (N14).
const certificateWarning = 21 * 24 * time.Hour

// trouble is one thing that operations has to mend.
type trouble struct {
	Code     string `json:"code"`
	Sentence string `json:"sentence"` // what, where, what to do
}

// health is what the admin listener and `receiver status` tell.
type health struct {
	Version  string    `json:"version"`
	Roles    []string  `json:"roles"`
	Uptime   int64     `json:"uptime_seconds"`
	Ready    bool      `json:"ready"`          // whether agents and browsers can be answered
	Database string    `json:"database"`       // "ok" or what is wrong
	Schema   int64     `json:"schema"`         // version of the database's tables
	Redis    string    `json:"redis"`          // "ok" or what is wrong
	Embedded bool      `json:"embedded_redis"` // whether Redis is the one inside the process
	Queued   int64     `json:"queued_batches"`
	Bytes    int64     `json:"queued_bytes"`
	Troubles []trouble `json:"troubles"`
}

// health looks at the store and at Redis now.
func (r *receiver) health(ctx context.Context) health {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	h := health{
		Version: version, Roles: r.roles, Uptime: int64(time.Since(r.started).Seconds()),
		Database: "ok", Redis: "ok", Embedded: r.cfg.Redis == "", Troubles: []trouble{},
	}
	r.lookAtDatabase(ctx, &h)
	depth, err := r.queue.Depth(ctx)
	if err != nil {
		h.Redis = oneLine(err).Error()
		h.add(troubleRedis, "Redis does not answer (%s): check redis (or REDIS_URL) in the settings and that it runs; agents wait and lose nothing.", h.Redis)
	}
	h.Queued, h.Bytes = depth.Entries, depth.Bytes
	h.Ready = h.Database == "ok" && h.Redis == "ok"
	r.lookAtWriting(&h)
	if r.certificate != nil {
		r.lookAtCertificate(&h)
	}
	return h
}

func (r *receiver) lookAtCertificate(h *health) {
	served, err := r.certificate.look(0)
	ends := served.Leaf.NotAfter
	if err != nil {
		h.add(troubleRenewal, "The certificate in the files is not served (%v); the one from before, which ends on %s, is.", err, ends.Format(time.DateOnly))
	}
	if time.Until(ends) < certificateWarning {
		h.add(troubleCertificate, "The certificate %s ends on %s: put the renewed one and its key there, they are taken without a restart; after that day no agent or browser connects.",
			r.cfg.TLS.Certificate, ends.Format(time.DateOnly))
	}
}

func (r *receiver) lookAtDatabase(ctx context.Context, h *health) {
	current, target, err := r.store.SchemaVersion(ctx)
	h.Schema = current
	switch {
	case err != nil:
		h.Database = oneLine(err).Error()
		h.add(troubleDatabase, "The database does not answer (%s): check that it runs and lets the receiver in; agents wait and lose nothing.", h.Database)
	case current < target:
		h.Database = fmt.Sprintf("tables are at version %d, this program needs %d", current, target)
		h.add(troubleSchemaOld, "The database's %s: run receiver migrate.", h.Database)
	case current > target:
		h.Database = errSchemaNewer(current, target).Error()
		h.add(troubleSchemaNewer, "%s.", h.Database)
	}
}

func (r *receiver) lookAtWriting(h *health) {
	since, err := r.watch.fault()
	switch {
	case err == nil:
	case store.Full(err):
		h.add(troubleDiskFull, "The database cannot be written since %s because its disk takes no more (%v): free space there; nothing is lost, agents wait and go on by themselves.",
			since.Format(time.TimeOnly), oneLine(err))
	default:
		h.add(troubleWrite, "The database refuses to write since %s (%v): see the log; nothing is lost, agents wait and go on by themselves.",
			since.Format(time.TimeOnly), oneLine(err))
	}
}

func (h *health) add(code, format string, args ...any) {
	h.Troubles = append(h.Troubles, trouble{code, fmt.Sprintf(format, args...)})
}

// errSchemaNewer says that a newer program has changed the tables.
func errSchemaNewer(current, target int64) error {
	return fmt.Errorf("the database's tables are at version %d and this program knows up to %d: install the newer receiver that was here before, or restore the database from before it", current, target)
}

// troubles shows the troubles as a metric: portalsync_trouble{code="disk-full"} 1.
type troubles struct {
	receiver *receiver
	desc     *prometheus.Desc
}

func newTroubles(r *receiver) *troubles {
	return &troubles{r, prometheus.NewDesc("portalsync_trouble", "What operations has to mend, by code; README.md explains them.", []string{"code"}, nil)}
}

// Describe names the metric.
func (t *troubles) Describe(out chan<- *prometheus.Desc) { out <- t.desc }

// Collect looks at the health.
func (t *troubles) Collect(out chan<- prometheus.Metric) {
	for _, x := range t.receiver.health(context.Background()).Troubles {
		out <- prometheus.MustNewConstMetric(t.desc, prometheus.GaugeValue, 1, x.Code)
	}
}

// admin answers /healthz, /readyz, /status and /metrics.
func (r *receiver) admin() (http.Handler, error) {
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newTroubles(r),
	} {
		if err := r.metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", r.readyz)
	mux.HandleFunc("GET /status", r.status)
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics, promhttp.HandlerOpts{}))
	return mux, nil
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
		Args:  takes(0),
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
			if err == nil && len(h.Troubles) > 0 {
				return fmt.Errorf("%d troubles are to be mended, see above", len(h.Troubles))
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
	client := &http.Client{Transport: new(http.Transport)} // no proxy: it is this machine
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return h, fmt.Errorf("no receiver answers on %s: start it with receiver serve, or name its settings file with --config: %w", address, reason(err))
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		return h, fmt.Errorf("read the status that %s gave: %w", address, err)
	}
	return h, nil
}

func (h health) print(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "version   %s\nroles     %s\nuptime    %s\ndatabase  %s (version %d)\nredis     %s\nqueued    %d batches, %d bytes\n",
		h.Version, strings.Join(h.Roles, ", "), time.Duration(h.Uptime)*time.Second, h.Database, h.Schema, h.Redis, h.Queued, h.Bytes); err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	for _, t := range h.Troubles {
		if _, err := fmt.Fprintf(w, "%s [%s]\n", t.Sentence, t.Code); err != nil {
			return fmt.Errorf("print status: %w", err)
		}
	}
	return nil
}

// reason is the cause of a failed request without the request, which the sentence around it has named.
func reason(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

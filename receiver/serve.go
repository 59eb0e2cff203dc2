package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"lessor.dk/portalsync/receiver/config"
	"lessor.dk/portalsync/receiver/ingest"
	"lessor.dk/portalsync/receiver/keyring"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/writer"
)

// drainTime is how long requests that run may go on after a signal to stop.
const drainTime = 10 * time.Second

// The roles a process may serve. Each may run in any number of processes.
const (
	roleIngest = "ingest"
	roleWriter = "writer"
	roleWeb    = "web"
)

func newServe(s *settings) *cobra.Command {
	var roles []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Take in what agents push, apply it and serve the portal, until a signal",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			if slices.Equal(roles, []string{"all"}) {
				roles = []string{roleIngest, roleWriter, roleWeb}
			}
			for _, r := range roles {
				if !slices.Contains([]string{roleIngest, roleWriter, roleWeb}, r) {
					return fmt.Errorf("role %q is none of all, ingest, writer, web", r)
				}
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: cfg.Log}))
			return serve(cmd.Context(), cfg, roles, log)
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", []string{"all"}, "all, or some of ingest, writer, web")
	return cmd
}

// receiver is one running process.
type receiver struct {
	cfg     *config.Config
	roles   []string
	log     *slog.Logger
	metrics *prometheus.Registry
	started time.Time

	store *store.Store
	redis redis.UniversalClient
	queue *queue.Queue
	keys  *keyring.Keyring
}

// serve runs the roles until ctx ends: then long polls end, requests that run are finished, the writer commits what
// it holds, and everything closes.
func serve(ctx context.Context, cfg *config.Config, roles []string, log *slog.Logger) (err error) {
	r := &receiver{cfg: cfg, roles: roles, log: log, metrics: prometheus.NewRegistry(), started: time.Now()}
	if r.public() {
		if err := cfg.CheckTLS(); err != nil {
			return err
		}
	}
	if r.store, err = openStore(ctx, cfg); err != nil {
		return err
	}
	defer closing(&err, r.store.Close)
	if r.keys, err = keyring.Open(keysDir(cfg)); err != nil {
		return err
	}
	closeRedis, err := r.openRedis()
	if err != nil {
		return err
	}
	defer closing(&err, closeRedis)
	r.queue = queue.New(r.redis, queue.Config{Log: log})
	return r.run(ctx)
}

func (r *receiver) has(role string) bool { return slices.Contains(r.roles, role) }

// public reports whether the process answers agents or browsers.
func (r *receiver) public() bool { return r.has(roleIngest) || r.has(roleWeb) }

// openRedis connects to the Redis of the settings or starts the one inside the process.
func (r *receiver) openRedis() (stop func() error, err error) {
	if r.cfg.Redis != "" {
		r.redis, err = queue.Dial(r.cfg.Redis)
		if err != nil {
			return nil, err
		}
		return r.redis.Close, nil
	}
	if len(r.roles) < 3 {
		return nil, errors.New("the Redis inside a process cannot be shared: set redis (or REDIS_URL) when roles run apart")
	}
	server, client, err := queue.Embedded(r.cfg.EmbeddedRedis)
	if err != nil {
		return nil, fmt.Errorf("%w; is another receiver running?", err)
	}
	r.redis = client
	return func() error {
		err := client.Close()
		server.Close()
		return err
	}, nil
}

func (r *receiver) run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.queue.Run(gctx) })
	g.Go(func() error { return r.keys.Run(gctx) })
	if r.has(roleWriter) {
		w, err := writer.New(r.store, r.queue, r.keys, writer.Config{Metrics: r.metrics, Log: r.log})
		if err != nil {
			return err
		}
		g.Go(func() error { return w.Run(gctx) })
	}
	if r.public() {
		handler, drain, err := r.handler(gctx)
		if err != nil {
			return err
		}
		g.Go(func() error { return r.listen(gctx, handler, drain) })
	}
	g.Go(func() error { return r.listenAdmin(gctx) })
	err := g.Wait()
	if ctx.Err() != nil {
		r.log.InfoContext(ctx, "stopped")
	}
	return err
}

// handler joins the agents' paths and the portal's pages.
func (r *receiver) handler(ctx context.Context) (_ http.Handler, drain func(), err error) {
	mux := http.NewServeMux()
	drain = func() {}
	if r.has(roleIngest) {
		in, err := ingest.New(r.store, r.queue, r.keys, ingest.Config{
			Authority: r.cfg.Names, TrustedProxies: r.cfg.TrustedProxies, Metrics: r.metrics, Log: r.log,
		})
		if err != nil {
			return nil, nil, err
		}
		agents, err := in.Handler()
		if err != nil {
			return nil, nil, err
		}
		mux.Handle("/synchronization/", agents)
		drain = in.Drain
	}
	if r.has(roleWeb) {
		pages, err := r.pages(ctx)
		if err != nil {
			return nil, nil, err
		}
		mux.Handle("/", pages)
	}
	return mux, drain, nil
}

// listen serves the public listener until ctx ends and then drains it.
func (r *receiver) listen(ctx context.Context, handler http.Handler, drain func()) error {
	ln, err := r.bind(ctx, "listen", r.cfg.Listen)
	if err != nil {
		return err
	}
	tlsConfig, err := serverTLS(r.cfg.TLS)
	if err != nil {
		_ = ln.Close() // the certificate's error says more
		return err
	}
	srv := &http.Server{
		Handler:           handler,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	r.log.InfoContext(ctx, "serving", "address", ln.Addr().String(), "roles", strings.Join(r.roles, ","))
	return serveUntil(ctx, srv, func() error { return srv.ServeTLS(ln, "", "") }, drain)
}

// bind opens a listener. A port in use is told with what to do.
func (r *receiver) bind(ctx context.Context, key, address string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w; is another program using the port? Set %s to a free one", key, address, err, key)
	}
	return ln, nil
}

// serveUntil serves until ctx ends, calls drain and waits for the requests that run.
func serveUntil(ctx context.Context, srv *http.Server, serve func() error, drain func()) error {
	ended := make(chan error, 1)
	go func() { ended <- serve() }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", srv.Addr, err)
	case <-ctx.Done():
	}
	drain()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return fmt.Errorf("drain requests: %w", err)
	}
	return nil
}

func keysDir(cfg *config.Config) string { return filepath.Join(cfg.Data, "keys") }

// closing closes on the way out and reports its error when there is no other.
func closing(err *error, f func() error) {
	if cerr := f(); cerr != nil && *err == nil && !errors.Is(cerr, os.ErrClosed) {
		*err = cerr
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
		Args:  takes(0),
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
					return fmt.Errorf("role %q is none of all, ingest, writer, web: name those with --role, several with commas between", r)
				}
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: cfg.Log}))
			redis.SetLogger(redisLog{log})
			return serve(cmd.Context(), cfg, slices.Compact(slices.Sorted(slices.Values(roles))), log)
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
	watch *watchedStore // the same store, for those who write what agents send
	redis redis.UniversalClient
	queue *queue.Queue
	keys  *keyring.Keyring

	public      net.Listener // nil when no role is called by agents or browsers
	private     net.Listener // health and metrics
	certificate *certificate // nil when there is no public listener
}

// serve runs the roles until ctx ends: then long polls end, requests that run are finished, the writer commits the
// batches that it is writing, and everything closes. What waits in the queue stays there. Certificate and ports come first: what is wrong with them is told before the
// database is touched.
func serve(ctx context.Context, cfg *config.Config, roles []string, log *slog.Logger) (err error) {
	r := &receiver{cfg: cfg, roles: roles, log: log, metrics: prometheus.NewRegistry(), started: time.Now()}
	defer closing(&err, r.closeListeners)
	if err := r.bindAll(ctx); err != nil {
		return err
	}
	st, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	r.store, r.watch = st, &watchedStore{Store: st}
	defer closing(&err, r.store.Close)
	if r.keys, err = keyring.Open(keysDir(cfg)); err != nil {
		return err
	}
	closeRedis, err := r.openRedis(ctx)
	if err != nil {
		return err
	}
	defer closing(&err, closeRedis)
	r.queue = queue.New(r.redis, queue.Config{Log: log})
	return r.run(ctx)
}

// embeddedHolder is the writer's name in the leases when the queue is inside the process: no other process can
// reach that queue, so one that starts after a crash need not wait for the lease of the dead one to run out.
const embeddedHolder = "embedded"

// holder returns the writer's name in the leases; empty is one of its own.
func (r *receiver) holder() string {
	if r.cfg.Redis == "" {
		return embeddedHolder
	}
	return ""
}

func (r *receiver) has(role string) bool { return slices.Contains(r.roles, role) }

// answers reports whether agents or browsers call the process.
func (r *receiver) answers() bool { return r.has(roleIngest) || r.has(roleWeb) }

// openRedis connects to the Redis of the settings or starts the one inside the process.
func (r *receiver) openRedis(ctx context.Context) (stop func() error, err error) {
	if r.cfg.Redis != "" {
		if r.redis, err = queue.Dial(r.cfg.Redis); err != nil { // the error would show the address, which may hold a password
			return nil, errors.New("the address redis (or REDIS_URL) of the settings cannot be used: write redis://:PASSWORD@HOST:6379/0, with signs such as / and @ in the password as %2F and %40")
		}
		if err := r.redis.Ping(ctx).Err(); err != nil { // it may come later: agents are told to wait until then
			r.log.WarnContext(ctx, "redis does not answer", "code", troubleRedis, "err", err)
		}
		return r.redis.Close, nil
	}
	if len(r.roles) < 3 {
		return nil, errors.New("the Redis inside a process cannot be shared: set redis (or REDIS_URL) when roles run apart")
	}
	server, client, err := queue.Embedded(r.cfg.EmbeddedRedis)
	if err != nil {
		return nil, fmt.Errorf("%w: stop the program that uses the port, or set embedded_redis to a free one", err)
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
		w, err := writer.New(r.watch, r.queue, r.keys, writer.Config{Holder: r.holder(), Metrics: r.metrics, Log: r.log})
		if err != nil {
			return err
		}
		g.Go(func() error { return w.Run(gctx) })
	}
	if r.answers() {
		handler, drain, err := r.handler(gctx, g)
		if err != nil {
			return err
		}
		g.Go(func() error { return r.servePublic(gctx, handler, drain) })
	}
	admin, err := r.admin()
	if err != nil {
		return err
	}
	g.Go(func() error {
		srv := &http.Server{Handler: admin, ReadHeaderTimeout: checkTime}
		return serveUntil(gctx, srv, func() error { return srv.Serve(r.private) }, func() {})
	})
	err = g.Wait()
	if ctx.Err() != nil {
		r.log.InfoContext(ctx, "stopped")
	}
	return err
}

// handler joins the agents' paths and the portal's pages.
func (r *receiver) handler(ctx context.Context, g *errgroup.Group) (_ http.Handler, drain func(), err error) {
	mux := http.NewServeMux()
	drain = func() {}
	if r.has(roleIngest) {
		in, err := ingest.New(r.watch, r.queue, r.keys, ingest.Config{
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
		pages, err := r.pages(ctx, g)
		if err != nil {
			return nil, nil, err
		}
		mux.Handle("/", pages)
	}
	return mux, drain, nil
}

// servePublic serves agents and browsers until ctx ends and then drains.
func (r *receiver) servePublic(ctx context.Context, handler http.Handler, drain func()) error {
	srv := &http.Server{
		Handler:           handler,
		TLSConfig:         r.certificate.config(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	r.log.InfoContext(ctx, "serving", "address", r.public.Addr().String(), "roles", strings.Join(r.roles, ","))
	return serveUntil(ctx, srv, func() error { return srv.ServeTLS(r.public, "", "") }, drain)
}

// serveUntil serves until ctx ends, calls drain and waits for the requests that run.
func serveUntil(ctx context.Context, srv *http.Server, serve func() error, drain func()) error {
	ended := make(chan error, 1)
	go func() { ended <- serve() }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("drain requests within %s: %w", drainTime, err), srv.Close())
	}
	return nil
}

func keysDir(cfg *config.Config) string { return filepath.Join(cfg.Data, "keys") }

// closing closes on the way out and reports its error when there is no other.
func closing(err *error, f func() error) {
	if cerr := f(); cerr != nil && *err == nil {
		*err = cerr
	}
}

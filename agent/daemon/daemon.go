// Package daemon is the running agent: it joins the main system, capture, push and inbox, tells its
// status on a local socket, and lives as a service under Windows and systemd.
package daemon

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/inbox"
	"lessor.dk/portalsync/agent/keystore"
	"lessor.dk/portalsync/agent/mainsystem"
	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/push"
)

// Daemon is one agent process. New makes it, Run is its life.
type Daemon struct {
	cfg     *config.Config
	version string
	log     *slog.Logger
	started time.Time

	mu      sync.Mutex
	trouble string // code of what is wrong on the way to the receiver; empty when nothing is
}

// New returns an agent of the settings. It does nothing until Run.
func New(cfg *config.Config, version string, log *slog.Logger) *Daemon {
	return &Daemon{cfg: cfg, version: version, log: log, started: time.Now()}
}

// Run captures and pushes until ctx ends, which is no error. It returns an error only when it cannot
// begin: settings, plan or identity are wrong. What fails later is tried again and told in the status.
func (d *Daemon) Run(ctx context.Context) (err error) {
	keys, id, err := loadIdentity(d.cfg)
	if err != nil {
		return err
	}
	p, err := plan.Load(d.cfg.Plan)
	if err != nil {
		return err
	}
	src, err := mainsystem.Open(d.cfg, p)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := src.Close(); err == nil {
			err = cerr
		}
	}()
	client, err := d.client(id, keys)
	if err != nil {
		return err
	}
	in := inbox.New(src, client.Report, client.Ack, inbox.Config{Log: d.log})
	follow := capture.New(src, client, capture.Config{
		Tenant: id.Tenant, Stream: id.Stream, InstallID: id.InstallID,
		Version: d.version, Platform: Platform(), Plan: p.Hash(), Poll: d.cfg.Poll,
		Deletes:   d.cfg.Deletes,
		Verify:    capture.Window(d.cfg.VerifyWindow),
		Reports:   in.Receive,
		ReportsIn: func() int64 { return in.Status().Delivered }, ReportsWait: in.Wait,
		ClockOffset: client.ClockOffset,
		Log:         d.log,
	})
	d.log.InfoContext(ctx, "agent started", "agent", id, "version", d.version)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return follow.Run(ctx) })
	g.Go(func() error { return in.Run(ctx) })
	status := func() Status {
		s := d.status(id, follow.Status(), in.Status(), client.Trouble())
		if l, counted := src.Load(); counted {
			s.Load = &Load{Spent: l.Spent, Waited: l.Waited, Budget: l.Budget}
		}
		return s
	}
	g.Go(func() error { return d.tell(ctx, status, follow.Verify, src.LookForUpgrade, follow.Retry) })
	g.Go(func() error { return d.attend(ctx, managerOf(os.Getenv), status) })
	err = g.Wait()
	d.log.InfoContext(context.WithoutCancel(ctx), "agent stopped")
	return err
}

// Platform names the system the agent runs on, for operations.
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// loadIdentity returns who this agent is, or what to do to make it somebody.
func loadIdentity(cfg *config.Config) (*keystore.Store, *keystore.Identity, error) {
	keys, err := keystore.Open(cfg.State)
	if err != nil {
		return nil, nil, err
	}
	id, err := keys.Load()
	switch {
	case errors.Is(err, keystore.ErrEmpty), err == nil && !id.Enrolled():
		return nil, nil, fmt.Errorf("%w (no identity in %s): ask the customer's administrator for a code and run agent enrol", errNotEnrolled, cfg.State)
	case err != nil:
		return nil, nil, err
	}
	return keys, id, nil
}

// client returns the way to the receiver of an identity.
func (d *Daemon) client(id *keystore.Identity, keys *keystore.Store) (*push.Client, error) {
	cfg, err := PushConfig(d.cfg, d.version, d.log)
	if err != nil {
		return nil, err
	}
	cfg.SaveKeyset = keys.SaveKeyset
	cfg.Trouble = d.noteTrouble
	return push.New(d.cfg.Receiver, push.Identity{
		Sign: id.Sign, Seal: id.Seal, Root: id.Root, Keyset: id.Keyset,
		Agent: id.Agent, Tenant: id.Tenant, Stream: id.Stream,
	}, cfg)
}

// PushConfig is how the settings want the receiver reached.
func PushConfig(cfg *config.Config, version string, log *slog.Logger) (push.Config, error) {
	c := push.Config{Proxy: cfg.Proxy, UserAgent: "portalsync-agent/" + version, Log: log}
	if cfg.ExtraCA != "" {
		var err error
		if c.ExtraCA, err = os.ReadFile(cfg.ExtraCA); err != nil {
			return c, fmt.Errorf("read extra_ca: %w: correct the path in %s", err, cfg.File)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(c.ExtraCA) {
			return c, fmt.Errorf("%s holds no certificate in PEM form: correct extra_ca in %s", cfg.ExtraCA, cfg.File)
		}
	}
	return c, nil
}

// noteTrouble logs what is wrong on the way to the receiver when it changes.
func (d *Daemon) noteTrouble(code, sentence string) {
	d.mu.Lock()
	changed := d.trouble != code
	d.trouble = code
	d.mu.Unlock()
	switch {
	case changed && code == "":
		d.log.Info("receiver reached again")
	case changed:
		d.log.Warn("receiver not reached", "code", code, "err", sentence)
	}
}

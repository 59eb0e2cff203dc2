// Package web is the portal that people see: the router, what stands before every page, and the pages
// themselves in the packages below it. It reads and writes the store; it sees neither queue nor wire.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/employee"
	"lessor.dk/portalsync/receiver/web/operations"
	"lessor.dk/portalsync/receiver/web/public"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Store is what the portal needs of the store.
type Store interface {
	identity.Users
	employee.Records
	operations.Fleet
	Visitor(ctx context.Context, id identity.UserID) (u identity.User, customer string, err error)
	SetLanguage(ctx context.Context, id identity.UserID, language string) error
	PurgeSessions(ctx context.Context, now time.Time) error
	Sessions() *store.Sessions
}

// Config tunes a Web. The zero value is usable.
type Config struct {
	// Hosts are the names the portal answers to, the canonical one first (L6). Empty answers to any.
	Hosts []string
	// Proxies are the addresses or CIDR ranges whose X-Forwarded-For is believed. Empty believes nobody.
	Proxies  []string
	Brand    string        // name of the portal; empty means LESSOR-Portalen
	Idle     time.Duration // a session ends after this long without a page; 0 means 30 minutes
	Lifetime time.Duration // a session ends after this long in any case; 0 means 12 hours
	Limits   ui.Limits     // when an agent or data counts as old
	Cost     identity.Cost // of a password hash; zero means identity.DefaultCost
	// Wake is told when a report waits for a stream's agent. Nil tells nobody: the agent finds it at its next check-in.
	Wake func(context.Context, protocol.TenantID, protocol.StreamID)
	Now  func() time.Time // nil means time.Now
	Log  *slog.Logger     // nil discards
}

// Web is the portal.
type Web struct {
	store    Store
	ui       *ui.UI
	identity *identity.Identity
	sessions *scs.SessionManager
	routes   []ui.Route
	handler  http.Handler
	hosts    []string
	log      *slog.Logger
	now      func() time.Time
}

// New returns the portal over a store. It serves nothing by itself: see [Web.Handler].
func New(st Store, cfg Config) (*Web, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wake == nil {
		cfg.Wake = func(context.Context, protocol.TenantID, protocol.StreamID) {}
	}
	screens, err := ui.New([]ui.Set{public.Set(), employee.Set(), operations.Set()}, ui.Config{Brand: cfg.Brand, Now: cfg.Now, Limits: cfg.Limits})
	if err != nil {
		return nil, fmt.Errorf("prepare pages: %w", err)
	}
	w := &Web{store: st, ui: screens, hosts: cfg.Hosts, log: cfg.Log, now: cfg.Now}
	w.identity = identity.New(st, identity.Config{Cost: cfg.Cost, Now: cfg.Now, Log: cfg.Log})
	w.sessions = w.newSessions(cfg)
	own := employee.New(screens, st, employee.Config{Wake: cfg.Wake, Log: cfg.Log})
	w.routes = append(w.routes, public.New(screens, w.identity, session{w}, own).Routes()...)
	w.routes = append(w.routes, own.Routes()...)
	w.routes = append(w.routes, operations.New(screens, st, operations.Config{Log: cfg.Log}).Routes()...)
	engine, err := w.engine(cfg.Proxies)
	if err != nil {
		return nil, err
	}
	w.handler = w.guard(w.sessions.LoadAndSave(engine))
	return w, nil
}

// Handler returns the portal: everything but /synchronization.
func (w *Web) Handler() http.Handler { return w.handler }

// Identity returns what signs users in, for the command that adds one.
func (w *Web) Identity() *identity.Identity { return w.identity }

// Routes returns every route with who may open it.
func (w *Web) Routes() []ui.Route { return w.routes }

const purgeEvery = 10 * time.Minute

// Run removes expired sessions now and then, until ctx ends.
func (w *Web) Run(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := w.store.PurgeSessions(ctx, w.now()); err != nil && ctx.Err() == nil {
			w.log.ErrorContext(ctx, "purge sessions", "err", err)
		}
	}
}

// maxFormBytes is the largest form a page takes.
const maxFormBytes = 64 << 10

func (w *Web) engine(proxies []string) (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	if err := e.SetTrustedProxies(proxies); err != nil {
		return nil, fmt.Errorf("read list of proxies: %w", err)
	}
	for _, r := range w.routes {
		switch r.Access {
		case ui.Anyone, ui.Employees, ui.Operations:
			e.Handle(r.Method, r.Path, w.serve(r))
		default:
			return nil, fmt.Errorf("route %s %s says not who may open it", r.Method, r.Path)
		}
	}
	e.NoRoute(w.serve(ui.Route{Access: ui.Anyone, Handle: func(*gin.Context, *ui.Visit) error { return ui.ErrNotFound }}))
	return e, nil
}

// serve runs a route's handler for a visitor who may open it, and makes a page of every error.
func (w *Web) serve(r ui.Route) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxFormBytes)
		v, err := w.visit(c)
		defer func() {
			if p := recover(); p != nil {
				w.fail(c, v, fmt.Errorf("panic: %v", p))
			}
		}()
		if err == nil && !r.Access.Allows(v.User) {
			err = w.refuse(c, r, v)
		} else if err == nil {
			err = r.Handle(c, v)
		}
		if err != nil {
			w.fail(c, v, err)
		}
	}
}

// visit says who asks. It never returns a nil visit, so that an error page can be shown.
func (w *Web) visit(c *gin.Context) (*ui.Visit, error) {
	v := &ui.Visit{Language: languageOf(c.Request), Address: c.ClientIP(), Path: c.Request.URL.RequestURI()}
	if c.Request.Method != http.MethodGet {
		v.Path = "/"
	}
	id := w.sessions.GetInt64(c.Request.Context(), sessionUser)
	if id == 0 {
		return v, nil
	}
	u, customer, err := w.store.Visitor(c.Request.Context(), identity.UserID(id))
	if errors.Is(err, identity.ErrNotFound) || (err == nil && u.Disabled) {
		if err := w.sessions.Destroy(c.Request.Context()); err != nil {
			return v, fmt.Errorf("end session: %w", err)
		}
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.User, v.Customer = u, customer
	if u.Language != "" {
		v.Language = ui.ParseLanguage(u.Language)
	}
	return v, nil
}

// refuse answers a visitor who may not open a route: a sign-in page that leads back, or "not allowed".
func (w *Web) refuse(c *gin.Context, r ui.Route, v *ui.Visit) error {
	if v.User.ID != 0 {
		return ui.ErrForbidden
	}
	if r.Method == http.MethodPost {
		return public.Resume(c, w.ui, v)
	}
	return ui.Redirect(c, public.SignInPath(v.Path))
}

func languageOf(r *http.Request) ui.Language {
	if cookie, err := r.Cookie(public.LanguageCookie); err == nil {
		return ui.ParseLanguage(cookie.Value)
	}
	return ui.Danish
}

func hostOf(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.TrimSuffix(host, ".")
}

package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/web/ui"
)

// sessionUser is the key of the user's id in a session.
const sessionUser = "user"

const (
	defaultIdle     = 30 * time.Minute
	defaultLifetime = 12 * time.Hour
)

func (w *Web) newSessions(cfg Config) *scs.SessionManager {
	m := scs.New()
	m.Store = w.store.Sessions()
	m.HashTokenInStore = true // a stolen database opens no session
	m.IdleTimeout, m.Lifetime = cfg.Idle, cfg.Lifetime
	if m.IdleTimeout == 0 {
		m.IdleTimeout = defaultIdle
	}
	if m.Lifetime == 0 {
		m.Lifetime = defaultLifetime
	}
	m.Cookie.Name = "__Host-session"
	m.Cookie.Path = "/"
	m.Cookie.Secure = true
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Persist = false // ends with the browser
	m.ErrorFunc = func(rw http.ResponseWriter, r *http.Request, err error) {
		w.log.ErrorContext(r.Context(), "session", "err", err)
		w.problem(rw, r, statusOf(err))
	}
	return m
}

// session begins and ends sessions for the sign-in page.
type session struct{ web *Web }

// Begin signs a user in under a new token, so that a token from before is worth nothing.
func (s session) Begin(ctx context.Context, u identity.User) error {
	if err := s.web.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	s.web.sessions.Put(ctx, sessionUser, int64(u.ID))
	return nil
}

// End signs the visitor out.
func (s session) End(ctx context.Context) error {
	if err := s.web.sessions.Destroy(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// SetLanguage keeps the language of a user who chose one.
func (s session) SetLanguage(ctx context.Context, u identity.User, l ui.Language) error {
	return s.web.store.SetLanguage(ctx, u.ID, string(l))
}

package web

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/public"
	"lessor.dk/portalsync/receiver/web/ui"
)

// statusOf is the only place that decides which page an error becomes.
func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	var network net.Error
	switch {
	case errors.Is(err, ui.ErrNotFound), errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, ui.ErrForbidden):
		return http.StatusForbidden
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &network), errors.Is(err, driver.ErrBadConn), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fail shows the page of an error, and logs those that are ours.
func (w *Web) fail(c *gin.Context, v *ui.Visit, err error) {
	ctx := c.Request.Context()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		c.Abort() // the visitor went away
		return
	}
	status := statusOf(err)
	if status >= http.StatusInternalServerError {
		w.log.ErrorContext(ctx, "page", "method", c.Request.Method, "route", c.FullPath(), "user", v.User, "err", err)
	}
	if c.Writer.Written() {
		return // a document was on its way: the connection breaks off
	}
	w.show(c.Writer, v, status)
}

// problem shows an error page where no visitor is known yet.
func (w *Web) problem(rw http.ResponseWriter, r *http.Request, status int) {
	w.show(rw, &ui.Visit{Language: languageOf(r), Path: "/"}, status)
}

func (w *Web) show(rw http.ResponseWriter, v *ui.Visit, status int) {
	var body bytes.Buffer
	if err := w.ui.Render(&body, v.Language, "problem", public.NewProblem(w.ui, v, status)); err != nil {
		w.log.Error("error page", "err", err)
		http.Error(rw, http.StatusText(status), status)
		return
	}
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "30")
	}
	rw.WriteHeader(status)
	rw.Write(body.Bytes()) //nolint:errcheck // a visitor who went away needs no answer
}

package ingest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// retrySoon is the Retry-After of a queue that is full and of a receiver that is starting, in seconds.
const retrySoon = 2

// answer signs and sends an answer or a refusal. It panics if that is impossible, which is a fault of this program:
// recover logs it, and nothing unsigned goes out.
func (in *Ingest) answer(g *gin.Context, answer any, err error) {
	status := http.StatusOK
	if _, ok := answer.(protocol.BatchAnswer); ok {
		status = http.StatusAccepted
	}
	if err != nil {
		refusal := in.reject(g.Request, err)
		in.metrics.refused.WithLabelValues(string(refusal.Code)).Inc()
		if refusal.RetryAfter > 0 {
			g.Header("Retry-After", strconv.Itoa(refusal.RetryAfter))
		}
		status, answer = refusal.Code.Status(), refusal
	}
	body, err := json.Marshal(answer)
	if err != nil {
		panic("ingest: an answer that is not JSON: " + err.Error()) //nolint:forbidigo // as documented
	}
	g.Header("Cache-Control", "no-store")
	err = in.keys.Response().SignResponse(g.Writer.Header(), status, body, protocol.RequestSignatureOf(g.Request.Header), in.cfg.Now())
	if err != nil {
		panic("ingest: an answer that cannot be signed: " + err.Error()) //nolint:forbidigo // as documented
	}
	g.Status(status)
	if _, err := g.Writer.Write(body); err != nil {
		in.log.DebugContext(g.Request.Context(), "answer not delivered", "err", err)
	}
}

// reject is the only place that turns errors into refusals. What it does not know is a fault of the receiver:
// logged here, and told to nobody.
func (in *Ingest) reject(r *http.Request, err error) *protocol.Reject {
	var refusal *protocol.Reject
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &large):
		return &protocol.Reject{Code: protocol.CodeTooLarge, Detail: "the body is larger than the " + strconv.FormatInt(large.Limit, 10) + " bytes that fit here"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &protocol.Reject{Code: protocol.CodeMalformed, Detail: "the body ended before its announced length"}
	case errors.Is(err, store.ErrInviteTaken):
		return &protocol.Reject{Code: protocol.CodeConflict, Detail: "the code was used by another installation: ask for a new one, and tell the administrator if that was not you"}
	case errors.Is(err, store.ErrInvite):
		return &protocol.Reject{Code: protocol.CodeInvite, Detail: "the code is unknown, used, expired or mistyped: ask for a new one in the portal"}
	case errors.Is(err, store.ErrNotFound):
		return &protocol.Reject{Code: protocol.CodeNotFound, Detail: "the receiver has no such thing"}
	case store.Full(err):
		in.log.ErrorContext(r.Context(), "disk full", "path", r.URL.Path, "err", err)
		return &protocol.Reject{Code: protocol.CodeBusy, Detail: "the receiver's disk is full: it goes on when there is space", RetryAfter: retrySoon}
	case unavailable(err):
		in.log.WarnContext(r.Context(), "request put off", "path", r.URL.Path, "err", err)
		return &protocol.Reject{Code: protocol.CodeBusy, Detail: "the receiver cannot reach its database or queue: it will be back", RetryAfter: retrySoon}
	}
	in.log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "err", err)
	return &protocol.Reject{Code: protocol.CodeInternal, Detail: "a fault of the receiver, which is logged there"}
}

// unavailable reports whether an error passes by itself: the queue or the database is away, starting or overloaded.
func unavailable(err error) bool {
	var network net.Error
	var state interface{ SQLState() string }
	switch {
	case errors.As(err, &network), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, io.EOF),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return true
	case errors.As(err, &state): // connection, resources, operator intervention
		class := state.SQLState()
		return strings.HasPrefix(class, "08") || strings.HasPrefix(class, "53") || strings.HasPrefix(class, "57")
	}
	text := err.Error()
	return strings.Contains(text, "LOADING Redis") || strings.Contains(text, "database is locked")
}

// recover answers a panic like any fault of the receiver. The value of the panic is not logged, since it may
// hold what was being handled; its type and the stack say where to look.
func (in *Ingest) recover(g *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares so too
			panic(v) //nolint:forbidigo // net/http wants it back
		}
		in.log.ErrorContext(g.Request.Context(), "panic in a handler", "path", g.FullPath(), "stack", string(debug.Stack()))
		if !g.Writer.Written() {
			in.answer(g, nil, &protocol.Reject{Code: protocol.CodeInternal, Detail: "a fault of the receiver, which is logged there"})
		}
	}()
	g.Next()
}

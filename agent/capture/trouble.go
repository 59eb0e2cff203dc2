package capture

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// Codes of errors that begin on this side; a refusal of the portal carries its own.
const (
	codeSourceGone      = "source-gone"
	codeSourceBusy      = "source-busy"
	codeSourceError     = "source-error"
	codeSourceRegressed = "source-regressed"
	codeSourceDrift     = "source-drift"
	codeUpgrade         = "upgrade"
	codePortal          = "portal-error"
	codeBadRows         = "bad-rows"
)

// errRegressed reports a main system whose position went back within one lineage.
var errRegressed = errors.New("the main system's database is older than what the portal already holds")

// sourceError marks an error as the main system's.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// area is what an error is about. The first area with an error is the one shown.
type area uint8

const (
	areaSource area = iota
	areaPortal
	areaDrift
	areaRows
	areas
)

// trouble is one error as operations sees it.
type trouble struct {
	code, sentence string
	since          int64 // unix ms
}

// set tells an error. It reports whether code or sentence is new; the same code keeps its time.
func (s *status) set(a area, code, sentence string) (fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.trouble[a]
	if old.code == code && old.sentence == sentence {
		return false
	}
	s.trouble[a] = trouble{code: code, sentence: sentence, since: time.Now().UnixMilli()}
	if old.code == code {
		s.trouble[a].since = old.since
	}
	return true
}

// since dates an error that began before it was met.
func (s *status) since(a area, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble[a].since = t.UnixMilli()
}

// clear takes the error of an area back.
func (s *status) clear(a area) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble[a] = trouble{}
}

// failed tells an error in the status and, when it is a new one, in the log.
func (c *Capture) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	a, code := classify(err)
	if c.status.set(a, code, err.Error()) {
		c.log.WarnContext(ctx, "waiting", "code", code, "err", err)
	}
	var upgrade *source.UpgradeError
	if errors.As(err, &upgrade) {
		c.status.since(a, upgrade.Begun)
	}
}

// classify says what an error is about and its stable code.
func classify(err error) (area, string) {
	var reject *protocol.Reject
	var ofSource *sourceError
	var upgrade *source.UpgradeError
	switch {
	case errors.As(err, &upgrade):
		return areaSource, codeUpgrade
	case errors.As(err, &reject):
		return areaPortal, string(reject.Code)
	case errors.Is(err, errRegressed):
		return areaSource, codeSourceRegressed
	case errors.Is(err, source.ErrBusy):
		return areaSource, codeSourceBusy
	case errors.Is(err, source.ErrGone):
		return areaSource, codeSourceGone
	case errors.As(err, &ofSource):
		return areaSource, codeSourceError
	}
	return areaPortal, codePortal
}

// drifted tells which kinds the source cannot read just now.
func (c *Capture) drifted(ctx context.Context, sentences []string) {
	if len(sentences) == 0 {
		c.status.clear(areaDrift)
		return
	}
	sentence := strings.Join(sentences, "; ")
	if c.status.set(areaDrift, codeSourceDrift, sentence) {
		c.log.WarnContext(ctx, "left out", "code", codeSourceDrift, "cause", sentence)
	}
}

// badRows counts, per kind and field, the rows that cannot be sent.
type badRows map[badField]source.Bad

type badField struct{ kind, field string }

// leftOut counts rows that cannot be sent. They do not stop the feed.
func (c *Capture) leftOut(ctx context.Context, bad []source.Bad) {
	if len(bad) == 0 {
		return
	}
	if c.status.count(bad) {
		c.log.WarnContext(ctx, "rows left out", "code", codeBadRows, "cause", bad[0].Reason.Error())
	}
}

// count adds bad rows and tells about the most frequent. It reports whether a kind or field is new.
func (s *status) count(bad []source.Bad) (fresh bool) {
	s.mu.Lock()
	for _, b := range bad {
		at := badField{b.Kind, b.Field}
		before, ok := s.bad[at]
		fresh = fresh || !ok
		b.Rows += before.Rows
		s.bad[at] = b
	}
	s.mu.Unlock()
	s.tellBad()
	return fresh
}

// recount forgets a kind's bad rows: its snapshot begins and meets them all again.
func (s *status) recount(kind string) {
	s.mu.Lock()
	for at := range s.bad {
		if at.kind == kind {
			delete(s.bad, at)
		}
	}
	s.mu.Unlock()
	s.tellBad()
}

func (s *status) tellBad() {
	var worst source.Bad
	s.mu.Lock()
	s.told.BadRows = 0
	for _, b := range s.bad {
		s.told.BadRows += b.Rows
		if b.Rows > worst.Rows || b.Rows == worst.Rows && b.Kind+b.Field < worst.Kind+worst.Field {
			worst = b
		}
	}
	s.mu.Unlock()
	if worst.Rows == 0 {
		s.clear(areaRows)
		return
	}
	s.set(areaRows, codeBadRows, fmt.Sprintf("%d rows of %s are not sent: %v", worst.Rows, worst.Kind, worst.Reason))
}

// Package inbox takes reports from the portal into the main system, each exactly once (L3).
//
// Nothing is remembered here or on disk. A report is offered again by every answer of the portal until it is
// acknowledged; the main system's own transaction decides whether its id is there already. A crash between
// the two, a lost acknowledgement and a report offered twice therefore end in one row.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// MainSystem is where reports go.
type MainSystem interface {
	// Deliver writes the report and its id in one transaction and returns the acknowledgement, refusals of
	// the main system included; a report of a type that the plan gives no inbox is refused. The same id again
	// makes no second row. An error means: try again.
	Deliver(ctx context.Context, r protocol.Report) (protocol.Ack, error)
}

// Config tunes an Inbox. The zero value is usable.
type Config struct {
	Backoff    time.Duration // longest wait after a first failure, doubled by each further one; 0 means 1s
	MaxBackoff time.Duration // longest wait at all; 0 means 5 min
	Limit      int           // reports held at once, others wait in the portal; 0 means 1000
	Log        *slog.Logger  // nil discards
}

// Codes of why reports wait. They are stable: operations and documentation rely on them.
const (
	codeSealed         = "report-sealed"         // it cannot be opened with the agent's key
	codeLater          = "report-later"          // the main system takes it another time
	codeSourceBusy     = "source-busy"           // as of reading
	codeSourceGone     = "source-gone"           // as of reading
	codeNotTaken       = "report-not-taken"      // the main system's database answers with an error
	codeUnacknowledged = "report-unacknowledged" // it is in the main system, and the portal could not be told
)

var (
	errSealed         = errors.New("it cannot be opened with this agent's key")
	errUnacknowledged = errors.New("the portal was not told")
)

// codeOf returns the stable code of why a round stopped.
func codeOf(err error) string {
	switch {
	case errors.Is(err, errSealed):
		return codeSealed
	case errors.Is(err, errUnacknowledged):
		return codeUnacknowledged
	case errors.Is(err, source.ErrLater):
		return codeLater
	case errors.Is(err, source.ErrBusy):
		return codeSourceBusy
	case errors.Is(err, source.ErrGone):
		return codeSourceGone
	}
	return codeNotTaken
}

// maxAcks is the number of reports acknowledged in one request.
const maxAcks = 100

// Inbox hands reports on to the main system.
type Inbox struct {
	main   MainSystem
	open   func(protocol.SealedReport) (protocol.Report, error)
	ack    func(context.Context, []protocol.Ack) error
	cfg    Config
	log    *slog.Logger
	signal chan struct{} // holds one entry when waiting has grown

	mu      sync.Mutex
	waiting []protocol.SealedReport
	status  Status
}

// Status tells how the inbox is doing. It holds no payroll data.
type Status struct {
	Delivered int64     // acknowledged to the portal since the process began, refusals included
	Waiting   int       // held here, not yet in the main system
	Err       error     // why the last round stopped; nil when it did not
	Since     time.Time // of the first failure in a row
}

// New returns an Inbox that unseals with open and acknowledges with ack. It does nothing until Run.
func New(main MainSystem, open func(protocol.SealedReport) (protocol.Report, error),
	ack func(context.Context, []protocol.Ack) error, cfg Config) *Inbox {
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Second
	}
	if cfg.MaxBackoff == 0 {
		cfg.MaxBackoff = 5 * time.Minute
	}
	if cfg.Limit == 0 {
		cfg.Limit = 1000
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Inbox{main: main, open: open, ack: ack, cfg: cfg, log: cfg.Log, signal: make(chan struct{}, 1)}
}

// Receive takes reports from an answer of the portal and returns at once. One that is held already, and one
// over the limit, is passed over: the portal offers it again.
func (i *Inbox) Receive(_ context.Context, reports []protocol.SealedReport) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range reports {
		held := slices.ContainsFunc(i.waiting, func(w protocol.SealedReport) bool { return w.ID == r.ID })
		if held || len(i.waiting) >= i.cfg.Limit {
			continue
		}
		i.waiting = append(i.waiting, r)
		select {
		case i.signal <- struct{}{}:
		default:
		}
	}
}

// Status tells how the inbox is doing.
func (i *Inbox) Status() Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.status
	s.Waiting = len(i.waiting)
	return s
}

// Wait tells operations why reports wait; nil if the last round did all that there was.
func (i *Inbox) Wait() *protocol.ReportsWait {
	s := i.Status()
	if s.Err == nil {
		return nil
	}
	return &protocol.ReportsWait{Code: codeOf(s.Err), Sentence: s.Err.Error(), Waiting: s.Waiting, Since: s.Since.UnixMilli()}
}

// Run delivers reports until ctx ends, which is no error. A failure waits longer each time and sends the
// report to the end of the line, so that one report does not hold up the others.
func (i *Inbox) Run(ctx context.Context) error {
	for attempt := 0; ctx.Err() == nil; {
		var wait <-chan time.Time
		if attempt > 0 {
			wait = time.After(i.backoff(attempt))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-i.gate(attempt):
		case <-wait:
		}
		if err := i.round(ctx); ctx.Err() == nil {
			attempt = i.note(ctx, attempt, err)
		}
	}
	return nil
}

// gate is the signal of new reports, which does not shorten a wait after a failure.
func (i *Inbox) gate(attempt int) <-chan struct{} {
	if attempt > 0 {
		return nil
	}
	return i.signal
}

// backoff draws the wait after a number of failures in a row: anything up to the doubled bound, so that many
// agents do not come back together, but at least a tenth of it.
func (i *Inbox) backoff(attempt int) time.Duration {
	bound := i.cfg.MaxBackoff
	if shift := attempt - 1; shift < 32 && i.cfg.Backoff<<shift < bound {
		bound = i.cfg.Backoff << shift
	}
	return bound/10 + rand.N(bound-bound/10)
}

// note keeps the outcome of a round and returns the number of failures in a row.
func (i *Inbox) note(ctx context.Context, attempt int, err error) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil {
		i.status.Err, i.status.Since = nil, time.Time{}
		return 0
	}
	if attempt == 0 {
		i.status.Since = time.Now()
	}
	i.status.Err = err
	i.log.WarnContext(ctx, "report not taken into the main system", "attempt", attempt+1, "waiting", len(i.waiting), "err", err)
	return attempt + 1
}

// round delivers what is waiting, each report once, and acknowledges. It stops at the first failure: the
// next report would most likely meet the same.
func (i *Inbox) round(ctx context.Context) error {
	i.mu.Lock()
	reports := slices.Clone(i.waiting)
	i.mu.Unlock()
	var acks []protocol.Ack
	var failed error
	for n, sealed := range reports {
		var a protocol.Ack
		if a, failed = i.deliver(ctx, sealed); failed != nil {
			i.postpone(sealed.ID)
			break
		}
		acks = append(acks, a)
		if len(acks) == maxAcks || n == len(reports)-1 {
			if failed = i.acknowledge(ctx, acks); failed != nil {
				return failed
			}
			acks = nil
		}
	}
	if len(acks) > 0 {
		if err := i.acknowledge(ctx, acks); err != nil {
			return err
		}
	}
	return failed
}

func (i *Inbox) deliver(ctx context.Context, sealed protocol.SealedReport) (protocol.Ack, error) {
	r, err := i.open(sealed)
	if err != nil {
		return protocol.Ack{}, fmt.Errorf("open report %s: %w: %w", sealed.ID, errSealed, err)
	}
	if r.ID != sealed.ID {
		return protocol.Ack{}, fmt.Errorf("open report %s: %w: it holds another id", sealed.ID, errSealed)
	}
	a, err := i.main.Deliver(ctx, r)
	if err != nil {
		return protocol.Ack{}, fmt.Errorf("report %s: %w", sealed.ID, err)
	}
	return a, nil
}

// acknowledge tells the portal and forgets. After an error the reports stay, and being delivered again they
// are found in the main system.
func (i *Inbox) acknowledge(ctx context.Context, acks []protocol.Ack) error {
	if err := i.ack(ctx, acks); err != nil {
		return fmt.Errorf("acknowledge %d reports: %w: %w", len(acks), errUnacknowledged, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting = slices.DeleteFunc(i.waiting, func(w protocol.SealedReport) bool {
		return slices.ContainsFunc(acks, func(a protocol.Ack) bool { return a.ID == w.ID })
	})
	i.status.Delivered += int64(len(acks))
	i.log.InfoContext(ctx, "reports taken into the main system", "reports", len(acks))
	return nil
}

// postpone moves a report to the end of the line.
func (i *Inbox) postpone(id protocol.ReportID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	place := slices.IndexFunc(i.waiting, func(w protocol.SealedReport) bool { return w.ID == id })
	if place >= 0 {
		r := i.waiting[place]
		i.waiting = append(slices.Delete(i.waiting, place, place+1), r)
	}
}

// Package capture reads a main system and keeps the portal equal to it: changes as cuts, first loads
// and repairs as snapshots in chunks, all as one sequence of batches. It is the agent's half of the
// state machine that protocol/README.md specifies.
//
// Nothing here is remembered on disk. The portal's store holds the only checkpoint and the main
// system is the spool: a Capture that starts asks where the portal stands (OPEN) and reads from there.
// The first step of every doubt (a gap, a silence, an answer that contradicts an earlier one) is to
// drop the generation and ask again.
//
// One goroutine owns the state machine. Beside it at most one batch is being sent and one check-in is
// waiting; their answers come back over channels. [Capture.Step] drives the same machine without them.
package capture

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Source is the main system's database; package agent/source states what it promises.
type Source interface {
	Kinds() []source.Kind
	Begin(ctx context.Context) (source.Tx, error)
}

// Receiver is the hosted side. Its methods block, with retries, until there is an answer that can be
// trusted: the value, or a [*protocol.Reject]. Any other error means that nothing is known about
// whether the request arrived. Methods are called from several goroutines.
type Receiver interface {
	Open(ctx context.Context, r protocol.OpenRequest) (protocol.OpenAnswer, error)
	// Batch delivers one encoded batch. The same header always comes with the same bytes.
	Batch(ctx context.Context, h protocol.StreamHeader, encoded []byte) (protocol.BatchAnswer, error)
	CheckIn(ctx context.Context, r protocol.CheckInRequest) (protocol.CheckInAnswer, error)
	// PutBlob stores a document and returns its name. It returns when the receiver has all of it.
	PutBlob(ctx context.Context, content []byte) (name string, err error)
	// BlobName returns the name that PutBlob would return, without storing anything.
	BlobName(content []byte) (name string, err error)
	// Digest asks what the portal holds. Keys of the answer are open.
	Digest(ctx context.Context, r protocol.DigestRequest) (protocol.DigestAnswer, error)
	// Verified tells operations the outcome of a verification.
	Verified(ctx context.Context, r protocol.VerifiedRequest) error
}

// Config says who captures and tunes how. Tenant and Stream are the agent's identity; the zero value
// of everything else is usable.
type Config struct {
	Tenant    protocol.TenantID
	Stream    protocol.StreamID
	InstallID string // made at installation
	BootNonce string // new at each start of the process; "" makes one
	Version   string // of the program, for operations
	Platform  string
	Plan      string // hash of the plan

	Poll    time.Duration // between two looks at a kind whose plan says nothing; 0 means 2s
	Wait    time.Duration // longest wait of a check-in for news; 0 means 25s
	Stall   time.Duration // without progress although batches were accepted, before OPEN; 0 means 10min
	Advance time.Duration // longest time the checkpoint lags behind an idle main system; 0 means 15min

	// Deletes is the time between two comparisons of a kind whose deletes only digests find: each reads all of it.
	// 0 means 5min.
	Deletes time.Duration
	// Verify is when every kind is held against the portal each day, and mended; the zero Window is never.
	Verify Window

	// CompareRows is of how many rows of a kind a comparison remembers the hashes, 16 bytes each, so that it need not read all of a
	// kind again to find what differs; 0 means 512 Ki.
	CompareRows int
	BatchRows   int // rows in a batch, at most and by default protocol.MaxBatchRows
	Uploads     int // documents on their way at once; 0 means 4: one costs two round trips and little else

	// Reports is handed the reports that wait for the main system, as the portal offered them. It returns
	// when it has done what it can; what stays unacknowledged is offered again. Nil ignores reports.
	Reports func(ctx context.Context, reports []protocol.SealedReport)
	// ReportsIn tells how many reports were delivered since the process began, for the status. Nil means none.
	ReportsIn func() int64
	// ReportsWait tells why reports do not get into the main system, nil if they do. Nil means that they do.
	ReportsWait func() *protocol.ReportsWait
	// ClockOffset tells what to add to this computer's clock for the receiver's. Nil means nothing.
	ClockOffset func() time.Duration
	Log         *slog.Logger // nil discards
}

// Capture keeps one stream's portal equal to its main system.
type Capture struct {
	src  Source
	recv Receiver
	cfg  Config
	log  *slog.Logger

	planned []source.Kind
	polls   []time.Time // when each planned kind is looked at next
	enc     *protocol.Encoder
	cells   []protocol.Value // scratch for rows with documents
	uploads *uploads

	session *session            // nil while CLOSED
	gen     protocol.Generation // that was opened last; 0 before the first
	opens   int                 // generations in a row that applied nothing
	lost    protocol.Lineage    // whose position went backwards; "" none
	maxRows int                 // of a batch: halved when the receiver calls a batch too large

	stepping bool // Step drives, which knows no intervals
	verifier verifier
	retry    chan struct{}           // somebody knows that the main system can be read again
	outcomes []protocol.Verification // that operations was not told yet

	status status
}

// New returns a Capture of the stream that cfg names. It does nothing until Run or Step.
func New(src Source, recv Receiver, cfg Config) *Capture {
	cfg.BootNonce = cmp.Or(cfg.BootNonce, rand.Text())
	cfg.Poll = cmp.Or(cfg.Poll, 2*time.Second)
	cfg.Wait = cmp.Or(cfg.Wait, 25*time.Second)
	cfg.Stall = cmp.Or(cfg.Stall, 10*time.Minute)
	cfg.Advance = cmp.Or(cfg.Advance, 15*time.Minute)
	cfg.Deletes = cmp.Or(cfg.Deletes, 5*time.Minute)
	cfg.CompareRows = cmp.Or(cfg.CompareRows, 512<<10)
	cfg.Uploads = cmp.Or(cfg.Uploads, uploadsAtOnce)
	cfg.BatchRows = min(cmp.Or(cfg.BatchRows, protocol.MaxBatchRows), protocol.MaxBatchRows)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.ClockOffset == nil {
		cfg.ClockOffset = func() time.Duration { return 0 }
	}
	planned := src.Kinds()
	return &Capture{
		src:      src,
		recv:     recv,
		uploads:  newUploads(recv, cfg.Uploads),
		cfg:      cfg,
		log:      cfg.Log.With("tenant", int64(cfg.Tenant), "stream", int64(cfg.Stream)),
		planned:  planned,
		polls:    make([]time.Time, len(planned)),
		enc:      protocol.NewEncoder(),
		maxRows:  cfg.BatchRows,
		verifier: verifier{at: cfg.Verify.next(time.Now()), nudge: make(chan struct{}, 1)},
		retry:    make(chan struct{}, 1),
		status:   status{told: protocol.AgentStatus{State: stateStarting}, bad: badRows{}},
	}
}

// portalMillis is an instant of this computer's clock as the portal keeps it: unix milliseconds by the receiver's clock.
func (c *Capture) portalMillis(t time.Time) int64 { return t.Add(c.cfg.ClockOffset()).UnixMilli() }

// documents returns the places of a kind's document fields in its rows.
func documents(k source.Kind) []int {
	var places []int
	for i, t := range k.Schema.Types {
		if t == record.Document {
			places = append(places, i)
		}
	}
	return places
}

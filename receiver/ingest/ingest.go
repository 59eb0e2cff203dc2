// Package ingest is the receiver's side of the protocol over HTTP: it verifies what agents send, queues
// sealed batches, keeps sealed documents, and answers. It never opens a batch.
//
// Every answer is signed, refusals included, also those to a key that is not known here: the agent must be
// able to tell the receiver's verdict from that of a device on the way. Only the keyset, which the root key
// signs, goes out without. The head of a request is verified before the first byte of its body is read.
package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
)

// Agents says who calls, and gives new agents their identity.
type Agents interface {
	AgentByKey(ctx context.Context, key protocol.KeyID) (store.AgentKey, error)
	Enrol(ctx context.Context, inviteID string, at time.Time, verify func(store.Invite) error, a store.NewAgent) (store.EnrolledAgent, error)
	SaveCheckIn(ctx context.Context, tenant protocol.TenantID, agent protocol.AgentID, status protocol.AgentStatus, address string, at time.Time) error
	BlobKey(ctx context.Context, tenant protocol.TenantID) ([]byte, error)
}

// Streams is the checkpoint of every stream.
type Streams interface {
	OpenStream(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, o store.StreamOpening) (store.Stream, []protocol.KindStatus, error)
	StreamState(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) (store.Stream, []protocol.KindStatus, error)
	Rereads(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, limit int) ([]protocol.Reread, error)
}

// Blobs keeps documents, sealed, part by part.
type Blobs interface {
	PutBlobPart(ctx context.Context, tenant protocol.TenantID, name string, part, of int, sealed []byte) error
	BlobState(ctx context.Context, tenant protocol.TenantID, name string) (protocol.BlobState, error)
}

// Reports is what waits for the main system.
type Reports interface {
	PendingReports(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, limit int) ([]protocol.Report, error)
	AckReports(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, acks []protocol.Ack) error
}

// Store is what ingest needs of the portal's database.
type Store interface {
	Agents
	Streams
	Blobs
	Reports
	Digests
}

// Queue takes sealed batches and tells of news.
type Queue interface {
	Enqueue(ctx context.Context, e queue.Entry, floor protocol.Seq) (queue.Result, error)
	State(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, gen protocol.Generation) (enqueued protocol.Seq, queued int, err error)
	Watch(stream protocol.StreamID) *queue.Watcher
	FirstUse(ctx context.Context, key protocol.KeyID, nonce string) (bool, error)
	Depth(ctx context.Context) (queue.Depth, error)
}

// Keys signs answers and says which keys agents are to use.
type Keys interface {
	Signed() protocol.SignedKeyset
	Version() int
	Response() *protocol.SigningKey
}

// Config tunes an Ingest. The zero value is usable in tests; a receiver that agents call needs Authority.
type Config struct {
	Authority      []string              // names under which agents call, in lower case, with port unless 443
	TrustedProxies []string              // addresses or ranges whose X-Forwarded-For is believed; nil trusts none
	Window         time.Duration         // how far an agent's clock may be off; 0 means 5m
	Timeout        time.Duration         // longest request that is not a long poll; 0 means 30s
	MaxWait        time.Duration         // longest wait of a long poll; 0 means 25s, never more
	Metrics        prometheus.Registerer // nil registers nowhere
	Log            *slog.Logger          // nil discards
	Now            func() time.Time      // nil means time.Now
}

// maxWait is the longest that a long poll is held: proxies cut idle connections at 30 seconds.
const maxWait = 25 * time.Second

// Ingest answers agents. It is safe for concurrent use.
type Ingest struct {
	store    Store
	queue    Queue
	keys     Keys
	cfg      Config
	log      *slog.Logger
	metrics  *metrics
	offers   *offers
	digests  *digests
	drained  chan struct{}
	drainNow sync.Once
}

// New returns an Ingest. It does nothing until its Handler is served. An error is one of Config.
func New(st Store, q Queue, keys Keys, cfg Config) (*Ingest, error) {
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second)
	cfg.MaxWait = min(cmp.Or(cfg.MaxWait, maxWait), maxWait)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	m, err := newMetrics(q, cfg.Metrics)
	if err != nil {
		return nil, err
	}
	return &Ingest{
		store:   st,
		queue:   q,
		keys:    keys,
		cfg:     cfg,
		log:     cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
		metrics: m,
		offers:  newOffers(),
		digests: newDigests(),
		drained: make(chan struct{}),
	}, nil
}

// Handler returns the handler of everything below [protocol.BasePath]. An error is one of Config.TrustedProxies.
func (in *Ingest) Handler() (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.RedirectTrailingSlash = false // a redirect is an unsigned answer
	g.HandleMethodNotAllowed = false
	if err := g.SetTrustedProxies(in.cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("read trusted proxies: %w", err)
	}
	g.Use(in.recover)
	g.GET(protocol.PathKeyset, in.keyset)
	g.POST(protocol.PathEnrol, in.limited(in.enrol))
	g.POST(protocol.PathOpen, in.signed(protocol.MaxMessageBytes, in.open))
	g.POST(protocol.PathBatch, in.signed(protocol.MaxSealedBytes, in.batch))
	g.GET(protocol.PathBlob+":name", in.signed(0, in.blobState))
	g.PUT(protocol.PathBlob+":name", in.signed(maxPartBytes, in.putBlobPart))
	g.POST(protocol.PathCheckIn, in.signed(protocol.MaxMessageBytes, in.checkIn))
	g.POST(protocol.PathAck, in.signed(protocol.MaxMessageBytes, in.ackReports))
	g.POST(protocol.PathDigest, in.signed(protocol.MaxMessageBytes, in.digest))
	g.POST(protocol.PathVerified, in.signed(protocol.MaxMessageBytes, in.verified))
	g.NoRoute(in.limited(func(*call) (any, error) {
		return nil, &protocol.Reject{Code: protocol.CodeNotFound, Detail: "the receiver has nothing at this path: agent and receiver are of different versions, or the address is wrong"}
	}))
	return g, nil
}

// Drain ends all long polls at once with a normal answer, and digests that are being read, and lets later ones answer without waiting, so that a
// server can shut down without cutting anybody off: http.Server.RegisterOnShutdown is the place to call it.
// It may be called more than once.
func (in *Ingest) Drain() {
	in.drainNow.Do(func() {
		close(in.drained)
		in.digests.stop()
	})
}

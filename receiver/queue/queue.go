// Package queue carries sealed batches from ingest to the writer through Redis Streams.
//
// A tenant belongs to one of [Shards] shards. Everything of a shard (its stream, its counters, the
// state of its streams) carries one hash tag, so that the scripts work in Redis Cluster too.
// Nothing here is a promise: Redis may lose everything, come back old or run twice, and the
// writer's checks against the store keep the data right. What the queue checks saves work.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"lessor.dk/portalsync/protocol"
)

// Shards is the number of streams. It is part of every key: a change of it needs an empty queue.
const Shards = 64

// Config tunes a Queue. The zero value is usable.
type Config struct {
	TenantBytes   int64         // sealed bytes one tenant may have waiting; 0 means 64 MiB, never below one batch
	TenantEntries int           // batches one tenant may have waiting; 0 means 64
	ShardBytes    int64         // sealed bytes one shard may have waiting; 0 means 256 MiB, never below one batch
	ShardEntries  int           // batches one shard may have waiting; 0 means 4096
	Block         time.Duration // longest wait of one read; 0 means 2s
	Count         int           // batches per read, at most 64; 0 means 16
	Prefix        string        // first part of every key; "" means "ps"
	Log           *slog.Logger  // nil discards
}

// maxCount is the largest read: more would let one tenant delay the others of its shard (V14).
const maxCount = 64

// Queue is the way from ingest to the writer. It is safe for concurrent use.
type Queue struct {
	redis   redis.UniversalClient
	enqueue *redis.Script
	done    *redis.Script
	cfg     Config
	log     *slog.Logger

	mu       sync.Mutex
	watchers map[protocol.StreamID]map[*Watcher]struct{}
}

// New returns a Queue on client, whose pool must be large enough for one blocked read per shard
// ([Dial] makes such a client). It does nothing until used.
func New(client redis.UniversalClient, cfg Config) *Queue {
	cfg.TenantBytes = max(cmp.Or(cfg.TenantBytes, 64<<20), protocol.MaxSealedBytes)
	cfg.TenantEntries = cmp.Or(cfg.TenantEntries, 64)
	cfg.ShardBytes = max(cmp.Or(cfg.ShardBytes, 256<<20), protocol.MaxSealedBytes)
	cfg.ShardEntries = cmp.Or(cfg.ShardEntries, 4096)
	cfg.Block = cmp.Or(cfg.Block, 2*time.Second)
	cfg.Count = min(cmp.Or(cfg.Count, 16), maxCount)
	cfg.Prefix = cmp.Or(cfg.Prefix, "ps")
	return &Queue{
		redis:    client,
		enqueue:  redis.NewScript(enqueueLua),
		done:     redis.NewScript(doneLua),
		cfg:      cfg,
		log:      cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
		watchers: map[protocol.StreamID]map[*Watcher]struct{}{},
	}
}

// Dial returns a client for a Redis URL (redis://, rediss:// or unix://) whose pool holds one blocked
// read per shard and the traffic of ingest beside them.
func Dial(url string) (redis.UniversalClient, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the Redis address: %w", err)
	}
	tune(opts)
	return redis.NewClient(opts), nil
}

// bufferBytes is the buffer of a connection per direction. Most connections wait for something small; a batch is
// larger than any sensible buffer and passes it by.
const bufferBytes = 8 << 10

// tune makes room for a blocked read per shard and as many connections for everything else, and lets a Redis that is
// gone be told at once: whoever asks tries again, with its own patience.
func tune(opts *redis.Options) {
	opts.PoolSize = max(opts.PoolSize, 2*Shards)
	opts.MaxIdleConns = Shards
	opts.MaxRetries = 1 // a connection of the pool may have died with the last Redis
	opts.DialerRetries = 1
	opts.ReadBufferSize, opts.WriteBufferSize = bufferBytes, bufferBytes
}

// Entry is one sealed batch on its way.
type Entry struct {
	Tenant protocol.TenantID
	Stream protocol.StreamID
	Gen    protocol.Generation
	Seq    protocol.Seq
	Agent  protocol.AgentID
	At     time.Time // when ingest accepted it, to the millisecond
	Body   []byte    // sealed: nobody but the writer can read it

	id string // Redis' name of the entry; empty before it was read
}

// ID is Redis' name of an entry that was read; it is unique within a shard.
func (e Entry) ID() string { return e.id }

// Header returns the batch's place as the seal binds it.
func (e Entry) Header() protocol.StreamHeader {
	return protocol.StreamHeader{Tenant: e.Tenant, Stream: e.Stream, Gen: e.Gen, Seq: e.Seq}
}

// LogValue keeps the body out of logs.
func (e Entry) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int64("tenant", int64(e.Tenant)),
		slog.Int64("stream", int64(e.Stream)),
		slog.Int64("gen", int64(e.Gen)),
		slog.Int64("seq", int64(e.Seq)),
		slog.Int("bytes", len(e.Body)),
	)
}

// Shard returns the shard of a tenant, 0 to Shards-1.
func Shard(tenant protocol.TenantID) int {
	h := fnv.New32a()
	h.Write(strconv.AppendInt(nil, int64(tenant), 10))
	return int(h.Sum32() % Shards)
}

func (q *Queue) streamKey(shard int) string  { return q.key(shard, "queue") }
func (q *Queue) counterKey(shard int) string { return q.key(shard, "waiting") }

func (q *Queue) tenantKey(t protocol.TenantID) string {
	return q.key(Shard(t), "tenant:"+strconv.FormatInt(int64(t), 10))
}

func (q *Queue) stateKey(t protocol.TenantID, s protocol.StreamID) string {
	return q.key(Shard(t), fmt.Sprintf("stream:%d:%d", t, s))
}

// key names something of a shard. The braces are the hash tag of Redis Cluster.
func (q *Queue) key(shard int, what string) string {
	return fmt.Sprintf("%s:{%02d}:%s", q.cfg.Prefix, shard, what)
}

// State tells what the queue knows of one generation of a stream: the last seq that was enqueued and
// how many batches wait. Both are 0 when the queue holds another generation or lost its memory.
func (q *Queue) State(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, gen protocol.Generation) (enqueued protocol.Seq, queued int, err error) {
	var h struct {
		Gen    int64 `redis:"g"`
		Last   int64 `redis:"l"`
		Queued int   `redis:"n"`
	}
	if err := q.redis.HMGet(ctx, q.stateKey(tenant, stream), "g", "l", "n").Scan(&h); err != nil {
		return 0, 0, fmt.Errorf("read queue state of stream %d: %w", stream, err)
	}
	if h.Gen != int64(gen) {
		return 0, 0, nil
	}
	return protocol.Seq(h.Last), max(h.Queued, 0), nil
}

// Depth is what waits in all shards together.
type Depth struct {
	Entries int64
	Bytes   int64
}

// Depth counts what waits, for the metrics of operations.
func (q *Queue) Depth(ctx context.Context) (Depth, error) {
	pipe := q.redis.Pipeline()
	cmds := make([]*redis.SliceCmd, Shards)
	for shard := range cmds {
		cmds[shard] = pipe.HMGet(ctx, q.counterKey(shard), "n", "b")
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Depth{}, fmt.Errorf("count the queue: %w", err)
	}
	var sum Depth
	for _, c := range cmds {
		var d struct {
			Entries int64 `redis:"n"`
			Bytes   int64 `redis:"b"`
		}
		if err := c.Scan(&d); err != nil {
			return Depth{}, fmt.Errorf("count the queue: %w", err)
		}
		sum.Entries += d.Entries
		sum.Bytes += d.Bytes
	}
	return sum, nil
}

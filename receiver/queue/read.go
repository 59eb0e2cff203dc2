package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"lessor.dk/portalsync/protocol"
)

// group is the consumer group of every shard and, at the same time, its only consumer. A shard has one
// reader, the holder of its lease, whoever that is: taking the name over claims the whole shard of a
// dead holder, in order, without a claim per entry that would mix the tenants' batches (XAUTOCLAIM).
const group = "writers"

// recheck is how often an idle reader looks at what was delivered before: Redis may come back with
// an older memory in which entries already handled wait for their acknowledgement.
const recheck = 30 * time.Second

// Reader reads one shard in order. It belongs to the holder of the shard's lease and is not safe for
// concurrent use.
type Reader struct {
	q       *Queue
	shard   int
	after   string // id up to which the delivered entries were read again; ">" for new ones
	checked time.Time
}

// Reader returns a reader of the shard that begins with what was delivered and never finished.
func (q *Queue) Reader(shard int) *Reader {
	return &Reader{q: q, shard: shard, after: "0", checked: time.Now()}
}

// Next returns the next entries, oldest first, at most Config.Count. With wait it blocks until something
// arrives, at most Config.Block; no entries and no error means there was nothing. After an error, and
// now and then when idle, it begins again with the entries that were delivered and not yet Done: the
// caller knows those it still holds by their ID. A cancelled ctx returns at once with its error; what
// Redis delivers to the abandoned read comes again with the next Reader.
func (r *Reader) Next(ctx context.Context, wait bool) ([]Entry, error) {
	entries, err := r.next(ctx, wait)
	if errors.Is(err, errCreated) {
		entries, err = r.next(ctx, wait)
	}
	return entries, err
}

// errCreated reports that the group was lost with Redis' memory and made again: read again.
var errCreated = errors.New("the consumer group was made")

func (r *Reader) next(ctx context.Context, wait bool) ([]Entry, error) {
	if r.after == ">" && time.Since(r.checked) > recheck {
		r.rewind()
	}
	if r.after != ">" {
		entries, err := r.read(ctx, r.after, -1)
		if err != nil || len(entries) > 0 {
			return entries, err
		}
		r.after = ">"
	}
	block := time.Duration(-1)
	if wait {
		block = r.q.cfg.Block
	}
	return r.read(ctx, ">", block)
}

func (r *Reader) rewind() {
	r.after, r.checked = "0", time.Now()
}

type reply struct {
	streams []redis.XStream
	err     error
}

func (r *Reader) read(ctx context.Context, after string, block time.Duration) ([]Entry, error) {
	key := r.q.streamKey(r.shard)
	answer := make(chan reply, 1)
	go func() { // a blocked read does not see ctx end: it is left behind and ends by itself within Block
		streams, err := r.q.redis.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: group, Streams: []string{key, after}, Count: int64(r.q.cfg.Count), Block: block,
		}).Result()
		answer <- reply{streams, err}
	}()
	var got reply
	select {
	case got = <-answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var timeout net.Error
	switch {
	case errors.Is(got.err, redis.Nil):
		return nil, nil
	case redis.HasErrorPrefix(got.err, "NOGROUP"), redis.HasErrorPrefix(got.err, "UNBLOCKED"):
		r.rewind()
		if err := r.create(ctx, key); err != nil {
			return nil, err
		}
		return nil, errCreated
	case errors.As(got.err, &timeout) && timeout.Timeout():
		r.rewind()
		return nil, nil
	case got.err != nil:
		r.rewind()
		return nil, fmt.Errorf("read shard %d: %w", r.shard, got.err)
	}
	if len(got.streams) == 0 {
		return nil, nil
	}
	return r.entries(ctx, key, got.streams[0].Messages)
}

// create makes the group at 0, never at $: what is in the stream already is wanted.
func (r *Reader) create(ctx context.Context, key string) error {
	err := r.q.redis.XGroupCreateMkStream(ctx, key, group, "0").Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return fmt.Errorf("create the group of shard %d: %w", r.shard, err)
	}
	return nil
}

func (r *Reader) entries(ctx context.Context, key string, messages []redis.XMessage) ([]Entry, error) {
	entries := make([]Entry, 0, len(messages))
	for _, m := range messages {
		if r.after != ">" {
			r.after = m.ID
		}
		e, err := parse(m)
		if err != nil {
			r.q.log.WarnContext(ctx, "unreadable queue entry dropped", "shard", r.shard, "entry", m.ID, "err", err)
			if err := r.drop(ctx, key, m.ID); err != nil {
				return entries, err
			}
			continue
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// drop removes an entry that does not say whose it is; the counters cannot know of it.
func (r *Reader) drop(ctx context.Context, key, id string) error {
	pipe := r.q.redis.TxPipeline()
	pipe.XAck(ctx, key, group, id)
	pipe.XDel(ctx, key, id)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("drop an unreadable entry of shard %d: %w", r.shard, err)
	}
	return nil
}

func parse(m redis.XMessage) (Entry, error) {
	var numbers [6]int64
	for i, field := range [...]string{"t", "s", "g", "q", "a", "at"} {
		text, _ := m.Values[field].(string)
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Entry{}, fmt.Errorf("read field %q: %w", field, strconv.ErrSyntax)
		}
		numbers[i] = n
	}
	body, ok := m.Values["body"].(string)
	if !ok {
		return Entry{}, errors.New("read field \"body\": missing")
	}
	return Entry{
		Tenant: protocol.TenantID(numbers[0]),
		Stream: protocol.StreamID(numbers[1]),
		Gen:    protocol.Generation(numbers[2]),
		Seq:    protocol.Seq(numbers[3]),
		Agent:  protocol.AgentID(numbers[4]),
		At:     time.UnixMilli(numbers[5]),
		Body:   []byte(body),
		id:     m.ID,
	}, nil
}

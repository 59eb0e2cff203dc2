package queue

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"
	"lessor.dk/portalsync/protocol"
)

// Outcome says what became of a batch at the queue.
type Outcome string

// The outcomes, spelled as the script answers them.
const (
	Accepted  Outcome = "accepted"  // queued
	Duplicate Outcome = "duplicate" // was queued or applied before
	Gap       Outcome = "gap"       // seq is too high: continue at Expected
	Full      Outcome = "full"      // over a limit, or Redis is out of memory: the same batch later
)

// Result is the answer of [Queue.Enqueue].
type Result struct {
	Outcome  Outcome
	Expected protocol.Seq // the seq that would be accepted
}

//go:embed enqueue.lua
var enqueueLua string

//go:embed done.lua
var doneLua string

// Enqueue queues a batch of the stream's current generation. Floor is the seq that the store has
// applied in that generation: what is at or below it never needs to be queued again.
//
// The caller has compared the generation with the store's. The script, atomic in one slot:
//
//   - the state is missing, of an older generation or of a newer one (Redis is ahead of a restored store): adopt this
//     one, nothing enqueued yet
//   - what is applied counts as enqueued: never below the floor
//   - seq already enqueued: duplicate; beyond the next: gap; over a limit: full; else queued
//
// It writes nothing unless it accepts, and Redis refuses its first write when out of memory, so a
// refusal leaves no trace. An error means Redis could not be asked: the batch may or may not be queued,
// and asking again is right.
func (q *Queue) Enqueue(ctx context.Context, e Entry, floor protocol.Seq) (Result, error) {
	shard := Shard(e.Tenant)
	keys := []string{q.streamKey(shard), q.counterKey(shard), q.tenantKey(e.Tenant), q.stateKey(e.Tenant, e.Stream)}
	answer, err := q.enqueue.Run(ctx, q.redis, keys,
		int64(e.Gen), int64(e.Seq), int64(floor), len(e.Body),
		q.cfg.ShardBytes, q.cfg.ShardEntries, q.cfg.TenantBytes, q.cfg.TenantEntries,
		int64(e.Tenant), int64(e.Stream), int64(e.Agent), e.At.UnixMilli(), e.Body).Slice()
	if redis.HasErrorPrefix(err, "OOM") {
		return Result{Outcome: Full, Expected: e.Seq}, nil
	}
	if err != nil {
		return Result{}, fmt.Errorf("enqueue batch %d of stream %d: %w", e.Seq, e.Stream, err)
	}
	outcome, ok1 := answer[0].(string)
	expected, ok2 := answer[1].(int64)
	if !ok1 || !ok2 {
		return Result{}, fmt.Errorf("enqueue batch %d of stream %d: answer of the script is not understood", e.Seq, e.Stream)
	}
	return Result{Outcome: Outcome(outcome), Expected: protocol.Seq(expected)}, nil
}

// Done forgets entries of one shard that are applied or dropped: acknowledged, deleted and taken off
// the counters in one script. Entries that are gone already count for nothing, so asking twice is safe.
func (q *Queue) Done(ctx context.Context, entries ...Entry) error {
	for _, e := range entries {
		shard := Shard(e.Tenant)
		keys := []string{q.streamKey(shard), q.counterKey(shard), q.tenantKey(e.Tenant), q.stateKey(e.Tenant, e.Stream)}
		if err := q.done.Run(ctx, q.redis, keys, group, e.id, int64(e.Gen), len(e.Body)).Err(); err != nil {
			return fmt.Errorf("take batch %d of stream %d off the queue: %w", e.Seq, e.Stream, err)
		}
	}
	return nil
}

package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Join says that holder lives, for ttl, and returns how many holders do, this one included. It is how
// writers share the shards evenly; the leases in the store are what keeps two off one shard.
func (q *Queue) Join(ctx context.Context, holder string, ttl time.Duration) (int, error) {
	key, now := q.cfg.Prefix+":writers", time.Now()
	pipe := q.redis.TxPipeline()
	pipe.ZRemRangeByScore(ctx, key, "-inf", strconv.FormatInt(now.UnixMilli(), 10))
	pipe.ZAdd(ctx, key, redis.Z{Score: float64(now.Add(ttl).UnixMilli()), Member: holder})
	count := pipe.ZCard(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("tell the other writers of this one: %w", err)
	}
	return int(count.Val()), nil
}

// Leave takes a holder out at once, so that the others take over its shards without waiting for ttl.
func (q *Queue) Leave(ctx context.Context, holder string) error {
	if err := q.redis.ZRem(ctx, q.cfg.Prefix+":writers", holder).Err(); err != nil {
		return fmt.Errorf("tell the other writers that this one ends: %w", err)
	}
	return nil
}

// Busy returns the shards that hold anything.
func (q *Queue) Busy(ctx context.Context) ([]int, error) {
	pipe := q.redis.Pipeline()
	lengths := make([]*redis.IntCmd, Shards)
	for shard := range lengths {
		lengths[shard] = pipe.XLen(ctx, q.streamKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("look for shards with work: %w", err)
	}
	var busy []int
	for shard, n := range lengths {
		if n.Val() > 0 {
			busy = append(busy, shard)
		}
	}
	return busy, nil
}

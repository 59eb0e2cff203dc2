package queue

import (
	"context"
	"fmt"

	"lessor.dk/portalsync/protocol"
)

// FirstUse remembers a nonce of a key for [protocol.NonceLifetime] and reports whether it is new. All
// receivers share the memory; a Redis that lost it forgets nonces, which is why nothing but a second
// line of defence rests on them.
func (q *Queue) FirstUse(ctx context.Context, key protocol.KeyID, nonce string) (bool, error) {
	first, err := q.redis.SetNX(ctx, q.cfg.Prefix+":nonce:"+string(key)+":"+nonce, 1, protocol.NonceLifetime).Result()
	if err != nil {
		return false, fmt.Errorf("remember a nonce: %w", err)
	}
	return first, nil
}

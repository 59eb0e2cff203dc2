package capture

import (
	"context"
	"errors"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// chunk reads the next piece of a kind's snapshot, as one batch, so that last_key and rows move together.
// A piece that is too large for a batch is read again, smaller, in the same transaction.
// ● Chunks move last_key, never the position. It reports whether the session moved.
func (c *Capture) chunk(ctx context.Context, tx source.Tx, st source.State, k *kind) (bool, error) {
	s := c.session
	for {
		p := c.pack(st, 1, protocol.MaxBatchBytes)
		p.head.Chunk = &protocol.Chunk{Kind: k.name(), Snapshot: k.snapshot}
		met := 0
		yield := p.yield(ctx, k)
		limit := min(k.limit, c.maxRows)
		last, done, err := tx.Chunk(ctx, k.name(), k.lastKey, limit, func(r *protocol.Row) error {
			if err := yield(r); err != nil {
				return err
			}
			met++
			return nil
		})
		if errors.Is(err, errNoRoom) && met > 0 {
			k.limit = met
			continue
		}
		if err != nil {
			return false, p.fault(err, "read", k.name())
		}
		if done {
			k.phase = ending
		}
		if done && p.rows == 0 {
			return true, nil // nothing to send: the next cut carries the end
		}
		p.head.Chunk.LastKey = last
		if err := p.finish(); err != nil {
			return false, err
		}
		k.lastKey = last
		k.rows += int64(met)
		if 2*p.size < protocol.MaxBatchBytes && len(k.documents) == 0 {
			k.limit = min(2*k.limit, protocol.MaxBatchRows)
		}
		s.add(p.made)
		return true, nil
	}
}

package capture

import (
	"context"
	"errors"
	"slices"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// rereadRows is how many rows one chunk of rereads holds.
const rereadRows = 100

// wanted notes the rereads that the portal asks for. What is in the window already is answered there;
// what the portal still misses after that it asks for again.
func (s *session) wanted(rereads []protocol.Reread) {
	s.rereads = s.rereads[:0]
	for _, r := range rereads {
		if _, ok := s.asked[r.ID]; ok {
			continue
		}
		i := slices.IndexFunc(s.kinds, func(k *kind) bool { return k.name() == r.Kind })
		if i >= 0 && s.kinds[i].covered() {
			s.rereads = append(s.rereads, r)
		}
	}
}

// reread reads rows again by key, as a chunk of their kind: read and sent in the one sequence, so that
// no older state of a row can follow a newer one. It reports whether the session moved.
func (c *Capture) reread(ctx context.Context, tx source.Tx, st source.State) (bool, error) {
	s := c.session
	name := s.rereads[0].Kind
	k := s.kinds[slices.IndexFunc(s.kinds, func(k *kind) bool { return k.name() == name })]
	var batch, rest []protocol.Reread
	for _, r := range s.rereads {
		if r.Kind == name && len(batch) < rereadRows {
			batch = append(batch, r)
		} else {
			rest = append(rest, r)
		}
	}
	if !k.covered() {
		s.rereads = rest
		return false, nil
	}
	for {
		p, err := c.encodeReread(ctx, tx, st, k, batch)
		if errors.Is(err, errNoRoom) && len(batch) > 1 {
			half := len(batch) / 2
			batch, rest = batch[:half:half], append(batch[half:], rest...)
			continue
		}
		if err != nil {
			return false, err
		}
		s.rereads = rest
		for _, r := range batch {
			s.asked[r.ID] = p.head.Seq - 1
		}
		s.add(p.made)
		return true, nil
	}
}

// encodeReread reads the rows of one kind. A key that cannot be read is answered by no row: asking for it
// for ever would help nobody.
func (c *Capture) encodeReread(ctx context.Context, tx source.Tx, st source.State, k *kind, batch []protocol.Reread) (*packer, error) {
	p := c.pack(st, 1, protocol.MaxBatchBytes)
	p.head.Chunk = &protocol.Chunk{Kind: k.name()}
	var keys [][]protocol.Value
	for _, r := range batch {
		p.head.Chunk.Rereads = append(p.head.Chunk.Rereads, r.ID)
		key, err := recordKey(k, r.Key)
		if err != nil {
			c.log.WarnContext(ctx, "key to read again is damaged", "kind", k.name(), "err", err)
			continue
		}
		keys = append(keys, key)
	}
	if err := tx.ByKey(ctx, k.name(), keys, p.yield(ctx, k)); err != nil {
		return nil, p.fault(err, "read again", k.name())
	}
	return p, p.finish()
}

// recordKey returns the values of a record's key in the kind's key order. The canonical key holds them in
// the order of the schema.
func recordKey(k *kind, key []byte) ([]protocol.Value, error) {
	cells, err := protocol.ParseKey(k.Schema, key)
	if err != nil {
		return nil, err
	}
	ordered := make([]protocol.Value, len(cells))
	for n, place := range k.Schema.Key {
		ordered[slices.Index(k.Record.Key, k.Schema.Fields[place].Name)] = cells[n]
	}
	return ordered, nil
}

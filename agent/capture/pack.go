package capture

import (
	"context"
	"errors"
	"fmt"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// errNoRoom reports rows that do not fit: those of a cut into the window, those of a chunk into a batch.
var errNoRoom = errors.New("no room")

// packer encodes the rows of one cut or chunk into batches.
type packer struct {
	c       *Capture
	at      int64           // unix ms of the source's state, by this computer's clock
	head    protocol.Header // of every batch; Seq is of the next one
	batches int             // how many may be made
	bytes   int             // of all of them; the first batch of an empty window may exceed it
	made    []batch
	size    int           // of made, in bytes
	rows    int           // encoded and not yet in made
	kept    int           // of rows: those of which only the key is sent
	sizes   map[*kind]int // bytes of each kind's rows
	docs    int           // documents met
	failure error
}

// pack returns a packer of batches that follow the window, for at most so many of so many bytes.
func (c *Capture) pack(st source.State, batches, bytes int) *packer {
	s := c.session
	if c.enc.Rows() > 0 {
		c.enc = protocol.NewEncoder() // rows of a cut or chunk that was given up
	}
	return &packer{c: c, at: st.At.UnixMilli(), batches: batches, bytes: bytes, sizes: map[*kind]int{}, head: protocol.Header{
		StreamHeader: protocol.StreamHeader{Tenant: c.cfg.Tenant, Stream: c.cfg.Stream, Gen: s.gen, Seq: s.next},
		Lineage:      st.Lineage,
		From:         s.read,
		To:           st.Position,
		CapturedAt:   c.portalMillis(st.At),
	}}
}

// yield returns the function that a source's read calls for each row of k.
func (p *packer) yield(ctx context.Context, k *kind) func(*protocol.Row) error {
	return func(r *protocol.Row) error {
		p.failure = p.row(ctx, k, r)
		return p.failure
	}
}

// fault returns the error of a source's read: p's own when it was p that stopped it.
func (p *packer) fault(err error, doing, kind string) error {
	switch {
	case err == nil:
		return nil
	case p.failure != nil:
		return p.failure
	}
	return &sourceError{fmt.Errorf("%s %s: %w", doing, kind, err)}
}

// row encodes one row. A row that may not be sent is counted and left out: the rest flows. In a chunk its key
// is sent, so that the portal keeps what it has of the row instead of sweeping it (N1).
func (p *packer) row(ctx context.Context, k *kind, r *protocol.Row) error {
	sent := r
	if len(k.documents) > 0 {
		var tooLarge bool
		var err error
		sent, tooLarge, err = p.c.nameDocuments(k, &p.c.cells, r, func(content []byte) error { return p.upload(ctx, k, content) })
		if tooLarge {
			return p.leaveOut(ctx, k, r, source.Bad{Kind: k.name(), Field: "document", Rows: 1, Reason: errors.New("the document is too large")})
		}
		if err != nil {
			return err
		}
	}
	err := p.encode(k, sent)
	var bad *protocol.RowError
	if errors.As(err, &bad) {
		return p.leaveOut(ctx, k, r, source.Bad{Kind: bad.Kind, Field: bad.Field, Rows: 1, Reason: badReason(bad)})
	}
	return err
}

func (p *packer) leaveOut(ctx context.Context, k *kind, r *protocol.Row, bad source.Bad) error {
	p.c.leftOut(ctx, []source.Bad{bad})
	if p.head.Chunk == nil || r.Op == protocol.Keep {
		return nil
	}
	keep := protocol.Row{Op: protocol.Keep, Version: r.Version, Values: make([]protocol.Value, len(r.Values))}
	for _, i := range k.Schema.Key {
		keep.Values[i] = r.Values[i]
	}
	err := p.encode(k, &keep)
	var unnamed *protocol.RowError
	if errors.As(err, &unnamed) {
		return nil // not even its key can be sent
	}
	return err
}

// badReason says why a row is not sent. It leaves out the row's number, which means nothing to a reader.
func badReason(e *protocol.RowError) error {
	if e.Field == "" {
		return fmt.Errorf("the row: %w", e.Err)
	}
	return fmt.Errorf("field %s: %w", e.Field, e.Err)
}

// encode adds the row to the batch, or to the next one when it is full.
func (p *packer) encode(k *kind, r *protocol.Row) error {
	before := p.c.enc.Size()
	err := protocol.ErrFull
	if p.rows < p.c.maxRows {
		err = p.c.enc.Row(k.Schema, r)
	}
	if errors.Is(err, protocol.ErrFull) {
		if p.head.Chunk != nil {
			return errNoRoom
		}
		if err := p.finish(); err != nil {
			return err
		}
		if len(p.made) >= p.batches || p.size+p.c.enc.Size() >= p.bytes {
			return errNoRoom
		}
		before = p.c.enc.Size()
		err = p.c.enc.Row(k.Schema, r)
	}
	if err == nil {
		p.rows++
		k.portal = nil
		if r.Op == protocol.Keep {
			p.kept++
		}
		p.sizes[k] += p.c.enc.Size() - before
	}
	return err
}

// finish makes a batch of what was encoded since the last one. The receiver has the documents that it names.
func (p *packer) finish() error {
	if err := p.c.uploads.wait(); err != nil {
		return err
	}
	encoded, err := p.c.enc.Finish(p.head)
	if err != nil {
		return fmt.Errorf("encode batch %d: %w", p.head.Seq, err)
	}
	p.made = append(p.made, batch{seq: p.head.Seq, encoded: encoded, rows: p.rows - p.kept, at: p.at})
	p.size += len(encoded)
	p.head.Seq++
	p.rows, p.kept = 0, 0
	return nil
}

// upload begins to send a document of the row that is read.
func (p *packer) upload(ctx context.Context, k *kind, content []byte) error {
	if p.docs++; p.head.Chunk == nil && p.docs > documentCut {
		return errNoRoom
	}
	return p.c.uploads.start(ctx, k.name(), content)
}

package capture_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"lessor.dk/portalsync/protocol"
)

func (p *portal) BlobName(content []byte) (string, error) {
	return fmt.Sprintf("%064x", content)[:64], nil
}

func (p *portal) Verified(_ context.Context, r protocol.VerifiedRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outcomes = append(p.outcomes, r.Verified)
	return nil
}

func (p *portal) Digest(_ context.Context, r protocol.DigestRequest) (protocol.DigestAnswer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.digests = append(p.digests, r)
	if r.Gen != p.gen {
		return protocol.DigestAnswer{}, &protocol.Reject{Code: protocol.CodeReopen}
	}
	k := p.kinds[r.Kind]
	a := protocol.DigestAnswer{Gen: p.gen, AppliedSeq: p.applied, Lineage: p.lineage, Position: p.position, State: k.status.State}
	if a.State == protocol.KindOK {
		p.digest(k, r, &a)
	}
	if p.onDigest != nil {
		if err := p.onDigest(r, &a); err != nil {
			return protocol.DigestAnswer{}, err
		}
	}
	return a, nil
}

func (p *portal) digest(k *recordKind, r protocol.DigestRequest, a *protocol.DigestAnswer) {
	d := protocol.NewDigest(r.Bits)
	var asked []uint64
	for b := r.Keys; len(b) > 0; b = b[8:] {
		asked = append(asked, binary.BigEndian.Uint64(b))
	}
	for _, x := range p.keyed(k, r, asked) {
		d.Add(x.Pair)
		switch {
		case slices.Contains(asked, x.Key):
			a.Keys = protocol.AppendKeyedPair(a.Keys, x)
		case slices.Contains(r.Buckets, d.Bucket(x.Key)):
			a.Pairs = protocol.AppendPair(a.Pairs, x.Pair)
		}
	}
	if len(r.Buckets)+len(r.Keys) > 0 {
		return
	}
	total := d.Total()
	if a.Rows, a.Sum = total.Rows, total.Sum; a.Rows != r.Rows || a.Sum != r.Sum {
		a.Buckets = d.Bytes()
	}
}

// keyed returns the rows of a kind by their key hash, mended as asked.
func (p *portal) keyed(k *recordKind, r protocol.DigestRequest, asked []uint64) []protocol.KeyedPair {
	var s *protocol.SectionSchema
	for _, known := range p.schemas {
		if known.Hash().String() == r.Schema {
			s = known
		}
	}
	var all []protocol.KeyedPair
	var h protocol.Hasher
	for key, row := range k.rows {
		values := make([]protocol.Value, len(s.Fields))
		values[s.Key[0]] = protocol.TextValue(key)
		pair, err := h.Pair(s, &protocol.Row{Op: protocol.Keep, Values: values})
		if err != nil {
			p.t.Errorf("key of the portal: %v", err)
		}
		if row.wrong {
			pair.Key++
		}
		content := row.row
		if row.name != row.sent {
			content++
		}
		if r.Mend && slices.Contains(asked, pair.Key) && content != row.row {
			row.row, row.sent = content, row.name
			k.rows[key] = row
		}
		if pair.Row = row.row; r.Content {
			pair.Row = content
		}
		all = append(all, protocol.KeyedPair{Pair: pair, Bytes: protocol.KeyBytes(s, values)})
	}
	slices.SortFunc(all, func(a, b protocol.KeyedPair) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// guard stops the kinds of which a cut deletes more than it may.
func (p *portal) guard(head protocol.Header) {
	for _, d := range head.Deletes {
		if k := p.kinds[d.Kind]; p.guardRows > 0 && d.Count > int64(p.guardRows) && k.status.State == protocol.KindOK {
			k.status = protocol.KindStatus{Kind: d.Kind, State: protocol.KindNeeded, Held: true}
		}
	}
}

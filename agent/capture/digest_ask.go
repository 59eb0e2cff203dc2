package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// question is what a comparison wants of the portal: an answer, or to be noted.
type question struct {
	of       *comparison // that asks a digest
	digest   *protocol.DigestRequest
	verified *protocol.Verification
}

// ask returns the next question, or nil.
func (c *Capture) ask() *question {
	s := c.session
	if s == nil {
		return nil
	}
	if len(c.outcomes) > 0 {
		outcome := c.outcomes[0]
		return &question{verified: &outcome}
	}
	m := s.comparing
	if m == nil {
		return nil
	}
	if m.stage == waiting && s.known >= m.after {
		m.stage, m.from, m.named = rechecking, 0, map[uint64]candidateKey{}
	}
	r := protocol.DigestRequest{
		Stream: c.cfg.Stream, Gen: s.gen, Kind: m.k.name(), Schema: m.k.Schema.Hash().String(),
		Content: m.content, Bits: m.own.Bits, From: m.from,
	}
	switch m.stage {
	case askingSums:
		total := m.own.Total()
		r.Rows, r.Sum = total.Rows, total.Sum
	case listing:
		r.Buckets = m.wanted[:min(len(m.wanted), protocol.MaxDigestBuckets)]
	case naming:
		for _, x := range m.candidates {
			if x.key == nil {
				r.Keys = binary.BigEndian.AppendUint64(r.Keys, x.hash)
			}
		}
	case rechecking, mending:
		for _, x := range m.candidates {
			r.Keys = binary.BigEndian.AppendUint64(r.Keys, x.hash)
		}
		r.Mend = m.stage == mending
	case summing, matching, placing, waiting, judging, finished:
		return nil
	}
	return &question{of: m, digest: &r}
}

// answer has a question answered.
func (c *Capture) answer(ctx context.Context, q *question) (a protocol.DigestAnswer, err error) {
	if q.verified != nil {
		return a, c.recv.Verified(ctx, protocol.VerifiedRequest{Stream: c.cfg.Stream, Verified: *q.verified})
	}
	return c.recv.Digest(ctx, *q.digest)
}

// answered takes the answer to a question of a session. An answer that does not come, or is not of the form that was
// asked for, ends the comparison and nothing else.
func (c *Capture) answered(ctx context.Context, of *session, q *question, a protocol.DigestAnswer, err error) {
	if q.verified != nil {
		var refused *protocol.Reject
		if err == nil || errors.As(err, &refused) {
			c.outcomes = c.outcomes[1:]
		}
		return
	}
	s := c.session
	if s == nil || s != of || s.comparing != q.of {
		return
	}
	m := s.comparing
	if errors.Is(err, &protocol.Reject{Code: protocol.CodeReopen}) {
		c.close(ctx, string(protocol.CodeReopen))
		return
	}
	if err == nil {
		err = c.learn(ctx, m, q.digest, a)
	}
	if err != nil {
		c.giveUp(ctx, m, err.Error())
	}
}

// learn goes on with an answer.
func (c *Capture) learn(ctx context.Context, m *comparison, r *protocol.DigestRequest, a protocol.DigestAnswer) error {
	s := c.session
	switch {
	case a.Gen != s.gen:
		return fmt.Errorf("the portal answered of generation %d", a.Gen)
	case a.State != protocol.KindOK:
		return fmt.Errorf("the kind is %s in the portal", a.State)
	}
	switch m.stage {
	case askingSums:
		portal := m.own
		if total := m.own.Total(); a.Rows != total.Rows || a.Sum != total.Sum {
			var err error
			if portal, err = protocol.ParseDigest(r.Bits, a.Buckets); err != nil {
				return err
			}
		}
		c.differing(ctx, m, portal)
		return nil
	case listing:
		return m.list(r, a)
	case naming, rechecking:
		return c.name(ctx, m, r, a)
	case mending:
		c.mend(ctx, m)
		return nil
	case summing, matching, placing, waiting, judging, finished:
	}
	return errors.New("the portal answered what was not asked")
}

// differing finds the buckets that differ and has them listed. Buckets with rows that cannot be sent always differ; of
// those, some are looked at each time, if there are many. It reports whether there is more to do.
func (c *Capture) differing(ctx context.Context, m *comparison, portal *protocol.Digest) bool {
	if !m.content && m.k.Digest == source.DigestAll {
		m.k.portal = portal
	}
	m.listed = make([]bool, len(m.own.Buckets))
	room := int64(maxListed)
	take := func(i int) bool {
		rows := int64(portal.Buckets[i].Rows)
		if room < rows {
			return false
		}
		room -= rows
		m.listed[i] = true
		m.wanted = append(m.wanted, i)
		return true
	}
	for i := range m.own.Buckets {
		if !m.dirty[i] && m.own.Buckets[i] != portal.Buckets[i] && !take(i) {
			m.tooBig = true
		}
	}
	for _, i := range rand.Perm(len(m.dirty)) {
		if m.dirty[i] {
			take(i)
		}
	}
	switch {
	case m.tooBig && m.run == nil:
		c.reload(ctx, m)
		return true
	case len(m.wanted) == 0:
		c.decide(m)
		return false
	}
	m.stage, m.pairs, m.from = listing, map[uint64]uint64{}, 0
	return true
}

// list takes the pairs of some buckets.
func (m *comparison) list(r *protocol.DigestRequest, a protocol.DigestAnswer) error {
	pairs, err := protocol.ParsePairs(a.Pairs)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if m.listed[m.own.Bucket(p.Key)] {
			m.pairs[p.Key] = p.Row
		}
	}
	if len(m.pairs) > 2*maxListed {
		return errors.New("the portal lists more than it counted")
	}
	if a.More && len(pairs) > 0 {
		m.from = pairs[len(pairs)-1].Key + 1
		return nil
	}
	m.wanted, m.from = m.wanted[len(r.Buckets):], 0
	if len(m.wanted) == 0 {
		if m.stage = matching; m.pieces != nil {
			m.choose()
		}
	}
	return nil
}

// name takes what the portal holds of the candidates.
func (c *Capture) name(ctx context.Context, m *comparison, r *protocol.DigestRequest, a protocol.DigestAnswer) error {
	keys, err := protocol.ParseKeyedPairs(a.Keys)
	if err != nil {
		return err
	}
	if m.named == nil {
		m.named = map[uint64]candidateKey{}
	}
	for _, k := range keys {
		m.named[k.Key] = candidateKey{row: k.Row, key: k.Bytes}
	}
	if len(m.named) > len(r.Keys)/8 {
		return errors.New("the portal names more than was asked")
	}
	if a.More && len(keys) > 0 {
		m.from = keys[len(keys)-1].Key + 1
		return nil
	}
	m.from = 0
	if m.stage == rechecking {
		m.stage = judging
		return nil
	}
	c.named(ctx, m)
	return nil
}

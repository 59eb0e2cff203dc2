package capture

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// Limits of one comparison. What is beyond them is not found row by row: the kind is read anew.
const (
	// maxListed is how many of the portal's hash pairs are held in memory, 16 bytes each and their map.
	maxListed = 128 << 10
	// maxCandidates is how many rows a comparison names.
	maxCandidates = protocol.MaxDigestKeys
	// compareShare bounds what comparisons cost: after one, its kind rests so many times as long as it took.
	compareShare = 10
	// confirmRounds is how often rows that change while they are looked at are looked at again.
	confirmRounds = 5
	// reloadRest is how long a kind is not read anew after a comparison has had it done.
	reloadRest = time.Hour
)

// stage is how far a comparison is. Each stage needs either a look at the main system or an answer of the portal.
type stage uint8

const (
	summing    stage = iota // reads the kind once and condenses it
	askingSums              // holds the sums against the portal's
	listing                 // asks for the hash pairs of the buckets that differ
	matching                // reads the kind again and finds the rows that differ
	naming                  // asks for the keys of the rows that only the portal has
	placing                 // a cut brings the portal to where the rows are read by key
	waiting                 // until the portal has applied it
	rechecking              // asks what the portal holds of them now
	judging                 // reads them again: what has not moved meanwhile and differs, differs
	mending                 // has the portal forget wrong hashes
	finished
)

// candidate is a row that may differ.
type candidate struct {
	hash uint64
	key  []byte // canonical; nil until the portal has named it
	have uint64 // row hash in the main system when it was last read; 0 and !there: none
	// there and keep say whether the row is in the main system, and whether it cannot be sent.
	there, keep bool
}

// comparison holds one kind against the portal, by digests. It lives in a session and is dropped with it. Nothing that
// it concludes is taken for the truth: rows that seem to differ are read again by key, in the one sequence of batches.
type comparison struct {
	k       *kind
	run     *verifyRun // nil: the kind is followed by comparisons
	content bool       // the portal makes row hashes of what its tables hold
	began   time.Time

	stage  stage
	cursor []byte
	read   int64 // rows read in this pass
	rows   int64 // of the kind
	bad    int64 // of them, rows that cannot be sent

	pieces []piece         // what the first pass met, then what of it is read again; nil reads all of the kind again
	room   int             // rows that may yet be remembered
	fresh  map[uint64]bool // rows that only the main system had, in those pieces

	own    *protocol.Digest
	dirty  []bool            // buckets with rows that cannot be sent
	listed []bool            // buckets whose pairs are held
	wanted []int             // of them, not asked for yet
	pairs  map[uint64]uint64 // what the portal holds and was not met in the main system
	from   uint64            // where the list goes on
	tooBig bool              // more differs than is listed

	candidates []candidate
	named      map[uint64]candidateKey // what the portal named
	after      protocol.Seq            // the batch that the portal must have applied
	rounds     int
	differ     []candidate // confirmed, in the last look
	found      int64       // differences, confirmed
	mended     bool        // the differing rows were sent; what differs now was not mended
	hasher     protocol.Hasher
	cells      []protocol.Value
}

// candidateKey is what the portal holds of a candidate.
type candidateKey struct {
	row uint64
	key []byte
}

// looks reports whether the comparison needs a look at the main system.
func (m *comparison) looks(s *session) bool {
	switch m.stage {
	case summing, matching, judging:
		return true
	case waiting:
		return false
	case placing:
		return s.readable()
	case askingSums, listing, naming, rechecking, mending, finished:
	}
	return false
}

// compare does one piece of a comparison that needs the main system, beginning one that is due. It reports whether there
// is more to do at once. What it cannot read ends the comparison and holds up nothing else.
func (c *Capture) compare(ctx context.Context, tx source.Tx, st source.State) (worked bool) {
	s := c.session
	if m := s.comparing; m != nil && (m.k.phase != following || m.k.out) {
		c.giveUp(ctx, m, isReadAnew)
	}
	if s.comparing == nil && !c.beginComparison(st) {
		return false
	}
	m := s.comparing
	if m.k.resting() {
		return false
	}
	var err error
	switch m.stage {
	case summing:
		worked, err = c.sum(ctx, tx, m)
	case matching:
		worked, err = c.match(ctx, tx, m)
	case judging:
		worked, err = c.judgeCandidates(ctx, tx, m)
	case askingSums, listing, naming, placing, waiting, rechecking, mending, finished:
	}
	if err != nil {
		c.giveUp(ctx, m, err.Error())
		return false
	}
	return worked
}

// isReadAnew is why a comparison is given up whose kind is no longer followed.
const isReadAnew = "the kind is being read anew"

// beginComparison begins what is due: a verification that was asked for goes first.
func (c *Capture) beginComparison(st source.State) bool {
	s := c.session
	if k, run := c.nextToVerify(); k != nil {
		s.comparing = c.newComparison(k, run, st)
		return true
	}
	now := time.Now()
	for _, k := range s.kinds {
		if k.Digest == source.DigestNone || k.resting() || k.phase != following || k.out || len(k.extras) > 0 || k.sentSeq > s.known {
			continue
		}
		if !c.stepping && now.Before(k.compareAt) || c.stepping && k.compared {
			continue
		}
		s.comparing = c.newComparison(k, nil, st)
		return true
	}
	for _, k := range s.kinds {
		k.compared = false // all were: whoever steps on wants another round
	}
	return false
}

func (c *Capture) newComparison(k *kind, run *verifyRun, st source.State) *comparison {
	rows := st.Kinds[k.name()].Estimate
	if k.portal != nil {
		rows = int64(k.portal.Total().Rows)
	}
	own := protocol.NewDigest(protocol.DigestBits(rows))
	m := &comparison{k: k, run: run, content: run != nil, began: time.Now(), own: own, dirty: make([]bool, len(own.Buckets))}
	if rows <= int64(c.cfg.CompareRows) {
		m.pieces, m.room = []piece{}, c.cfg.CompareRows
	}
	return m
}

// end finishes a comparison that came to its end.
func (c *Capture) end(m *comparison) {
	m.stage = finished
	c.session.comparing = nil
	m.k.compared = true
	m.k.compareAt = time.Now().Add(max(c.compareInterval(m.k.Kind), compareShare*time.Since(m.began)))
	if m.run == nil {
		return
	}
	if before := m.run.before; before > 0 && !m.tooBig && (m.found == 0 || m.mended) {
		m.found, m.tooBig, m.mended = max(before, m.found), true, true
	}
	c.verified(m.run, protocol.Verification{
		Kind: m.k.name(), At: c.portalMillis(time.Now()), Position: c.session.read, Rows: m.rows, Differences: m.found,
		AtLeast: m.tooBig, Mended: m.mended, Unreadable: m.bad,
	})
}

// compareInterval returns the time between two comparisons that follow a kind.
func (c *Capture) compareInterval(k source.Kind) time.Duration {
	if k.Digest == source.DigestDeletes {
		return spread(c.cfg.Deletes)
	}
	return c.interval(k)
}

// giveUp drops a comparison that cannot go on. It is begun again later; a verification tries a few times.
func (c *Capture) giveUp(ctx context.Context, m *comparison, why string) {
	c.log.DebugContext(ctx, "comparison given up", "kind", m.k.name(), "cause", why)
	c.session.comparing = nil
	m.k.compareAt = time.Now().Add(max(c.compareInterval(m.k.Kind), shortestPause))
	m.k.compared = true
	if m.run != nil {
		c.interrupted(m.run, why)
	}
}

// pair returns the hashes that the portal would hold of a row; keep says that the row cannot be sent. A row of which not
// even the key can be sent is in no digest: ok is false.
func (c *Capture) pair(m *comparison, r *protocol.Row) (p protocol.Pair, keep, ok bool, err error) {
	sent := r
	if len(m.k.documents) > 0 && r.Op != protocol.Keep && r.Op != protocol.Delete {
		if sent, keep, err = c.nameDocuments(m.k, &m.cells, r, nil); err != nil {
			return p, false, false, err
		}
	}
	if !keep && r.Op != protocol.Keep {
		if p, err = m.hasher.Pair(m.k.Schema, sent); err == nil {
			return p, false, true, nil
		}
	}
	key := protocol.Row{Op: protocol.Keep, Values: make([]protocol.Value, len(r.Values))}
	for _, i := range m.k.Schema.Key {
		key.Values[i] = r.Values[i]
	}
	p, err = m.hasher.Pair(m.k.Schema, &key)
	return p, true, err == nil, nil
}

// pass reads the next piece of the kind and calls met for every row that has a key. It reports whether the kind ends.
func (c *Capture) pass(ctx context.Context, tx source.Tx, m *comparison, met func(p protocol.Pair, keep bool, r *protocol.Row)) (done bool, err error) {
	var failure error
	limit := protocol.MaxBatchRows
	if len(m.k.documents) > 0 {
		limit = documentChunk
	}
	last, done, err := tx.Chunk(ctx, m.k.name(), m.cursor, limit, func(r *protocol.Row) error {
		p, keep, ok, err := c.pair(m, r)
		if err != nil {
			failure = err
			return err
		}
		m.read++
		if ok {
			met(p, keep, r)
		}
		return nil
	})
	if failure != nil {
		return false, failure
	}
	if err != nil {
		return false, &sourceError{fmt.Errorf("compare %s: %w", m.k.name(), err)}
	}
	m.cursor = last
	if m.run != nil {
		m.run.tell(VerifyNews{Kind: m.k.name(), Rows: m.read, Total: cmp.Or(m.rows, m.k.total), Second: m.stage == matching})
	}
	return done, nil
}

// sum condenses the next piece of the kind.
func (c *Capture) sum(ctx context.Context, tx source.Tx, m *comparison) (bool, error) {
	if m.pieces != nil {
		m.pieces = append(m.pieces, piece{after: m.cursor})
	}
	done, err := c.pass(ctx, tx, m, func(p protocol.Pair, keep bool, _ *protocol.Row) {
		if m.pieces != nil {
			m.hold(p, keep)
		}
		if keep {
			m.bad++
			m.dirty[m.own.Bucket(p.Key)] = true
			return
		}
		m.own.Add(p)
	})
	if err != nil || !done {
		return err == nil, err
	}
	m.rows, m.read, m.cursor = m.read, 0, nil
	if portal := m.k.portal; portal != nil && !m.content && portal.Bits == m.own.Bits {
		return c.differing(ctx, m, portal), nil
	}
	m.stage = askingSums
	return true, nil
}

// match compares the next piece of the kind, row by row, with what the portal listed.
func (c *Capture) match(ctx context.Context, tx source.Tx, m *comparison) (bool, error) {
	if m.pieces == nil {
		done, err := c.matchPiece(ctx, tx, m)
		if err != nil || !done {
			return err == nil, err
		}
		return c.matched(ctx, m), nil
	}
	if len(m.pieces) > 0 {
		m.cursor = m.pieces[0].after
		m.pieces = m.pieces[1:]
		_, err := c.matchPiece(ctx, tx, m)
		return err == nil, err
	}
	if len(m.fresh) > 0 {
		m.relist()
		return true, nil
	}
	return c.matched(ctx, m), nil
}

func (c *Capture) matchPiece(ctx context.Context, tx source.Tx, m *comparison) (done bool, err error) {
	return c.pass(ctx, tx, m, func(p protocol.Pair, keep bool, r *protocol.Row) {
		if !m.listed[m.own.Bucket(p.Key)] {
			return
		}
		had, ok := m.pairs[p.Key]
		delete(m.pairs, p.Key)
		delete(m.fresh, p.Key)
		if keep || ok && had == p.Row {
			return
		}
		if m.run == nil && m.k.Digest == source.DigestDeletes && len(m.candidates) >= maxCandidates/2 {
			return // what differs and is there mostly comes with the kind's cuts; the next comparison names the rest
		}
		m.add(candidate{hash: p.Key, key: protocol.KeyBytes(m.k.Schema, r.Values), have: p.Row, there: true})
	})
}

// matched goes on when every row was compared: what the portal has beside them, only it has. It reports whether there is
// more to do at once.
func (c *Capture) matched(ctx context.Context, m *comparison) bool {
	m.cursor = nil
	for hash := range m.pairs {
		m.add(candidate{hash: hash})
	}
	m.pairs = nil
	m.stage = naming
	for _, x := range m.candidates {
		if x.key == nil {
			return true
		}
	}
	return c.named(ctx, m)
}

// add notes a candidate, or that there are too many. What was sent already and did not help is not sent again.
func (m *comparison) add(x candidate) {
	if m.futile(x.hash, x.have) {
		return
	}
	if len(m.candidates) >= maxCandidates {
		m.tooBig = true
		return
	}
	m.candidates = append(m.candidates, x)
}

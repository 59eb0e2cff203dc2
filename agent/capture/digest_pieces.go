package capture

import "lessor.dk/portalsync/protocol"

// piece is what the first pass of a comparison met in one chunk: where the chunk began, and the pairs of its rows. Rows
// that cannot be sent have their key hash alone.
type piece struct {
	after []byte
	pairs []protocol.Pair
	kept  []uint64
}

// hold remembers what the first pass meets, unless the kind has more rows than is remembered.
func (m *comparison) hold(p protocol.Pair, keep bool) {
	if m.room--; m.room < 0 {
		m.pieces = nil
		return
	}
	last := &m.pieces[len(m.pieces)-1]
	if keep {
		last.kept = append(last.kept, p.Key)
		return
	}
	last.pairs = append(last.pairs, p)
}

// choose leaves, of the pieces, those with a row that may differ: only they are read a second time. What the portal holds
// of the others is what was met.
func (m *comparison) choose() {
	m.fresh = map[uint64]bool{}
	again := m.pieces[:0]
	for _, p := range m.pieces {
		if m.differsIn(p) {
			again = append(again, p)
			continue
		}
		for _, x := range p.pairs {
			delete(m.pairs, x.Key)
		}
		for _, key := range p.kept {
			delete(m.pairs, key)
		}
	}
	clear(m.pieces[len(again):])
	m.pieces = again
}

func (m *comparison) differsIn(p piece) (differs bool) {
	for _, x := range p.pairs {
		if !m.listed[m.own.Bucket(x.Key)] {
			continue
		}
		had, ok := m.pairs[x.Key]
		if ok && had == x.Row || m.futile(x.Key, x.Row) {
			continue
		}
		if differs = true; !ok && len(m.fresh) < maxCandidates {
			m.fresh[x.Key] = true
		}
	}
	return differs
}

// futile reports whether a row that differs was sent already and that did not help. A verification names it all the same.
func (m *comparison) futile(key, row uint64) bool {
	sent, ok := m.k.futile[key]
	return ok && m.run == nil && sent == row
}

// relist has the portal asked again, and the whole kind read again: a row that only the main system had was not where it
// was met before, and may have moved.
func (m *comparison) relist() {
	m.stage, m.pairs, m.from, m.candidates, m.tooBig, m.read, m.cursor = listing, map[uint64]uint64{}, 0, nil, false, 0, nil
	m.pieces, m.fresh = nil, nil
	for i, listed := range m.listed {
		if listed {
			m.wanted = append(m.wanted, i)
		}
	}
}

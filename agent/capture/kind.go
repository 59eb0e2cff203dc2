package capture

import (
	"cmp"
	"slices"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// phase is what the agent does about one record kind in its generation.
type phase uint8

const (
	needed    phase = iota // left out of cuts until a snapshot begins
	running                // its snapshot's chunks are read, and cuts cover it
	ending                 // its last chunk was read: the next cut carries the end
	following              // cuts cover it
	suspended              // left out of cuts until the portal releases it
)

// largeKind is how many rows make a kind large: small kinds are loaded before large ones, so that
// a kind of a thousand rows never waits for one of millions.
const largeKind = 10 * protocol.MaxBatchRows

// documentChunk is how many rows one chunk of a kind with documents holds: each may be an upload,
// and the source's transaction is open meanwhile.
const documentChunk = 32

// documentCut is how many documents one cut holds, for the same reason; more become a snapshot.
const documentCut = 500

// kind is one planned record kind within a generation.
type kind struct {
	source.Kind
	order     int   // place in the plan, parents first
	documents []int // places of document fields in a row

	phase    phase
	out      bool      // the source cannot read it just now (drift)
	quiet    time.Time // until when the plan has it left alone; zero when it has not
	snapshot protocol.SnapshotID
	epoch    string // of the source's table when the snapshot began
	lastKey  []byte
	limit    int   // rows of the next chunk
	rows     int64 // of the snapshot, read so far by this generation
	total    int64 // of the kind, about

	extras    [][]protocol.Value // keys of rows that the next cut carries beside what changed
	compareAt time.Time          // when a kind that is followed by comparisons is compared next
	compared  bool               // by a step, which knows no times
	portal    *protocol.Digest   // what the portal holds, as long as nothing is sent; nil unknown
	futile    map[uint64]uint64  // rows that were sent and did not help: row hash by key hash
	reloaded  time.Time          // when a comparison last had the kind read anew

	sentSeq protocol.Seq // of the last batch that changed the portal's status of the kind; 0 none
}

func (k *kind) name() string { return k.Record.Name }

// covered reports whether a cut covers the kind.
func (k *kind) covered() bool {
	return k.phase == running || k.phase == ending || k.phase == following
}

// need makes a snapshot necessary, under a new id.
func (k *kind) need() {
	if k.phase != suspended {
		k.phase, k.lastKey = needed, nil
		k.extras, k.portal = nil, nil
	}
}

// adopt takes over what the portal says of the kind at OPEN. The end of a snapshot that was received is
// final: its sweep is the portal's own affair.
func (k *kind) adopt(told protocol.KindStatus) {
	k.epoch = told.Epoch
	switch told.State {
	case protocol.KindRunning:
		k.phase, k.snapshot, k.lastKey = running, told.Snapshot, told.LastKey
	case protocol.KindSweeping, protocol.KindOK:
		k.phase = following
	case protocol.KindSuspended:
		k.phase = suspended
	case protocol.KindNeeded:
		k.phase = needed
	}
}

// byLoad compares kinds by the order in which they are loaded.
func byLoad(a, b *kind) int {
	large := func(k *kind) int {
		if k.total > largeKind {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(large(a), large(b)), cmp.Compare(a.order, b.order))
}

// loadable returns the kinds that are needed or running, in the order in which they are loaded.
func (s *session) loadable() []*kind {
	var kinds []*kind
	for _, k := range s.kinds {
		if !k.out && !k.resting() && (k.phase == needed || k.phase == running) {
			kinds = append(kinds, k)
		}
	}
	slices.SortFunc(kinds, byLoad)
	return kinds
}

// toBegin returns the kind whose snapshot begins with the next cut, or nil: the first needed one,
// unless a kind that comes before it is being loaded. So one snapshot runs at a time, but a small
// kind, or a parent, that becomes needed during a long load does not wait for its end.
func (s *session) toBegin() *kind {
	if kinds := s.loadable(); len(kinds) > 0 && kinds[0].phase == needed {
		return kinds[0]
	}
	return nil
}

// toLoad returns the kind whose chunk is read next, or nil.
func (s *session) toLoad() *kind {
	for _, k := range s.loadable() {
		if k.phase == running {
			return k
		}
	}
	return nil
}

package ingest

import (
	"hash/maphash"
	"sync"
	"time"

	"lessor.dk/portalsync/protocol"
)

// offerAgain is how long an agent that was offered something and has not taken it is left to wait before the
// same offer is news again. Without it a main system that is down turns the long poll into a busy loop.
const offerAgain = 5 * time.Second

// offers remembers, per stream with something on offer, what was offered last. Losing it costs one answer.
type offers struct {
	seed maphash.Seed
	mu   sync.Mutex
	last map[protocol.StreamID]offer
}

type offer struct {
	what uint64
	at   time.Time
}

func newOffers() *offers {
	return &offers{seed: maphash.MakeSeed(), last: map[protocol.StreamID]offer{}}
}

// fresh reports whether an answer's reports and rereads are news for the stream's agent.
func (o *offers) fresh(stream protocol.StreamID, a *protocol.CheckInAnswer, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(a.Reports)+len(a.Reread) == 0 {
		delete(o.last, stream)
		return false
	}
	var h maphash.Hash
	h.SetSeed(o.seed)
	for _, r := range a.Reports {
		h.WriteString(string(r.ID))
		h.WriteByte(0)
	}
	for _, r := range a.Reread {
		maphash.WriteComparable(&h, r.ID)
	}
	what := h.Sum64()
	if last := o.last[stream]; last.what == what && now.Sub(last.at) < offerAgain {
		return false
	}
	o.last[stream] = offer{what, now}
	return true
}

package writer

import (
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
)

// lane is the order of one stream's batches within a shard. A batch that has to wait holds up those behind
// it, and nobody else's.
type lane struct {
	tenant   protocol.TenantID
	entries  []queue.Entry
	taken    int // how many of entries are being prepared
	notYet   time.Time
	attempt  int
	restarts int // counts the times that prepared batches of this lane were thrown away
}

// Waiting grows from firstWait, doubling, to longestWait.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
)

// backlog is what a shard has read and not finished, in order per stream, tenants in turn.
type backlog struct {
	lanes map[protocol.StreamID]*lane
	turn  []protocol.StreamID // the next to serve first
	known map[string]struct{} // ids of all entries
}

func newBacklog() *backlog {
	return &backlog{lanes: map[protocol.StreamID]*lane{}, known: map[string]struct{}{}}
}

// add appends what was read; entries that are here already came again with a rewind of the reader.
func (b *backlog) add(entries []queue.Entry) {
	for _, e := range entries {
		if _, ok := b.known[e.ID()]; ok {
			continue
		}
		b.known[e.ID()] = struct{}{}
		l := b.lanes[e.Stream]
		if l == nil {
			l = &lane{tenant: e.Tenant}
			b.lanes[e.Stream] = l
			b.turn = append(b.turn, e.Stream)
		}
		l.entries = append(l.entries, e)
	}
}

// task is a batch on its way through prepare and settle.
type task struct {
	entry queue.Entry
	lane  *lane
	start int // lane.restarts when it was taken
}

// pick takes the next batch of the stream whose turn it is; nil when none is ready.
func (b *backlog) pick(now time.Time) *task {
	for i, stream := range b.turn {
		l := b.lanes[stream]
		if l.taken == len(l.entries) || now.Before(l.notYet) {
			continue
		}
		b.turn = append(append(b.turn[:i:i], b.turn[i+1:]...), stream)
		return l.take()
	}
	return nil
}

func (l *lane) take() *task {
	t := &task{entry: l.entries[l.taken], lane: l, start: l.restarts}
	l.taken++
	return t
}

// waiting returns the streams that have a batch and none taken, whether or not it is to wait.
func (b *backlog) waiting() []*lane {
	var all []*lane
	for _, stream := range b.turn {
		if l := b.lanes[stream]; l.taken == 0 {
			all = append(all, l)
		}
	}
	return all
}

// finished forgets a batch that is applied or dropped.
func (b *backlog) finished(t *task) {
	l := t.lane
	delete(b.known, t.entry.ID())
	l.entries = l.entries[1:]
	l.taken--
	l.attempt, l.notYet = 0, time.Time{}
	if len(l.entries) > 0 {
		return
	}
	delete(b.lanes, t.entry.Stream)
	for i, stream := range b.turn {
		if stream == t.entry.Stream {
			b.turn = append(b.turn[:i], b.turn[i+1:]...)
			break
		}
	}
}

// again puts a batch, and those taken after it, back to be tried later.
func (b *backlog) again(t *task, now time.Time) {
	l := t.lane
	l.taken, l.restarts = 0, l.restarts+1
	wait := min(firstWait<<min(l.attempt, 10), longestWait)
	l.attempt++
	l.notYet = now.Add(wait)
}

// stale reports whether a batch was put back after it was taken.
func (t *task) stale() bool { return t.start != t.lane.restarts }

// size is the number of batches held.
func (b *backlog) size() int { return len(b.known) }

// ready reports whether pick would find a batch.
func (b *backlog) ready(now time.Time) bool {
	for _, l := range b.lanes {
		if l.taken < len(l.entries) && !now.Before(l.notYet) {
			return true
		}
	}
	return false
}

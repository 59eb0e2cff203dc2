package capture_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
)

// portal is the hosted side in memory, as the protocol's part 3 specifies ingest and writer.
type portal struct {
	t  *testing.T
	mu sync.Mutex

	gen      protocol.Generation
	applied  protocol.Seq
	lineage  protocol.Lineage
	position protocol.Position
	held     string
	kinds    map[string]*recordKind
	schemas  map[protocol.SchemaHash]*protocol.SectionSchema
	emptied  []string // kinds that held no row after a delete
	rereads  []protocol.Reread
	blobs    map[string]string
	reports  []protocol.SealedReport

	queueGen protocol.Generation
	enqueued protocol.Seq
	queue    []protocol.StreamHeader
	bodies   map[protocol.StreamHeader][]byte
	lazy     bool // queued batches wait for apply

	opens    []protocol.OpenRequest
	headers  []protocol.Header // of every batch that arrived, repeats included
	arrived  []time.Time
	checkIns []protocol.CheckInRequest
	news     chan struct{}

	onBatch   func(h protocol.StreamHeader) error // before the queue
	onAnswer  func(h protocol.StreamHeader) error // after the queue
	onCheckIn func(a *protocol.CheckInAnswer) error
	onOpen    func() error
	onBlob    func() error
	onDigest  func(r protocol.DigestRequest, a *protocol.DigestAnswer) error

	digests   []protocol.DigestRequest
	outcomes  []protocol.Verification
	refuses   map[string]bool // keys whose rows the portal does not take
	guardRows int             // a cut that deletes more rows of a kind than this is stopped; 0 is no guard
}

type recordKind struct {
	status protocol.KindStatus
	rows   map[string]portalRow
}

type portalRow struct {
	name     string
	snapshot protocol.SnapshotID
	row      uint64 // hash, as it came
	sent     string // the name that the hash was made with
	wrong    bool   // it is kept under a key hash that is not its key's
}

func newPortal(t *testing.T) *portal {
	t.Helper()
	return &portal{
		t: t, gen: 100, kinds: map[string]*recordKind{}, schemas: map[protocol.SchemaHash]*protocol.SectionSchema{},
		bodies: map[protocol.StreamHeader][]byte{}, blobs: map[string]string{}, news: make(chan struct{}),
	}
}

func (p *portal) Open(_ context.Context, r protocol.OpenRequest) (protocol.OpenAnswer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opens = append(p.opens, r)
	if p.onOpen != nil {
		if err := p.onOpen(); err != nil {
			return protocol.OpenAnswer{}, err
		}
	}
	p.gen++
	p.applied = 0
	for _, s := range r.Schemas {
		prepared := protocol.PrepareSchema(s)
		p.schemas[prepared.Hash()] = prepared
		if p.kinds[s.Kind] == nil {
			p.kinds[s.Kind] = &recordKind{
				status: protocol.KindStatus{Kind: s.Kind, State: protocol.KindNeeded}, rows: map[string]portalRow{},
			}
		}
	}
	p.tell()
	return protocol.OpenAnswer{Gen: p.gen, Lineage: p.lineage, Position: p.position, Kinds: p.statuses()}, nil
}

func (p *portal) statuses() []protocol.KindStatus {
	var all []protocol.KindStatus
	for _, k := range p.kinds {
		all = append(all, k.status)
	}
	slices.SortFunc(all, func(a, b protocol.KindStatus) int { return cmpString(a.Kind, b.Kind) })
	return all
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (p *portal) Batch(_ context.Context, h protocol.StreamHeader, encoded []byte) (protocol.BatchAnswer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(encoded)
	if p.onBatch != nil {
		if err := p.onBatch(h); err != nil {
			return protocol.BatchAnswer{}, err
		}
	}
	if h.Gen != p.gen {
		return protocol.BatchAnswer{}, &protocol.Reject{Code: protocol.CodeReopen}
	}
	if p.queueGen != p.gen {
		p.queueGen, p.enqueued = p.gen, 0
	}
	p.enqueued = max(p.enqueued, p.applied)
	if h.Seq > p.enqueued+1 {
		return protocol.BatchAnswer{}, &protocol.Reject{Code: protocol.CodeGap, Expected: p.enqueued + 1}
	}
	a := protocol.BatchAnswer{Duplicate: h.Seq <= p.enqueued}
	if !a.Duplicate {
		p.enqueued = h.Seq
		p.queue = append(p.queue, h)
		p.bodies[h] = encoded
		if !p.lazy {
			p.drain()
		}
	}
	a.AppliedSeq = p.applied
	if p.onAnswer != nil {
		if err := p.onAnswer(h); err != nil {
			return protocol.BatchAnswer{}, err
		}
	}
	return a, nil
}

// note keeps the header of a batch that arrived.
func (p *portal) note(encoded []byte) {
	d, err := protocol.NewDecoder(encoded, p.schema)
	if err != nil {
		p.t.Errorf("batch cannot be decoded: %v", err)
		return
	}
	p.headers = append(p.headers, d.Header())
	p.arrived = append(p.arrived, time.Now())
}

func (p *portal) schema(h protocol.SchemaHash) (*protocol.SectionSchema, bool) {
	s, ok := p.schemas[h]
	return s, ok
}

// apply applies what waits in the queue.
func (p *portal) apply() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drain()
}

// applyFirst applies all but the last batch in the queue.
func (p *portal) applyFirst() {
	for len(p.queue) > 1 {
		p.write(p.queue[0])
		p.queue = p.queue[1:]
	}
}

func (p *portal) drain() {
	for _, h := range p.queue {
		p.write(h)
		delete(p.bodies, h)
	}
	p.queue = nil
	p.tell()
}

func (p *portal) tell() {
	close(p.news)
	p.news = make(chan struct{})
}

// write is the writer: one batch, one transaction.
func (p *portal) write(h protocol.StreamHeader) {
	if h.Gen != p.gen || h.Seq != p.applied+1 || p.held != "" {
		return
	}
	d, err := protocol.NewDecoder(p.bodies[h], p.schema)
	if err != nil {
		p.t.Errorf("decode: %v", err)
		return
	}
	head := d.Header()
	rebase := head.Chunk == nil && len(head.Covers) == 0
	if head.Lineage != p.lineage && !rebase || head.Lineage == p.lineage && head.From > p.position {
		p.held = fmt.Sprintf("batch %d of lineage %s from %d does not fit %s %d", head.Seq, head.Lineage, head.From, p.lineage, p.position)
		p.t.Error(p.held)
		return
	}
	if head.Chunk == nil {
		p.guard(head)
	}
	p.rows(d, head)
	p.applied++
	if head.Chunk != nil {
		p.chunk(head.Chunk)
	} else if head.Last {
		p.cut(head)
	}
}

func (p *portal) rows(d *protocol.Decoder, head protocol.Header) {
	for {
		s, n, err := d.NextSection()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.t.Errorf("section: %v", err)
			return
		}
		k := p.kinds[s.Kind]
		for range n {
			var r protocol.DecodedRow
			if err := d.Row(&r); err != nil {
				p.t.Errorf("row: %v", err)
				return
			}
			p.row(k, s, &r, head)
		}
	}
}

func (p *portal) row(k *recordKind, s *protocol.SectionSchema, r *protocol.DecodedRow, head protocol.Header) {
	if k.status.State == protocol.KindNeeded || k.status.State == protocol.KindSuspended {
		return
	}
	if c := head.Chunk; c != nil && c.Snapshot != 0 && c.Snapshot != k.status.Snapshot {
		return
	}
	key := string([]byte(r.Values[s.Key[0]].S))
	if p.refuses[key] {
		return // a dead letter
	}
	if row, ok := k.rows[key]; r.Op == protocol.Keep {
		if row.snapshot = k.status.Snapshot; ok {
			k.rows[key] = row
		}
		return
	}
	if r.Op != protocol.Delete {
		name := string([]byte(nameOf(s, r.Values)))
		if row, ok := k.rows[key]; ok && row.row == r.RowHash {
			name = row.name // an unchanged row is not rewritten
		}
		k.rows[key] = portalRow{name: name, snapshot: k.status.Snapshot, row: r.RowHash, sent: string([]byte(nameOf(s, r.Values)))}
		return
	}
	if k.status.State == protocol.KindRunning {
		if row, ok := k.rows[key]; ok {
			row.snapshot = 0
			k.rows[key] = row
		}
		return
	}
	delete(k.rows, key)
	if len(k.rows) == 0 {
		p.emptied = append(p.emptied, k.status.Kind)
	}
}

func (p *portal) chunk(c *protocol.Chunk) {
	k := p.kinds[c.Kind]
	if k.status.State == protocol.KindRunning && k.status.Snapshot == c.Snapshot {
		k.status.LastKey = c.LastKey
	}
	p.rereads = slices.DeleteFunc(p.rereads, func(r protocol.Reread) bool { return slices.Contains(c.Rereads, r.ID) })
}

func (p *portal) cut(head protocol.Header) {
	p.lineage, p.position = head.Lineage, head.To
	for _, b := range head.Begin {
		if k := p.kinds[b.Kind]; k.status.State != protocol.KindSuspended {
			k.status = protocol.KindStatus{Kind: b.Kind, State: protocol.KindRunning, Snapshot: b.Snapshot, Epoch: b.Epoch, Held: k.status.Held}
		}
	}
	for _, e := range head.End {
		k := p.kinds[e.Kind]
		if k.status.State != protocol.KindRunning || k.status.Snapshot != e.Snapshot {
			continue
		}
		if k.status.Held {
			k.status.State = protocol.KindSweeping
			continue
		}
		for key, row := range k.rows {
			if row.snapshot != e.Snapshot {
				delete(k.rows, key)
			}
		}
		k.status = protocol.KindStatus{Kind: e.Kind, State: protocol.KindOK, Epoch: k.status.Epoch}
	}
	for name, k := range p.kinds {
		begun := slices.ContainsFunc(head.Begin, func(b protocol.Begin) bool { return b.Kind == name })
		if !begun && !slices.Contains(head.Covers, name) && k.status.State != protocol.KindSuspended {
			k.status = protocol.KindStatus{Kind: name, State: protocol.KindNeeded, Held: k.status.Held}
		}
	}
}

func (p *portal) CheckIn(ctx context.Context, r protocol.CheckInRequest) (protocol.CheckInAnswer, error) {
	p.mu.Lock()
	p.checkIns = append(p.checkIns, r)
	until := time.Now().Add(time.Duration(r.WaitMillis) * time.Millisecond)
	for !p.differs(r) && time.Now().Before(until) {
		news := p.news
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return protocol.CheckInAnswer{}, ctx.Err()
		case <-news:
		case <-time.After(time.Until(until)):
		}
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	a := protocol.CheckInAnswer{
		Gen: p.gen, AppliedSeq: p.applied, Lineage: p.lineage, Position: p.position, Kinds: p.statuses(),
		Reread: slices.Clone(p.rereads), Reports: p.reports,
	}
	if p.queueGen == p.gen {
		a.Enqueued, a.Queued = p.enqueued, len(p.queue)
	}
	if p.onCheckIn != nil {
		if err := p.onCheckIn(&a); err != nil {
			return protocol.CheckInAnswer{}, err
		}
	}
	return a, nil
}

func (p *portal) differs(r protocol.CheckInRequest) bool {
	return r.Gen != p.gen || r.AppliedSeq != p.applied || r.KindsHash != protocol.HashKinds(p.statuses()) ||
		len(p.rereads) > 0 || len(p.reports) > 0
}

func (p *portal) PutBlob(_ context.Context, content []byte) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.onBlob != nil {
		if err := p.onBlob(); err != nil {
			return "", err
		}
	}
	name := fmt.Sprintf("%064x", content)[:64]
	p.blobs[name] = string(content)
	return name, nil
}

package capture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// session is everything the agent knows within one generation. Dropping it is CLOSED.
type session struct {
	gen       protocol.Generation
	next      protocol.Seq // of the next batch read
	known     protocol.Seq // applied, as any answer said
	accepted  protocol.Seq // last seq that an answer called queued
	lineage   protocol.Lineage
	read      protocol.Position // of the last cut read
	window    window
	kinds     []*kind
	told      told
	snapshots int // begun in this generation

	drain   bool      // a cut needs the whole window: read nothing until it is empty
	moved   time.Time // when applied last moved, or the window last began to fill
	lastCut time.Time

	comparing *comparison // of one kind with the portal; nil when none is under way

	rereads []protocol.Reread      // asked for and not read yet
	asked   map[int64]protocol.Seq // rereads in the window, by the batch that answers them
}

func newSession(planned []source.Kind, a protocol.OpenAnswer, now time.Time) *session {
	s := &session{
		gen:     a.Gen,
		next:    1,
		lineage: a.Lineage,
		read:    a.Position,
		told:    told{lineage: a.Lineage, position: a.Position, kinds: a.Kinds},
		moved:   now,
		lastCut: now,
		asked:   map[int64]protocol.Seq{},
	}
	for i, p := range planned {
		k := &kind{Kind: p, order: i, documents: documents(p), limit: protocol.MaxBatchRows}
		if len(k.documents) > 0 {
			k.limit = documentChunk
		}
		k.adopt(s.told.state(k.name()))
		s.kinds = append(s.kinds, k)
	}
	return s
}

// open asks the portal for a generation. ● Only the portal's answer says where to read from.
func (c *Capture) open(ctx context.Context) error {
	st, err := c.look(ctx)
	if err != nil {
		return err
	}
	r := protocol.OpenRequest{
		Stream:    c.cfg.Stream,
		BootNonce: c.cfg.BootNonce,
		Gen:       c.gen,
		InstallID: c.cfg.InstallID,
		Lineage:   st.Lineage,
		Position:  st.Position,
		Protocol:  protocol.Version,
		Agent:     c.cfg.Version,
		Platform:  c.cfg.Platform,
		Plan:      c.cfg.Plan,
	}
	for _, k := range c.planned {
		r.Schemas = append(r.Schemas, k.Schema.Schema)
	}
	c.opens++
	a, err := c.recv.Open(ctx, r)
	if err != nil {
		return fmt.Errorf("open stream %d: %w", c.cfg.Stream, err)
	}
	c.gen = a.Gen
	c.session = newSession(c.planned, a, time.Now())
	clear(c.polls)
	c.status.clear(areaPortal)
	c.log.InfoContext(ctx, "opened", "gen", int64(a.Gen), "from", int64(a.Position))
	return nil
}

// look reads only the source's state.
func (c *Capture) look(ctx context.Context) (source.State, error) {
	tx, err := c.begin(ctx)
	if err != nil {
		return source.State{}, err
	}
	st := tx.State()
	return st, tx.Close()
}

// begin starts a source transaction and notes that the main system could be seen.
func (c *Capture) begin(ctx context.Context) (source.Tx, error) {
	tx, err := c.src.Begin(ctx)
	if err != nil {
		return nil, &sourceError{fmt.Errorf("look at the main system: %w", err)}
	}
	c.status.saw(tx.State().At)
	return tx, nil
}

// close drops the generation: what the window holds is read again from the checkpoint.
func (c *Capture) close(ctx context.Context, why string) {
	if c.session == nil {
		return
	}
	c.log.InfoContext(ctx, "closed", "cause", why, "gen", int64(c.session.gen), "attempt", c.opens)
	c.session = nil
}

// applied notes that the portal has applied everything up to seq.
func (c *Capture) applied(seq protocol.Seq) {
	s := c.session
	if seq <= s.known {
		return
	}
	s.known, s.moved, c.opens = seq, time.Now(), 0
	s.window.applied(seq)
	s.drain = s.drain && !s.window.empty()
	for id, answered := range s.asked {
		if answered <= seq {
			delete(s.asked, id)
		}
	}
}

// add puts read batches into the window.
func (s *session) add(batches []batch) {
	if s.window.empty() {
		s.moved = time.Now()
	}
	s.window.add(batches...)
	s.next += protocol.Seq(len(batches))
}

// Waits after a refusal or an error.
const (
	shortestPause = time.Second
	longestPause  = 5 * time.Minute
	verdictPause  = 30 * time.Second // after a signed refusal that only a person can lift
)

// pause returns how long to wait before the attempt-th try after the first: 1 s doubling to 5 min,
// and of that a random half to all, so that a thousand agents do not come back together.
func pause(attempt int) time.Duration {
	d := min(shortestPause<<min(attempt, 10), longestPause)
	return d/2 + rand.N(d/2)
}

// pauseAfter returns how long to wait after err.
func pauseAfter(err error, attempt int) time.Duration {
	var reject *protocol.Reject
	if !errors.As(err, &reject) {
		return pause(attempt)
	}
	if reject.RetryAfter > 0 {
		return min(reject.Wait(), time.Hour)
	}
	byAPerson := []protocol.Code{
		protocol.CodeSuspended, protocol.CodePending, protocol.CodeRevoked, protocol.CodeForbidden, protocol.CodeUnknownKey,
	}
	if slices.Contains(byAPerson, reject.Code) {
		return verdictPause + rand.N(verdictPause)
	}
	return pause(attempt)
}

package writer

import (
	"context"
	"errors"
	"slices"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// errMissing reports documents that rows name and that are not here.
var errMissing = errors.New("documents are not here yet")

// applying is one batch in one transaction.
type applying struct {
	w       *Writer
	p       *prepared
	tx      *store.StreamTx
	guard   guard
	careful bool // the database refused a row: find which
	total   store.Applied
	letters int
	ended   []string // kinds that began to be swept
	kinds   map[string]protocol.KindStatus
}

// apply decides about a batch and applies it, in one transaction that holds the lock of the stream's row. What it
// decides by is read in that transaction: the queue may deliver twice, late, or for a writer that lost its lease.
func (s *shard) apply(ctx context.Context, p *prepared) (outcome, error) {
	if p.err != nil {
		return failed, p.err
	}
	got, a, err := s.try(ctx, p, false)
	if got == failed && s.w.store.Unfit(err) {
		got, a, err = s.try(ctx, p, true)
	}
	if got == applied {
		s.guards[p.task.entry.Stream] = a.guard
		s.w.metrics.count(a, s.w.cfg.Now())
		for _, kind := range a.ended {
			s.sweeps.add(sweepTask{p.task.entry.Tenant, p.task.entry.Stream, kind})
		}
	}
	return got, err
}

func (s *shard) try(ctx context.Context, p *prepared, careful bool) (outcome, *applying, error) {
	e := p.task.entry
	a := &applying{w: s.w, p: p, guard: s.guardOf(p), careful: careful}
	got := failed
	var why error
	err := s.w.store.InShard(ctx, s.fence, e.Tenant, e.Stream, func(tx *store.StreamTx) error {
		a.tx, a.kinds = tx, map[string]protocol.KindStatus{}
		for _, k := range tx.Kinds() {
			a.kinds[k.Kind] = k
		}
		if err := a.guard.recall(tx.Stream().HalfCut); err != nil {
			return err
		}
		got, why = a.verdict()
		var cause store.Cause
		if errors.As(why, &cause) {
			return tx.Hold(ctx, cause)
		}
		if got == applied {
			return a.batch(ctx)
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return dropped, a, err
	case errors.Is(err, store.ErrFenced):
		s.stop(errLost)
	}
	if err != nil {
		return failed, a, err
	}
	return got, a, why
}

// verdict says what is to become of the batch, and why if it is not to be applied.
func (a *applying) verdict() (outcome, error) {
	if why := a.mayNot(); why != nil {
		return dropped, why
	}
	if cause := a.misfit(); cause.Code != "" {
		return held, cause
	}
	if len(a.p.missing) > 0 {
		return waits, errMissing
	}
	return applied, nil
}

// mayNot says why the batch is not the stream's next one. ● Another generation or another seq is dropped, however it
// came here; so is anything of an agent or tenant that may not write.
func (a *applying) mayNot() error {
	s, e := a.tx.Stream(), a.p.task.entry
	switch {
	case e.Gen != s.Gen:
		return errors.New("of another generation")
	case e.Seq != s.AppliedSeq+1:
		return errors.New("not the next of its generation")
	case e.Agent != s.Agent, s.AgentState != store.AgentActive:
		return errors.New("of an agent that may not write")
	case s.TenantSuspended:
		return errors.New("the tenant is suspended")
	case s.Status != store.StreamOK:
		return errors.New("the stream is " + string(s.Status))
	}
	return nil
}

// misfit says why the stream must be held: the batch is the next one and does not fit the checkpoint.
// ● Another lineage than the checkpoint's is only ever taken from a cut that covers nothing, so that no row of one
// timeline meets rows of another: every kind begins anew from there.
func (a *applying) misfit() store.Cause {
	s, h := a.tx.Stream(), a.p.header
	if a.p.broken != nil {
		return store.Cause{Code: store.CauseUnreadable, Seq: a.p.task.entry.Seq, Note: a.p.broken.Error()}
	}
	if h.Lineage != s.Lineage {
		if h.Chunk == nil && h.Last && len(h.Covers) == 0 && len(h.End) == 0 && len(a.p.sections) == 0 {
			return store.Cause{}
		}
		return store.Cause{Code: store.CauseTimeline, Seq: h.Seq}
	}
	if h.Chunk == nil && (h.From > s.Position || h.To < s.Position) {
		return store.Cause{Code: store.CausePositions, Seq: h.Seq, From: h.From, To: h.To, At: s.Position}
	}
	return store.Cause{}
}

// batch writes the rows and moves the checkpoint.
func (a *applying) batch(ctx context.Context) error {
	h := a.p.header
	if h.Chunk != nil {
		if err := a.tx.ResolveRereads(ctx, h.Chunk.Rereads); err != nil {
			return err
		}
	} else if err := a.checkDeletes(ctx); err != nil {
		return err
	}
	rows := 0
	for i := range a.p.sections {
		s := &a.p.sections[i]
		rows += s.rows()
		if err := a.section(ctx, s); err != nil {
			return err
		}
	}
	if err := a.results(ctx); err != nil {
		return err
	}
	next := store.Checkpoint{
		AppliedSeq: h.Seq,
		Lineage:    a.tx.Stream().Lineage,
		Position:   a.tx.Stream().Position,
		AppliedAt:  a.w.cfg.Now().UnixMilli(),
		Rows:       int64(rows),
	}
	switch {
	case h.Chunk != nil:
		if err := a.chunk(ctx, h.Chunk); err != nil {
			return err
		}
	case h.Last: // ● only a cut's last batch moves the position
		if err := a.endOfCut(ctx); err != nil {
			return err
		}
		next.Lineage, next.Position, next.CapturedAt = h.Lineage, h.To, h.CapturedAt
	default:
		var err error
		if next.HalfCut, err = a.guard.note(); err != nil {
			return err
		}
	}
	return a.tx.SetCheckpoint(ctx, next)
}

// takes reports whether rows of the batch are written to a kind. ● Rows of a kind that is needed or suspended, or that
// their cut does not cover, are ignored, as are chunks of a snapshot that is not the running one.
func (a *applying) takes(kind string) bool {
	k, ok := a.kinds[kind]
	if !ok || k.State == protocol.KindNeeded || k.State == protocol.KindSuspended {
		return false
	}
	c := a.p.header.Chunk
	if c == nil {
		return slices.Contains(a.p.header.Covers, kind)
	}
	return c.Snapshot == 0 || k.State == protocol.KindRunning && k.Snapshot == c.Snapshot && c.Kind == kind
}

// section writes one section, or nothing when the guard stops its kind.
func (a *applying) section(ctx context.Context, s *section) error {
	if !a.takes(s.schema.Kind) {
		return nil
	}
	stopped, err := a.checkBlanks(ctx, s)
	if err != nil || stopped {
		return err
	}
	for _, l := range s.letters {
		if err := a.setAside(ctx, l); err != nil {
			return err
		}
	}
	if s.stage.Empty() {
		return nil
	}
	if a.careful {
		return a.isolate(ctx, s)
	}
	return a.write(ctx, s.stage)
}

func (a *applying) write(ctx context.Context, st *store.Stage) error {
	o := store.ApplyOptions{
		CapturedAt: a.p.header.CapturedAt,
		ReceivedAt: a.p.task.entry.At.UnixMilli(),
		KeepFilled: a.keepsFilled(st.Kind()),
	}
	got, err := a.tx.Apply(ctx, st, o)
	if err == nil && got.Kept > 0 {
		got, err = a.kept(ctx, st, o, got)
	}
	a.total.Changed += got.Changed
	a.total.Unchanged += got.Unchanged
	a.total.Deleted += got.Deleted
	return err
}

func (a *applying) setAside(ctx context.Context, l store.DeadLetter) error {
	a.letters++
	return a.tx.DeadLetter(ctx, l)
}

// results moves the reports on which the batch brings the main system's verdicts.
func (a *applying) results(ctx context.Context) error {
	if !a.takes(resultKind) {
		return nil
	}
	for _, v := range a.p.results {
		if err := a.tx.ApplyResult(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// chunk moves the cursor of a running snapshot, never the position.
func (a *applying) chunk(ctx context.Context, c *protocol.Chunk) error {
	k := a.kinds[c.Kind]
	if c.Snapshot == 0 || k.State != protocol.KindRunning || k.Snapshot != c.Snapshot {
		return nil
	}
	return a.tx.SetLastKey(ctx, c.Kind, c.LastKey)
}

// endOfCut begins and ends snapshots. ● A kind that the cut neither covers nor begins has a hole now and is needed,
// unless it is suspended. A kind keeps Held on its way to the sweep.
func (a *applying) endOfCut(ctx context.Context) error {
	h := a.p.header
	for _, k := range a.kinds {
		if k.State == protocol.KindSuspended {
			continue
		}
		begin := slices.IndexFunc(h.Begin, func(b protocol.Begin) bool { return b.Kind == k.Kind })
		end := slices.IndexFunc(h.End, func(e protocol.End) bool { return e.Kind == k.Kind && e.Snapshot == k.Snapshot })
		covered := slices.Contains(h.Covers, k.Kind)
		var err error
		switch {
		case begin >= 0:
			b := h.Begin[begin]
			err = a.move(ctx, protocol.KindStatus{Kind: k.Kind, State: protocol.KindRunning, Snapshot: b.Snapshot, Epoch: b.Epoch, Held: k.Held})
		case end >= 0 && covered && k.State == protocol.KindRunning:
			err = a.end(ctx, k)
		case !covered && k.State != protocol.KindNeeded:
			err = a.move(ctx, protocol.KindStatus{Kind: k.Kind, State: protocol.KindNeeded, Held: k.Held})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// move changes a kind's state. What holds it, if anything, is the cause that it had.
func (a *applying) move(ctx context.Context, k protocol.KindStatus) error {
	if !k.Held {
		return a.set(ctx, k, store.Cause{})
	}
	cause := a.tx.KindCause(k.Kind)
	cause.Sweep = 0
	return a.set(ctx, k, cause)
}

func (a *applying) set(ctx context.Context, k protocol.KindStatus, cause store.Cause) error {
	a.kinds[k.Kind] = k
	return a.tx.SetKind(ctx, k, cause)
}

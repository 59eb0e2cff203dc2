package capture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

// asking is what the agent knew when it sent a request: an answer is held against that, because
// the other kind of request may have been answered in between.
type asking struct {
	session  *session // nil while CLOSED
	known    protocol.Seq
	accepted protocol.Seq
}

func (c *Capture) asking() asking {
	if c.session == nil {
		return asking{}
	}
	return asking{session: c.session, known: c.session.known, accepted: c.session.accepted}
}

// sent takes the answer to a batch. It returns how long to wait before the next batch is sent.
// ● "accepted" and "duplicate" promise nothing: only applied forgets a batch (I5).
func (c *Capture) sent(ctx context.Context, q asking, b batch, a protocol.BatchAnswer, err error) time.Duration {
	s := c.session
	if s == nil || q.session != s {
		return 0 // of a generation that was dropped
	}
	if err != nil {
		return c.refused(ctx, b, err)
	}
	c.status.clear(areaPortal)
	if why := s.impossible(q, a.AppliedSeq); why != "" {
		c.close(ctx, why)
		return 0
	}
	if !a.Duplicate {
		c.status.sent(b.rows)
	}
	s.accepted = max(s.accepted, b.seq)
	c.applied(a.AppliedSeq)
	return 0
}

// refused obeys a refusal of a batch. Without a refusal nothing is known: the batch is sent again.
func (c *Capture) refused(ctx context.Context, b batch, err error) time.Duration {
	s := c.session
	c.failed(ctx, fmt.Errorf("send batch %d: %w", b.seq, err))
	var reject *protocol.Reject
	if !errors.As(err, &reject) {
		s.window.rewind(b.seq)
		return pause(c.opens)
	}
	switch code := reject.Code; {
	case code == protocol.CodeFull, code == protocol.CodeBusy, code == protocol.CodeInternal:
		s.window.rewind(b.seq)
		return pauseAfter(err, c.opens)
	case code == protocol.CodeGap:
		c.status.clear(areaPortal)
		if reject.Expected > b.seq || !s.window.rewind(reject.Expected) {
			c.close(ctx, "gap outside the window")
		}
		return 0
	case code == protocol.CodeTooLarge:
		c.maxRows = max(1, c.maxRows/2)
	}
	c.close(ctx, string(reject.Code))
	return 0
}

// checkedIn takes the answer to a check-in. It reports whether it brought anything new.
func (c *Capture) checkedIn(ctx context.Context, q asking, a protocol.CheckInAnswer) (news bool) {
	s := c.session
	if s == nil || q.session != s {
		return false
	}
	c.status.clear(areaPortal)
	if why := s.contradicts(q, a); why != "" {
		c.close(ctx, why)
		return true
	}
	if why := s.stalled(q, a, c.cfg.Stall); why != "" {
		c.close(ctx, why)
		return true
	}
	news = a.AppliedSeq > s.told.applied || protocol.HashKinds(a.Kinds) != protocol.HashKinds(s.told.kinds)
	s.told.hear(a)
	c.applied(a.AppliedSeq)
	s.wanted(a.Reread)
	if why := s.adopt(); why != "" {
		c.close(ctx, why)
		return true
	}
	return news || len(s.rereads) > 0
}

// contradicts says what in an answer cannot follow what was told before, or "". ● Within a generation only a
// portal restored from a backup goes backwards.
//
// An answer to a batch may overtake the check-in's, which then tells less than is known. It needs no rule of its own:
// it is no regress, being held against what was known when it was asked; no stall, for the receiver looks at the queue
// before it looks at the store; and adopt leaves alone every kind that a batch past the answer's applied_seq changes.
func (s *session) contradicts(q asking, a protocol.CheckInAnswer) string {
	switch {
	case a.Gen != s.gen:
		return "another generation was opened" // I3: somebody else's, or a restored portal's
	case a.Lineage == s.told.lineage && a.Position < s.told.position:
		return "the position went backwards: the portal was restored"
	}
	return s.impossible(q, a.AppliedSeq)
}

// impossible says why nothing of ours led to an applied_seq, or "". What is known to be applied is everything before
// the window, so one below it is a window that begins past the checkpoint.
func (s *session) impossible(q asking, applied protocol.Seq) string {
	switch {
	case applied < q.known:
		return "applied went backwards: the portal was restored"
	case applied >= s.next:
		return "more is applied than was read"
	}
	return ""
}

// stalled says why waiting for accepted batches is in vain, or "". ● Redis may have lost them: then
// nothing of the generation waits there although the portal has not applied them.
func (s *session) stalled(q asking, a protocol.CheckInAnswer, limit time.Duration) string {
	switch {
	case s.accepted <= a.AppliedSeq:
		return ""
	case q.accepted > a.AppliedSeq && a.Queued == 0:
		return "accepted batches are not queued: the queue has lost them"
	case a.AppliedSeq == s.known && time.Since(s.moved) >= limit:
		return "accepted batches were not applied for " + limit.String()
	}
	return ""
}

// adopt takes over needed and suspended as told, once no batch of ours is on its way that changes the kind's
// status: what is told is then the portal's own word. ● Any other status that our batches cannot have led
// to went backwards. adopt returns why the generation cannot go on, or "".
func (s *session) adopt() string {
	for _, k := range s.kinds {
		now := s.told.state(k.name())
		switch {
		case k.sentSeq > s.told.applied || !k.differs(now):
		case now.State == protocol.KindSuspended:
			k.phase, k.lastKey = suspended, nil
		case now.State == protocol.KindNeeded:
			k.phase, k.lastKey = needed, nil
		default:
			return k.name() + " is " + string(now.State) + ", to which nothing of ours led: the portal was restored"
		}
	}
	return ""
}

// differs reports whether the portal's status of a kind does not go with its phase. A kind that is needed
// here and not there is on its way to be: the next cut leaves it out or begins it. ● A snapshot that is not ours runs
// only in a portal that was put back.
func (k *kind) differs(now protocol.KindStatus) bool {
	switch now.State {
	case protocol.KindSuspended:
		return k.phase != suspended
	case protocol.KindNeeded:
		return k.phase != needed
	case protocol.KindRunning:
		return k.phase == following || k.phase == suspended || k.phase != needed && k.snapshot != now.Snapshot
	case protocol.KindSweeping, protocol.KindOK:
		return k.phase == running || k.phase == ending || k.phase == suspended
	}
	return false
}

package capture

import (
	"fmt"

	"lessor.dk/portalsync/protocol"
)

// told is what the portal last said of the stream within a generation. Check-ins are asked one at a
// time, so each answer is newer than the one before.
type told struct {
	applied  protocol.Seq
	lineage  protocol.Lineage
	position protocol.Position
	kinds    []protocol.KindStatus
	highest  map[string]protocol.SnapshotID // the newest snapshot seen per kind
}

func newTold(a protocol.OpenAnswer) told {
	t := told{lineage: a.Lineage, position: a.Position, kinds: a.Kinds, highest: map[string]protocol.SnapshotID{}}
	t.remember()
	return t
}

// state returns the portal's status of a kind. A kind that the portal does not name is needed.
func (t *told) state(name string) protocol.KindStatus {
	for _, k := range t.kinds {
		if k.Kind == name {
			return k
		}
	}
	return protocol.KindStatus{Kind: name, State: protocol.KindNeeded}
}

func (t *told) hear(a protocol.CheckInAnswer) {
	t.applied, t.lineage, t.position, t.kinds = a.AppliedSeq, a.Lineage, a.Position, a.Kinds
	t.remember()
}

func (t *told) remember() {
	for _, k := range t.kinds {
		t.highest[k.Kind] = max(t.highest[k.Kind], k.Snapshot)
	}
}

// regressed says what went backwards between the last answer and a, or "" when nothing did. Within a
// generation only a portal restored from a backup goes backwards.
func (s *session) regressed(a protocol.CheckInAnswer) string {
	t := &s.told
	if a.AppliedSeq < t.applied {
		return fmt.Sprintf("applied batch %d after %d", a.AppliedSeq, t.applied)
	}
	if a.Lineage != t.lineage && a.Lineage != s.lineage {
		return "lineage is neither the last one nor ours"
	}
	if a.Lineage == t.lineage && a.Position < t.position {
		return fmt.Sprintf("position %d after %d", a.Position, t.position)
	}
	for _, now := range a.Kinds {
		before := t.state(now.Kind)
		if kindRegressed(before, now, t.highest[now.Kind], s.endedSince(now.Kind, t.applied)) {
			return fmt.Sprintf("%s is %s after %s", now.Kind, now.State, before.State)
		}
	}
	return ""
}

// kindRegressed reports whether a kind's status went backwards. Highest is the newest snapshot that was
// ever told of the kind, ended whether an end of ours can have been applied since before was told.
// Needed and suspended are never backwards: a person or the delete guard may say so at any time.
func kindRegressed(before, now protocol.KindStatus, highest protocol.SnapshotID, ended bool) bool {
	left := before.State != protocol.KindRunning && before.State != protocol.KindSweeping
	switch now.State {
	case protocol.KindNeeded, protocol.KindSuspended:
		return false
	case protocol.KindRunning:
		return now.Snapshot < highest || now.Snapshot == highest && before.State != protocol.KindRunning
	case protocol.KindSweeping:
		return now.Snapshot < highest || now.Snapshot == highest && left
	case protocol.KindOK:
		return before.State != protocol.KindOK && before.State != protocol.KindSweeping && !ended
	}
	return false
}

// endedSince reports whether this generation sent an end of the kind in a batch after seq.
func (s *session) endedSince(name string, seq protocol.Seq) bool {
	for _, k := range s.kinds {
		if k.name() == name {
			return k.endSeq > seq
		}
	}
	return false
}

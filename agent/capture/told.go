package capture

import "lessor.dk/portalsync/protocol"

// told is what the portal last said of the stream within a generation. Check-ins are asked one at a
// time, so each answer is newer than the one before.
type told struct {
	applied  protocol.Seq
	lineage  protocol.Lineage
	position protocol.Position
	kinds    []protocol.KindStatus
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
}

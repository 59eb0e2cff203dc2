package store

import (
	"context"
	"fmt"

	"lessor.dk/portalsync/protocol"
)

// Hold says what of a record kind waits for a person.
type Hold int16

// The holds of the delete and blanking guard.
const (
	HoldNone   Hold = iota // nothing
	HoldSweep              // its next sweep, or the one that has begun
	HoldBlanks             // its sweep, and every row that would empty a filled field of a stored one
	HoldPassed             // nothing: a person let such rows pass, until the next snapshot has ended
)

// waits reports whether a person is asked.
func (h Hold) waits() bool { return h == HoldSweep || h == HoldBlanks }

// after is what holds a kind when it has moved to a status. A kind that goes on being held is held for what it was; what
// a person let pass is over when the snapshot is.
func (h Hold) after(s protocol.KindStatus) Hold {
	switch {
	case s.Held && !h.waits():
		return HoldSweep
	case s.Held:
		return h
	case h == HoldPassed && (s.State == protocol.KindNeeded || s.State == protocol.KindRunning):
		return h
	}
	return HoldNone
}

// Blanks returns what holds one of the stream's kinds, and how many rows of its snapshot emptied fields of stored rows or,
// while it is held for that, would have: a row that comes again is counted again.
func (tx *StreamTx) Blanks(kind string) (Hold, int64) {
	if i := tx.kindIndex(kind); i >= 0 {
		return tx.kinds[i].hold, tx.kinds[i].blanked
	}
	return HoldNone, 0
}

// HoldBlanks holds one of the stream's kinds until ReleaseKind: an Apply with KeepFilled is due for all of its rows. The
// count of Blanks begins anew.
func (tx *StreamTx) HoldBlanks(ctx context.Context, kind string, cause Cause) error {
	k, err := tx.kind(kind)
	if err != nil {
		return err
	}
	k.hold, k.cause, k.blanked = HoldBlanks, cause, 0
	return tx.saveKind(ctx, k)
}

const addBlankedSQL = `
UPDATE stream_kind
SET    blanked = blanked + $4
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3`

// AddBlanked adds rows to the count of Blanks, which a new snapshot begins anew.
func (tx *StreamTx) AddBlanked(ctx context.Context, kind string, rows int64) error {
	i := tx.kindIndex(kind)
	if i < 0 {
		return fmt.Errorf("kind %s: %w", kind, ErrNotFound)
	}
	tx.kinds[i].blanked += rows
	return one(ctx, tx.tx(), "count blanked rows", addBlankedSQL, tx.stream.Tenant, tx.stream.ID, kind, rows)
}

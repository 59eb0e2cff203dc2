// Package source is what the agent asks of a main system's database: a consistent look at it,
// what changed since an earlier look, and all of it in pieces. Implementations live below this
// package; the promises they keep are the sentences of package sourcetest, run against each.
//
// # What every source promises
//
// One transaction. [Source.Begin] pins one consistent state of the database. Lineage, position,
// every kind's minimum valid position and every row read through the [Tx] belong to that state,
// however many writers commit meanwhile. The position is that of the state: no change at or below
// it is missing, none above it is shown.
//
// Net state. [Tx.Upserts] gives the rows that differ since a position as they are now, once each,
// whatever happened in between; [Tx.Deletes] gives the record keys that changed and are no longer
// there. A key that changed is a delete of the old and an upsert of the new. A row that left the
// plan's filter is a delete, one that entered it an upsert. A change in a joined table sends exactly
// the rows that depend on it. A record key is never in both. Sending a row too much is allowed when
// a column outside the plan changed; the receiver drops it by its hash. So is a delete of a record that never
// was one: a row that changes while the filter keeps it at home. The number of deletes is therefore an upper
// bound of a loss.
//
// Version 0 is a legal position, and a lower position than one seen before is never "no change":
// within a lineage positions do not go backwards. A database that was restored has another lineage.
//
// Validity. Changes after a position are complete only if the position is not below
// [KindState.MinValid] and [KindState.Epoch] is the one the kind's snapshot began under. Clean-up of
// change data and TRUNCATE raise the first; tracking that was switched off and on, a table that was
// dropped and made again, and a changed mapping in the plan change the second. Each kind has its own:
// one table's truncation says nothing of the others. An idle table's minimum never passes a position
// that was read.
//
// Pieces. [Tx.Chunk] reads a kind in the order of its key, resumable from an opaque cursor, also in
// another transaction, another process or another version of the database. Rows that are neither
// inserted, deleted nor moved while a load runs are met exactly once.
//
// Drift. A table or column that is gone, changed its type or lost its tracking is noticed at every
// Begin and told in [KindState.Err]; the other kinds flow. A kind whose Err has gone must be read
// again from the start: adding a column is not a tracked change.
//
// Bad rows. A row with a value that cannot be converted (text that is not UTF-8, a decimal beyond
// its scale, a null in a field that needs a value …) is left out whole: never half a row, never a
// rounded figure. It does not stop the feed. [Tx.Bad] tells how many rows of which field were left
// out; the row comes again by itself when it changes. In the portal it keeps its last good state:
// [Tx.Upserts] and [Tx.Deletes] say nothing of it, [Tx.Chunk] and [Tx.ByKey] say that it is there by a
// [protocol.Keep] of its key. A row whose key cannot be converted is nowhere: the portal never held it.
//
// Kind to the main system. Nothing is written, no lock is held longer than a read needs, and memory
// does not grow with the number of rows.
//
// # How SQL Server fits
//
// Change Tracking gives position, minimum valid version and object id as they stand here. In
// rowversion mode the position is MIN_ACTIVE_ROWVERSION()-1 and Deletes yields nothing: they are found
// by digests, as is everything in compare mode, whose rows are those of Chunk and ByKey. [Kind.Digest]
// tells which of the three a kind is.
package source

import (
	"context"
	"errors"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Errors of a source. They wrap what the database said, without any row content.
var (
	// ErrBusy reports that the database would not serve us now (locks, overload): try again.
	ErrBusy = errors.New("main system database is busy")
	// ErrGone reports that the database cannot be reached or is not the one that was configured.
	ErrGone = errors.New("main system database cannot be reached")
	// ErrLater reports that the main system takes a report another time, and not now.
	ErrLater = errors.New("main system asks for the report again later")
)

// UpgradeError reports that the main system's vendor upgrades it: it is not read until somebody ends that.
type UpgradeError struct {
	Begun time.Time
}

func (e *UpgradeError) Error() string {
	return "the main system is being upgraded since " + e.Begun.Local().Format("2006-01-02 15:04") + "; run agent upgrade end when it is done"
}

// KindError reports that the database refused a kind's statement, for instance because an expression of
// the plan meets a row it cannot work on. Other kinds can be read. The source tells it as [KindState.Err] from
// then on and tries again after a minute.
type KindError struct {
	Kind string
	Err  error // a sentence without row content
}

func (e *KindError) Error() string { return "read " + e.Kind + ": " + e.Err.Error() }

// Unwrap returns what the database said.
func (e *KindError) Unwrap() error { return e.Err }

// Source is a main system's database seen through a plan.
// Begin may be called again before an earlier Tx is closed.
type Source interface {
	// Kinds returns the planned kinds, parents before children. The slice is the caller's.
	Kinds() []Kind
	// Begin starts a read of one consistent state. The Tx must be closed soon: it may hold back the
	// database's clean-up. Errors are [ErrBusy], [ErrGone] or the context's.
	Begin(ctx context.Context) (Tx, error)
	// Close releases the database.
	Close() error
}

// Kind is one planned record kind.
type Kind struct {
	Record *record.Kind
	// Schema holds the planned fields; every Row's Values stand in its order.
	Schema *protocol.SectionSchema
	// Poll is how often the plan wants the kind looked at; 0 leaves it to the agent's setting.
	Poll time.Duration
	// Quiet is when the plan wants the kind left alone.
	Quiet Quiet
	// Digest is what Upserts and Deletes cannot tell of the kind, so that a comparison with the portal must.
	Digest Digest
}

// Digest says which changes of a kind only a comparison of digests with the portal finds.
type Digest uint8

// What digests find.
const (
	// DigestNone means that Upserts and Deletes tell every change.
	DigestNone Digest = iota
	// DigestDeletes means that Deletes yields nothing: digests find the rows that are gone or left the filter, and
	// those that depended on a joined row which is gone or belongs to others now.
	DigestDeletes
	// DigestAll means that Upserts yields nothing either: digests find every change.
	DigestAll
)

// String returns the digest's use as a word of a status page.
func (d Digest) String() string {
	switch d {
	case DigestNone:
		return "none"
	case DigestDeletes:
		return "deletes"
	case DigestAll:
		return "all"
	}
	return "unknown"
}

// Tx is one read transaction. It is used by one goroutine, and yield must not call it.
//
// A Row passed to yield is valid only during the call; its Values are overwritten by the next row.
// A document field's cell holds the raw content as Bytes, at most [protocol.MaxBlobBytes].
// An error of yield ends the read and is returned unwrapped. Other errors are [ErrBusy], [ErrGone],
// a [*KindError] or the context's.
type Tx interface {
	// State tells lineage, position and each kind's validity, read in this transaction.
	State() State
	// Upserts yields the rows of a kind that changed after from and exist, as they are now.
	Upserts(ctx context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error
	// Deletes yields the keys of a kind that changed after from and are gone.
	Deletes(ctx context.Context, kind string, from protocol.Position, yield func(*protocol.Row) error) error
	// CountChanges returns an upper bound of the rows that Upserts and Deletes together would yield.
	// It is cheap beside reading them.
	CountChanges(ctx context.Context, kind string, from protocol.Position) (int64, error)
	// Chunk yields up to limit rows in the order of the kind's key after the cursor; a nil cursor is the
	// start. A row that is there but cannot be converted is a Keep. It returns the cursor of the last row met,
	// left-out rows included, and whether the kind ends there. A cursor is opaque, may be stored for days, and a damaged one is an error.
	Chunk(ctx context.Context, kind string, after []byte, limit int, yield func(*protocol.Row) error) (last []byte, done bool, err error)
	// ByKey yields, for each record key (values of the key fields in the kind's key order), the current row,
	// a Delete when there is none, or a Keep when it cannot be converted.
	ByKey(ctx context.Context, kind string, keys [][]protocol.Value, yield func(*protocol.Row) error) error
	// Bad tells which rows this transaction's reads left out so far, one entry per kind and field.
	Bad() []Bad
	// Close ends the transaction. It may be called twice.
	Close() error
}

// State is what the database was at the moment a transaction read it.
type State struct {
	Lineage  protocol.Lineage
	Position protocol.Position
	At       time.Time // the agent's clock
	Kinds    map[string]KindState
}

// KindState is one kind's validity at that moment.
type KindState struct {
	MinValid protocol.Position // changes after an earlier position are no longer complete
	Epoch    string            // identity of the kind's tables, their tracking and the kind's mapping
	Estimate int64             // rows of the kind, about; for progress only
	Err      error             // why the kind cannot be read, as a sentence; the other kinds can
}

// Bad counts rows left out because one field's value could not be converted.
// Reason holds no content; it names kind, field, table and rule.
type Bad struct {
	Kind   string
	Field  string
	Rows   int64
	Reason error
}

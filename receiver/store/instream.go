package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"lessor.dk/portalsync/protocol"
)

// StreamTx is one transaction on one stream. The stream's row is locked: nobody else changes the stream, its kinds
// or its records until it ends. It is not safe for concurrent use and must not outlive its call of InStream.
type StreamTx struct {
	store  *Store
	bulk   bulkTx
	stream Stream
	kinds  []kindRow
}

// InStream runs f in one transaction that holds the row lock of the stream, and commits what f did when it
// returns nil. A stream of another tenant is ErrNotFound.
func (s *Store) InStream(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, f func(*StreamTx) error) error {
	return s.inStream(ctx, Fence{}, true, tenant, stream, f)
}

// InShard is InStream for who holds a shard's lease: it is ErrFenced, and f is not called, when the lease has gone to
// somebody else. Its commit does not wait for the disk. A crash of the database may take the last of them back, in order,
// and all that a batch wrote with its checkpoint: the agent notices, as after a restored backup, and reads on from there.
// The next commit of InStream, or of any other method, keeps those before it.
func (s *Store) InShard(ctx context.Context, by Fence, tenant protocol.TenantID, stream protocol.StreamID, f func(*StreamTx) error) error {
	return s.inStream(ctx, by, false, tenant, stream, f)
}

func (s *Store) inStream(ctx context.Context, by Fence, lasting bool, tenant protocol.TenantID, stream protocol.StreamID, f func(*StreamTx) error) error {
	bulk, err := s.dialect.begin(ctx, s.write, lasting)
	if err != nil {
		return fmt.Errorf("stream %d: begin: %w", stream, err)
	}
	tx := &StreamTx{store: s, bulk: bulk}
	if err := tx.lock(ctx, by, tenant, stream, f); err != nil {
		return fmt.Errorf("stream %d: %w", stream, errors.Join(err, bulk.rollback()))
	}
	if err := bulk.commit(); err != nil {
		return fmt.Errorf("stream %d: commit: %w", stream, err)
	}
	return nil
}

func (tx *StreamTx) lock(ctx context.Context, by Fence, tenant protocol.TenantID, stream protocol.StreamID, f func(*StreamTx) error) error {
	var err error
	if tx.stream, err = lockStream(ctx, tx.tx(), tx.store.dialect.forUpdate(), by, tenant, stream); err != nil {
		return err
	}
	if tx.kinds, err = readKinds(ctx, tx.tx(), tenant, stream); err != nil {
		return err
	}
	return f(tx)
}

func (tx *StreamTx) tx() *sql.Tx { return tx.bulk.tx() }

// Stream returns the stream as it is in this transaction.
func (tx *StreamTx) Stream() Stream { return tx.stream }

// Kinds returns the stream's kinds as they are in this transaction, parents first.
func (tx *StreamTx) Kinds() []protocol.KindStatus { return statuses(tx.kinds) }

// kind returns a kind's row; one that the stream lacks is ErrNotFound.
func (tx *StreamTx) kind(name string) (kindRow, error) {
	i := tx.kindIndex(name)
	if i < 0 {
		return kindRow{}, fmt.Errorf("kind %s: %w", name, ErrNotFound)
	}
	return tx.kinds[i], nil
}

// KindCause returns why one of the stream's kinds waits; the zero Cause if it does not.
func (tx *StreamTx) KindCause(kind string) Cause {
	if i := tx.kindIndex(kind); i >= 0 {
		return tx.kinds[i].cause
	}
	return Cause{}
}

func (tx *StreamTx) kindIndex(name string) int {
	return slices.IndexFunc(tx.kinds, func(k kindRow) bool { return k.Kind == name })
}

// SetKind changes the state of one of the stream's kinds; cause is of suspended and held. One that is told to be held
// is held for what it was held for, or its sweep is.
// A sweep that is told again starts over, which does no harm.
func (tx *StreamTx) SetKind(ctx context.Context, status protocol.KindStatus, cause Cause) error {
	k, err := tx.kind(status.Kind)
	if err != nil {
		return err
	}
	if status.Snapshot != k.Snapshot {
		k.blanked = 0
	}
	k.KindStatus, k.hold, k.cause = status, k.hold.after(status), cause
	return tx.saveKind(ctx, k)
}

func (tx *StreamTx) saveKind(ctx context.Context, k kindRow) error {
	tx.store.sweeps.forget(tx.sweepID(k.Kind))
	k.Held = k.hold.waits()
	if err := saveKind(ctx, tx.tx(), tx.stream.Tenant, tx.stream.ID, k); err != nil {
		return err
	}
	if i := tx.kindIndex(k.Kind); i >= 0 {
		k.letters = tx.kinds[i].letters
		tx.kinds[i] = k
		return nil
	}
	return tx.reloadKinds(ctx)
}

// reloadKinds reads the kinds again, to have them in order.
func (tx *StreamTx) reloadKinds(ctx context.Context) (err error) {
	tx.kinds, err = readKinds(ctx, tx.tx(), tx.stream.Tenant, tx.stream.ID)
	return err
}

const setLastKeySQL = `
UPDATE stream_kind
SET    last_key = $4
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3`

// SetLastKey moves the cursor of a running snapshot.
func (tx *StreamTx) SetLastKey(ctx context.Context, kind string, key []byte) error {
	i := tx.kindIndex(kind)
	if i < 0 {
		return fmt.Errorf("kind %s: %w", kind, ErrNotFound)
	}
	tx.kinds[i].LastKey = key
	return one(ctx, tx.tx(), "move snapshot cursor", setLastKeySQL, tx.stream.Tenant, tx.stream.ID, kind, key)
}

// Checkpoint is what a stream has applied.
type Checkpoint struct {
	AppliedSeq protocol.Seq
	Lineage    protocol.Lineage
	Position   protocol.Position
	CapturedAt int64  // unix ms, of a cut's last batch: kinds that are ok now equal the main system as of then; 0 leaves it
	AppliedAt  int64  // unix ms
	Rows       int64  // rows of the batch, added to the stream's count
	HalfCut    string // what the writer must know of a cut that goes on with the next batch; "" between cuts
}

const setCheckpointSQL = `
UPDATE stream
SET    applied_seq = $3, lineage = $4, position = $5, applied_at = $6, rows_applied = rows_applied + $7,
       captured_at = COALESCE(NULLIF(CAST($8 AS BIGINT), 0), captured_at), half_cut = $9
WHERE  tenant_id = $1 AND stream_id = $2`

const kindsCapturedSQL = `
UPDATE stream_kind
SET    captured_at = $3
WHERE  tenant_id = $1 AND stream_id = $2 AND state = 'ok'`

// SetCheckpoint moves the checkpoint. It is committed with the rows that it stands for, or not at all.
func (tx *StreamTx) SetCheckpoint(ctx context.Context, c Checkpoint) error {
	tenant, stream := tx.stream.Tenant, tx.stream.ID
	err := one(ctx, tx.tx(), "set checkpoint", setCheckpointSQL, tenant, stream, c.AppliedSeq, c.Lineage, c.Position,
		c.AppliedAt, c.Rows, c.CapturedAt, c.HalfCut)
	if err != nil {
		return err
	}
	tx.stream.AppliedSeq, tx.stream.Lineage, tx.stream.Position = c.AppliedSeq, c.Lineage, c.Position
	tx.stream.AppliedAt = instant(c.AppliedAt)
	if c.CapturedAt == 0 {
		return nil
	}
	tx.stream.CapturedAt = instant(c.CapturedAt)
	if _, err := tx.tx().ExecContext(ctx, kindsCapturedSQL, tenant, stream, c.CapturedAt); err != nil {
		return fmt.Errorf("set age of kinds: %w", err)
	}
	return nil
}

// Hold stops the stream until its next OPEN: a batch does not fit the checkpoint.
func (tx *StreamTx) Hold(ctx context.Context, cause Cause) error {
	tx.stream.Status, tx.stream.Cause = StreamHeld, cause
	return one(ctx, tx.tx(), "hold stream", setStreamStatusSQL, tx.stream.Tenant, tx.stream.ID, StreamHeld, cause)
}

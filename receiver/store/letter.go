package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"lessor.dk/portalsync/protocol"
)

// Resolution says how a dead letter ended.
type Resolution string

// The ends of a dead letter; empty while it waits.
const (
	LetterSuperseded Resolution = "superseded" // a newer row of its key was applied
	LetterReread     Resolution = "reread"     // the agent read its row again
)

// DeadLetter is a row set aside because it cannot be applied.
type DeadLetter struct {
	ID        int64 // unique within the stream
	Stream    protocol.StreamID
	Kind      string
	Key       []byte // the key's canonical encoding: personal data, never in a log
	KeyHash   uint64
	Reason    string // names the field, never its content
	Sealed    []byte // the row, sealed by the writer; DeadLetters leaves it out
	Version   protocol.Position
	CreatedAt time.Time
	Rereading bool // the agent is asked for the row again
	Resolved  Resolution
}

// LogValue keeps the row and its key out of logs.
func (l DeadLetter) LogValue() slog.Value {
	return slog.GroupValue(slog.Int64("stream", int64(l.Stream)), slog.String("kind", l.Kind), slog.Int64("letter", l.ID))
}

const insertLetterSQL = `
INSERT INTO dead_letter (tenant_id, stream_id, letter_id, kind, key_bytes, key_hash, reason, sealed, source_version, created_at)
SELECT $1, $2, COALESCE(MAX(letter_id), 0) + 1, CAST($3 AS TEXT), $4, $5, $6, $7, $8, $9
FROM   dead_letter
WHERE  tenant_id = $1 AND stream_id = $2`

const countLettersSQL = `
UPDATE stream_kind
SET    letters = letters + $4
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3`

// DeadLetter sets a row aside in the transaction that applies the rest of its batch. It supersedes a waiting letter of
// the same key. While the kind is running or sweeping the stored row of the key, if any, is kept from the sweep: the
// main system still holds it. ID, Stream, Rereading and Resolved of l are ignored.
func (tx *StreamTx) DeadLetter(ctx context.Context, l DeadLetter) error {
	k, err := tx.kind(l.Kind)
	if err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	var same hashSet
	same.add(l.KeyHash)
	if err := tx.supersedeKeys(ctx, l.Kind, &same); err != nil {
		return err
	}
	tenant, stream := tx.stream.Tenant, tx.stream.ID
	_, err = tx.tx().ExecContext(ctx, insertLetterSQL, tenant, stream, l.Kind, l.Key, int64(l.KeyHash), l.Reason, l.Sealed,
		l.Version, millis(l.CreatedAt))
	if err != nil {
		return fmt.Errorf("save dead letter of %s: %w", l.Kind, err)
	}
	if err := tx.countLetters(ctx, l.Kind, 1); err != nil {
		return err
	}
	if k.State != protocol.KindRunning && k.State != protocol.KindSweeping {
		return nil
	}
	return tx.mark(ctx, l.Kind, k.Snapshot, true, []uint64{l.KeyHash})
}

func (tx *StreamTx) countLetters(ctx context.Context, kind string, n int64) error {
	if i := tx.kindIndex(kind); i >= 0 {
		tx.kinds[i].letters += n
	}
	return one(ctx, tx.tx(), "count dead letters", countLettersSQL, tx.stream.Tenant, tx.stream.ID, kind, n)
}

// supersede ends the waiting dead letters whose keys the stage wrote or deleted.
func (tx *StreamTx) supersede(ctx context.Context, st *Stage) error {
	return tx.supersedeKeys(ctx, st.kind.Name, &st.keys)
}

const waitingKeysSQL = `
SELECT letter_id, key_hash
FROM   dead_letter
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3 AND resolved = ''`

func (tx *StreamTx) supersedeKeys(ctx context.Context, kind string, keys *hashSet) error {
	if k, err := tx.kind(kind); err != nil || k.letters == 0 {
		return err
	}
	type waiting struct{ id, hash int64 }
	letters, err := list(ctx, tx.tx(), "dead letters", func(rows *sql.Rows, w *waiting) error {
		return rows.Scan(&w.id, &w.hash)
	}, waitingKeysSQL, tx.stream.Tenant, tx.stream.ID, kind)
	if err != nil {
		return err
	}
	for _, l := range letters {
		if !keys.has(uint64(l.hash)) {
			continue
		}
		if err := tx.resolve(ctx, l.id, LetterSuperseded); err != nil {
			return err
		}
	}
	return nil
}

const resolveLetterSQL = `
UPDATE dead_letter
SET    resolved = $4, rereading = 0, sealed = $5
WHERE  tenant_id = $1 AND stream_id = $2 AND letter_id = $3 AND resolved = ''
RETURNING kind`

// resolve ends one letter and erases its row. A letter that is gone or has ended is no error.
func (tx *StreamTx) resolve(ctx context.Context, id int64, how Resolution) error {
	kinds, err := list(ctx, tx.tx(), "dead letter", func(rows *sql.Rows, kind *string) error { return rows.Scan(kind) },
		resolveLetterSQL, tx.stream.Tenant, tx.stream.ID, id, how, []byte{})
	if err != nil || len(kinds) == 0 {
		return err
	}
	return tx.countLetters(ctx, kinds[0], -1)
}

// ResolveRereads ends the letters whose rows a chunk has read again. Call it before Apply and DeadLetter: a row that
// still cannot be applied gets a new letter.
func (tx *StreamTx) ResolveRereads(ctx context.Context, ids []int64) error {
	for _, id := range ids {
		if err := tx.resolve(ctx, id, LetterReread); err != nil {
			return fmt.Errorf("resolve dead letter %d: %w", id, err)
		}
	}
	return nil
}

const deadLettersSQL = `
SELECT letter_id, kind, key_bytes, key_hash, reason, source_version, created_at, rereading
FROM   dead_letter
WHERE  tenant_id = $1 AND stream_id = $2 AND resolved = ''
ORDER  BY letter_id DESC
LIMIT  $3`

// DeadLetters returns the newest waiting letters of a stream, without their rows.
func (s *Store) DeadLetters(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, limit int) ([]DeadLetter, error) {
	return list(ctx, s.read, "dead letters", func(rows *sql.Rows, l *DeadLetter) error {
		var hash, created int64
		l.Stream = stream
		err := rows.Scan(&l.ID, &l.Kind, &l.Key, &hash, &l.Reason, &l.Version, &created, &l.Rereading)
		l.KeyHash, l.CreatedAt = uint64(hash), instant(created)
		return err
	}, deadLettersSQL, tenant, stream, limit)
}

const sealedLetterSQL = `
SELECT sealed
FROM   dead_letter
WHERE  tenant_id = $1 AND stream_id = $2 AND letter_id = $3 AND resolved = ''`

// SealedLetter returns the row of a waiting letter as the writer sealed it.
func (s *Store) SealedLetter(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, id int64) ([]byte, error) {
	var sealed []byte
	if err := s.read.QueryRowContext(ctx, sealedLetterSQL, tenant, stream, id).Scan(&sealed); err != nil {
		return nil, fmt.Errorf("dead letter %d: %w", id, found(err))
	}
	return sealed, nil
}

const askRereadSQL = `
UPDATE dead_letter
SET    rereading = 1
WHERE  tenant_id = $1 AND stream_id = $2 AND letter_id = $3 AND resolved = ''`

// AskReread asks the agent, at its next check-in, for the row of a waiting letter: its cause is mended.
func (s *Store) AskReread(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, id int64) error {
	return s.one(ctx, fmt.Sprintf("ask for dead letter %d again", id), askRereadSQL, tenant, stream, id)
}

const rereadsSQL = `
SELECT letter_id, kind, key_bytes
FROM   dead_letter
WHERE  tenant_id = $1 AND stream_id = $2 AND resolved = '' AND rereading = 1
ORDER  BY letter_id
LIMIT  $3`

// Rereads returns the rows that the agent is asked to read again, oldest first.
func (s *Store) Rereads(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, limit int) ([]protocol.Reread, error) {
	return list(ctx, s.read, "rereads", func(rows *sql.Rows, r *protocol.Reread) error {
		return rows.Scan(&r.ID, &r.Kind, &r.Key)
	}, rereadsSQL, tenant, stream, limit)
}

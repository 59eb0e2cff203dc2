package store

import (
	"context"
	"database/sql"
	"fmt"

	"lessor.dk/portalsync/protocol"
)

// ApplyOptions stamps the rows of an Apply.
type ApplyOptions struct {
	CapturedAt int64 // unix ms, the agent's
	ReceivedAt int64 // unix ms, the portal's
	KeepFilled bool  // leave a stored row as it is if the staged one would empty a field that it has filled
}

// Applied counts what an Apply did.
type Applied struct {
	Changed   int64 // rows inserted or rewritten
	Unchanged int64 // rows that were there already, and were not rewritten
	Kept      int64 // of these, rows that differ and were left as they are by KeepFilled
	Deleted   int64 // rows deleted or, while their kind is running, taken out of the snapshot and left to the sweep
}

// writing is what a dialect must know to write staged rows.
type writing struct {
	tenant   protocol.TenantID
	stream   protocol.StreamID
	kind     string
	snapshot protocol.SnapshotID // 0 unless the kind is running or sweeping
	ApplyOptions
	repeated bool // the stage may hold two rows of one key
}

// snapshotID is the snapshot as a column's value: null when there is none.
func (w writing) snapshotID() sql.NullInt64 {
	return sql.NullInt64{Int64: int64(w.snapshot), Valid: w.snapshot != 0}
}

// Apply writes a stage: rows whose content differs are inserted or rewritten, rows found unchanged are not touched,
// deletes follow. Applying the same stage again changes nothing. With KeepFilled a row that would empty a filled field
// is not written: the stored one keeps its content and its row hash, and counts as found unchanged.
//
// Every row written while its kind is running or sweeping gets the kind's snapshot id in the same write; a row found
// unchanged gets a mark beside the table instead. While the kind is running a delete only takes id and mark off the
// row, and the sweep removes it; otherwise deletes are immediate. A row to be kept gets a mark under the same condition,
// whether or not it is stored, and nothing else: it is in no count and supersedes no dead letter. Rows of a kind that is
// needed or suspended are ErrKindClosed. Waiting dead letters of the other rows' keys are superseded.
func (tx *StreamTx) Apply(ctx context.Context, st *Stage, o ApplyOptions) (Applied, error) {
	w, state, err := tx.writing(st)
	if err != nil {
		return Applied{}, fmt.Errorf("apply rows of %s: %w", st.kind.Name, err)
	}
	w.ApplyOptions = o
	var a Applied
	if n := int64(st.rows.upserts()); n > 0 {
		if a.Changed, a.Kept, err = tx.upsert(ctx, st, w); err != nil {
			return Applied{}, fmt.Errorf("apply rows of %s: %w", st.kind.Name, err)
		}
		a.Changed = min(a.Changed, n)
		a.Unchanged = n - a.Changed
		if a.Unchanged > 0 {
			if err := tx.mark(ctx, w.kind, w.snapshot, true, st.upserted); err != nil {
				return Applied{}, err
			}
		}
	}
	if err := tx.mark(ctx, w.kind, w.snapshot, true, st.kept); err != nil {
		return Applied{}, err
	}
	if st.rows.removes() > 0 {
		remove := tx.bulk.remove
		if state == protocol.KindRunning {
			remove = tx.bulk.unmark
		}
		if a.Deleted, err = remove(ctx, st.rows, w); err != nil {
			return Applied{}, fmt.Errorf("delete rows of %s: %w", st.kind.Name, err)
		}
		if err := tx.mark(ctx, w.kind, w.snapshot, false, st.removed); err != nil {
			return Applied{}, err
		}
	}
	if err := tx.supersede(ctx, st); err != nil {
		return Applied{}, err
	}
	return a, nil
}

func (tx *StreamTx) writing(st *Stage) (writing, protocol.KindState, error) {
	k, err := tx.kind(st.kind.Name)
	if err != nil {
		return writing{}, "", err
	}
	w := writing{tenant: tx.stream.Tenant, stream: tx.stream.ID, kind: st.kind.Name, repeated: st.keys.repeated}
	switch k.State {
	case protocol.KindOK:
	case protocol.KindRunning, protocol.KindSweeping:
		w.snapshot = k.Snapshot
	case protocol.KindNeeded, protocol.KindSuspended:
		return w, k.State, ErrKindClosed
	}
	return w, k.State, nil
}

// CountRows counts the tenant's rows of one of the stream's kinds, but no further than limit: the delete guard asks
// whether there are at least so many, and counting a large table would cost more than the batch.
func (tx *StreamTx) CountRows(ctx context.Context, kind string, limit int64) (int64, error) {
	if _, err := tx.kind(kind); err != nil {
		return 0, err
	}
	query := `
SELECT COUNT(*)
FROM   (SELECT 1 AS one FROM ` + tableName(kind) + ` WHERE tenant_id = $1 AND stream_id = $2 LIMIT $3) AS r`
	var n int64
	if err := tx.tx().QueryRowContext(ctx, query, tx.stream.Tenant, tx.stream.ID, limit).Scan(&n); err != nil {
		return 0, fmt.Errorf("count rows of %s: %w", kind, err)
	}
	return n, nil
}

// BlankedBy counts the staged rows that would empty at least one field which the stored row has filled, for the
// blanking guard. It changes nothing. It costs about half of an Apply: ask only when the stage could exceed the limit.
func (tx *StreamTx) BlankedBy(ctx context.Context, st *Stage) (int64, error) {
	w, _, err := tx.writing(st)
	if err != nil {
		return 0, fmt.Errorf("count blanked rows of %s: %w", st.kind.Name, err)
	}
	n, err := tx.bulk.blanked(ctx, st.rows, w)
	if err != nil {
		return 0, fmt.Errorf("count blanked rows of %s: %w", st.kind.Name, err)
	}
	return n, nil
}

// affected returns how many rows a statement changed.
func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

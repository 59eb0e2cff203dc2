package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// kindRow is the portal's row of one record kind of a stream.
type kindRow struct {
	protocol.KindStatus // Held is what hold says
	hold                Hold
	blanked             int64 // see [StreamTx.Blanks]
	cause               Cause
	planned             bool
	letters             int64 // dead letters that wait
}

const kindsSQL = `
SELECT k.kind, k.state, k.snapshot_id, k.last_key, k.epoch, k.held, k.blanked, k.cause, k.planned, k.letters
FROM   stream_kind k
WHERE  k.tenant_id = $1 AND k.stream_id = $2`

// readKinds returns the kinds of a stream, parents first.
func readKinds(ctx context.Context, q queryer, tenant protocol.TenantID, stream protocol.StreamID) ([]kindRow, error) {
	kinds, err := list(ctx, q, "record kinds", func(rows *sql.Rows, k *kindRow) error {
		err := rows.Scan(&k.Kind, &k.State, &k.Snapshot, &k.LastKey, &k.Epoch, &k.hold, &k.blanked, &k.cause, &k.planned, &k.letters)
		k.Held = k.hold.waits()
		return err
	}, kindsSQL, tenant, stream)
	slices.SortFunc(kinds, func(a, b kindRow) int { return cmp.Compare(record.Order(a.Kind), record.Order(b.Kind)) })
	return kinds, err
}

func statuses(kinds []kindRow) []protocol.KindStatus {
	out := make([]protocol.KindStatus, len(kinds))
	for i, k := range kinds {
		out[i] = k.KindStatus
	}
	return out
}

const saveKindSQL = `
INSERT INTO stream_kind (tenant_id, stream_id, kind, state, snapshot_id, last_key, epoch, held, blanked, cause, planned, sweep_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '')
ON CONFLICT (tenant_id, stream_id, kind) DO UPDATE
SET state = excluded.state, snapshot_id = excluded.snapshot_id, last_key = excluded.last_key, epoch = excluded.epoch,
    held = excluded.held, blanked = excluded.blanked, cause = excluded.cause, planned = excluded.planned, sweep_key = ''`

// saveKind writes a kind's row and starts its sweep, if any, from the beginning.
func saveKind(ctx context.Context, q queryer, tenant protocol.TenantID, stream protocol.StreamID, k kindRow) error {
	_, err := q.ExecContext(ctx, saveKindSQL, tenant, stream, k.Kind, k.State, k.Snapshot, k.LastKey, k.Epoch,
		k.hold, k.blanked, k.cause, flag(k.planned))
	if err != nil {
		return fmt.Errorf("save state of %s: %w", k.Kind, err)
	}
	return nil
}

// SuspendKind leaves a kind out until ReleaseKind.
func (s *Store) SuspendKind(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, kind string, cause Cause) error {
	return s.InStream(ctx, tenant, stream, func(tx *StreamTx) error {
		return tx.SetKind(ctx, protocol.KindStatus{Kind: kind, State: protocol.KindSuspended}, cause)
	})
}

// ReleaseKind lets go what waits for a person: a suspended kind becomes needed, never ok and never what it was;
// a held sweep may run; a kind that is held for blanks becomes needed, to be read again, and its rows may empty fields
// until that snapshot has ended. A kind in another state is left alone.
func (s *Store) ReleaseKind(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, kind string) error {
	return s.InStream(ctx, tenant, stream, func(tx *StreamTx) error {
		k, err := tx.kind(kind)
		switch {
		case err != nil:
			return err
		case k.State == protocol.KindSuspended && k.planned:
			return tx.SetKind(ctx, protocol.KindStatus{Kind: kind, State: protocol.KindNeeded}, Cause{})
		case k.hold == HoldBlanks:
			k.KindStatus = protocol.KindStatus{Kind: kind, State: protocol.KindNeeded}
			k.hold, k.blanked, k.cause = HoldPassed, 0, Cause{}
			return tx.saveKind(ctx, k)
		case k.Held:
			k.Held = false
			return tx.SetKind(ctx, k.KindStatus, Cause{})
		}
		return nil
	})
}

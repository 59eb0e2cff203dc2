package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"lessor.dk/portalsync/protocol"
)

// MendHashes sets the row hash of those of the named records whose tables hold something else than what their hash was
// made of to the hash of what is there, so that the row is rewritten when it comes again. It returns how many there were.
// A generation that is over, and a kind that is not ok, is left alone.
func (s *Store) MendHashes(ctx context.Context, of DigestOf, gen protocol.Generation, hashes []uint64) (mended int64, err error) {
	if len(hashes) == 0 {
		return 0, nil
	}
	kind := of.Schema.Record
	err = s.InStream(ctx, of.Tenant, of.Stream, func(tx *StreamTx) error {
		k, err := tx.kind(kind.Name)
		if err != nil || k.State != protocol.KindOK || tx.stream.Gen != gen {
			return err
		}
		type spoilt struct {
			hash int64
			key  []any
		}
		var found []spoilt
		of.Content = true
		err = s.digest(ctx, tx.tx(), of, digestWhere{hashes: hashes, cells: true}, func(r *digestRow) error {
			if r.pair.Row != r.stored {
				found = append(found, spoilt{int64(r.pair.Row), keyArguments(of.Schema, r.values)})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, f := range found {
			args := []any{of.Tenant, of.Stream, f.hash}
			query := "UPDATE " + tableName(kind.Name) + " SET row_hash = $3 WHERE tenant_id = $1 AND stream_id = $2" +
				keyBound(kind.Key, "=", f.key, &args)
			n, err := affected(tx.tx().ExecContext(ctx, query, args...))
			if err != nil {
				return fmt.Errorf("mend hashes of %s: %w", kind.Name, err)
			}
			mended += n
		}
		return nil
	})
	return mended, err
}

// keyArguments returns a record's key in the kind's order.
func keyArguments(s *protocol.SectionSchema, values []protocol.Value) []any {
	key := make([]any, len(s.Record.Key))
	for n, name := range s.Record.Key {
		for _, i := range s.Key {
			if s.Fields[i].Name == name {
				key[n] = argument(s.Types[i], &values[i])
			}
		}
	}
	return key
}

const saveVerifiedSQL = `
INSERT INTO verification (tenant_id, stream_id, kind, verified_at, position, row_count, differences, at_least, mended, unreadable, error)
SELECT tenant_id, stream_id, kind, $4, $5, $6, $7, $8, $9, $10, CAST($11 AS TEXT)
FROM   stream_kind
WHERE  tenant_id = $1 AND stream_id = $2 AND kind = $3
ON CONFLICT (tenant_id, stream_id, kind) DO UPDATE
SET verified_at = excluded.verified_at, position = excluded.position, row_count = excluded.row_count,
    differences = excluded.differences, at_least = excluded.at_least, mended = excluded.mended,
    unreadable = excluded.unreadable, error = excluded.error`

// SaveVerified keeps the outcome of a kind's last verification. A kind that the stream lacks is ErrNotFound.
func (s *Store) SaveVerified(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, v protocol.Verification) error {
	return s.one(ctx, "save verification of "+strings.ToValidUTF8(v.Kind, ""), saveVerifiedSQL, tenant, stream, v.Kind, v.At, v.Position, v.Rows,
		v.Differences, flag(v.AtLeast), flag(v.Mended), v.Unreadable, v.Error)
}

const verifiedSQL = `
SELECT kind, verified_at, position, row_count, differences, at_least, mended, unreadable, error
FROM   verification
WHERE  tenant_id = $1 AND stream_id = $2`

// Verified is the outcome of a kind's last verification, for operations: it holds no tenant data.
type Verified struct {
	protocol.Verification
	VerifiedAt time.Time
}

// Verified returns the last verification of each of the stream's kinds that was verified, by kind.
func (s *Store) Verified(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) (map[string]Verified, error) {
	all, err := list(ctx, s.read, "verifications", func(rows *sql.Rows, v *Verified) error {
		err := rows.Scan(&v.Kind, &v.At, &v.Position, &v.Rows, &v.Differences, &v.AtLeast, &v.Mended, &v.Unreadable, &v.Error)
		v.VerifiedAt = instant(v.At)
		return err
	}, verifiedSQL, tenant, stream)
	byKind := map[string]Verified{}
	for _, v := range all {
		byKind[v.Kind] = v
	}
	return byKind, err
}

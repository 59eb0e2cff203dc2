package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const keepSQL = `
INSERT INTO snapshot_mark (tenant_id, stream_id, kind, snapshot_id, key_hash)
VALUES `

const keptPerStatement = 256

// keep marks the stage's rows to be kept as held by the running snapshot. Without one nothing sweeps them.
func (tx *StreamTx) keep(ctx context.Context, st *Stage, w writing) error {
	if w.snapshot == 0 {
		return nil
	}
	for hashes := range slices.Chunk(st.kept, keptPerStatement) {
		args := []any{w.tenant, w.stream, w.kind, w.snapshot}
		rows := make([]string, len(hashes))
		for i, hash := range hashes {
			args = append(args, int64(hash))
			rows[i] = "($1, $2, $3, $4, $" + strconv.Itoa(len(args)) + ")"
		}
		query := keepSQL + strings.Join(rows, ", ") + " ON CONFLICT DO NOTHING"
		if _, err := tx.tx().ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("keep rows of %s: %w", w.kind, err)
		}
	}
	return nil
}

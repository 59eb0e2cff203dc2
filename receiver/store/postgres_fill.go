package store

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
)

// clear deletes by place: see isStored.
func (t *copyTx) clear(ctx context.Context, st *Stage, w writing) error {
	places, args := st.stored("ctid", Stream{Tenant: w.tenant, ID: w.stream}, 2*len(st.upserted))
	query := "DELETE FROM " + tableName(w.kind) + " AS r WHERE r.ctid = ANY (ARRAY(" + places + "))" //nolint:gosec // names of the catalogue and parameters
	if _, err := t.sqlTx.ExecContext(ctx, query, postgres{}.replan(args...)...); err != nil {
		return fmt.Errorf("clear a range of keys: %w", err)
	}
	return nil
}

// fill copies straight into the record table: half the work of copying to a staging table and inserting from there, as
// COPY writes whole pages and needs no look for a conflict.
func (t *copyTx) fill(ctx context.Context, rows stagedRows, w writing) (n int64, err error) {
	c := rows.(*copyRows)
	text := "COPY " + tableName(w.kind) + " (" + ownerColumns + ", " + strings.Join(fieldNames(c.kind), ", ") + ", " +
		stampColumns + ", " + writeColumns + ") FROM STDIN"
	err = t.conn.Raw(func(driverConn any) error {
		tag, err := driverConn.(*stdlib.Conn).Conn().PgConn().CopyFrom(ctx, bytes.NewReader(c.complete(w)), text)
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("copy to %s: %w", tableName(w.kind), err)
	}
	return n, nil
}

// complete returns the upserts as lines of the record table: owner before each and writing stamps behind it.
func (c *copyRows) complete(w writing) []byte {
	owner := strconv.AppendInt(nil, int64(w.tenant), 10)
	owner = append(strconv.AppendInt(append(owner, '\t'), int64(w.stream), 10), '\t')
	stamps := []byte("\t\\N")
	if w.snapshot != 0 {
		stamps = strconv.AppendInt([]byte{'\t'}, int64(w.snapshot), 10)
	}
	stamps = strconv.AppendInt(append(stamps, '\t'), w.CapturedAt, 10)
	stamps = append(strconv.AppendInt(append(stamps, '\t'), w.ReceivedAt, 10), '\n')
	out := make([]byte, 0, len(c.up)+len(c.ends)*(len(owner)+len(stamps)))
	begin := 0
	for _, end := range c.ends {
		out = append(out, owner...)
		out = append(out, c.up[begin:end-len("\n")]...)
		out = append(out, stamps...)
		begin = end
	}
	return out
}

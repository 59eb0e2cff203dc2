package store

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
)

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

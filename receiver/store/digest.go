package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// DigestOf says which records a digest is of.
type DigestOf struct {
	Tenant protocol.TenantID
	Stream protocol.StreamID
	// Schema is the kind's schema as the agent sends it; it has passed [protocol.Schema.Check].
	Schema *protocol.SectionSchema
	// Content has row hashes made of what the table holds, instead of those that came with the rows. It reads
	// every column.
	Content bool
}

// DigestSums condenses a kind into 2^bits buckets. It reads the kind once, in no order, and holds nothing but the buckets.
func (s *Store) DigestSums(ctx context.Context, of DigestOf, bits int) (*protocol.Digest, error) {
	d := protocol.NewDigest(bits)
	err := s.digest(ctx, s.read, of, digestWhere{}, func(r *digestRow) error {
		d.Add(r.pair)
		return nil
	})
	return d, err
}

// DigestPairs returns the hashes of the records in the given buckets of 2^bits, from a key hash on and in ascending order
// of it, at most limit of them, and whether there are more. More than one record may have a key hash; all of them stand
// in one answer, which is then longer than limit.
func (s *Store) DigestPairs(ctx context.Context, of DigestOf, bits int, buckets []int, from uint64, limit int) ([]protocol.Pair, bool, error) {
	var pairs []protocol.Pair
	err := s.digest(ctx, s.read, of, digestWhere{bits: bits, buckets: buckets, from: from, sorted: true}, func(r *digestRow) error {
		if len(pairs) >= limit && r.pair.Key != pairs[len(pairs)-1].Key {
			return errEnough
		}
		pairs = append(pairs, r.pair)
		return nil
	})
	if errors.Is(err, errEnough) {
		return pairs, true, nil
	}
	return pairs, false, err
}

// DigestKeys returns the records of the given key hashes with their keys, from a key hash on and in ascending order of
// it, as many as encode to limit bytes but at least one, and whether there are more.
func (s *Store) DigestKeys(ctx context.Context, of DigestOf, hashes []uint64, from uint64, limit int) (keys []protocol.KeyedPair, more bool, err error) {
	if len(hashes) == 0 {
		return nil, false, nil
	}
	size := 0
	err = s.digest(ctx, s.read, of, digestWhere{hashes: hashes, from: from, sorted: true, cells: true}, func(r *digestRow) error {
		k := protocol.KeyedPair{Pair: r.pair, Bytes: protocol.KeyBytes(of.Schema, r.values)}
		size += len(protocol.AppendKeyedPair(nil, k))
		if size > limit && len(keys) > 0 && r.pair.Key != keys[len(keys)-1].Key {
			return errEnough
		}
		keys = append(keys, k)
		return nil
	})
	if errors.Is(err, errEnough) {
		return keys, true, nil
	}
	return keys, false, err
}

// errEnough ends a read that has what it wants.
var errEnough = errors.New("enough")

// digestWhere narrows a digest's records. The zero value is all of the kind.
type digestWhere struct {
	bits    int
	buckets []int    // of 2^bits; nil is every bucket
	hashes  []uint64 // nil is every key hash
	from    uint64
	sorted  bool // by key hash, ascending
	cells   bool // the callback looks at values
}

// text returns the condition and the order. Numbers that are the same for all rows stand in the text.
func (w digestWhere) text(args *[]any) string {
	var b strings.Builder
	if w.buckets != nil && w.bits > 0 {
		fmt.Fprintf(&b, " AND ((key_hash >> %d) & %d) IN (", 64-w.bits, 1<<w.bits-1)
		for i, n := range w.buckets {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteByte(')')
	}
	if w.hashes != nil {
		b.WriteString(" AND key_hash IN (")
		for i, h := range w.hashes {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.FormatInt(int64(h), 10))
		}
		b.WriteByte(')')
	}
	// The column holds the hash's bits as a signed number: the upper half of the hashes is negative and comes last.
	switch from := int64(w.from); {
	case from > 0:
		*args = append(*args, from)
		fmt.Fprintf(&b, " AND (key_hash < 0 OR key_hash >= $%d)", len(*args))
	case from < 0:
		*args = append(*args, from)
		fmt.Fprintf(&b, " AND key_hash < 0 AND key_hash >= $%d", len(*args))
	}
	if w.sorted {
		b.WriteString(" ORDER BY (key_hash < 0), key_hash")
	}
	return b.String()
}

// digestRow is one record on its way into a digest. It is valid until the next.
type digestRow struct {
	pair   protocol.Pair
	stored uint64           // the row hash that came with the row
	values []protocol.Value // in the schema's order; only when cells were read
}

// digest calls found for every record. An error of found ends the read and is returned unwrapped.
func (s *Store) digest(ctx context.Context, q queryer, of DigestOf, w digestWhere, found func(*digestRow) error) (err error) {
	kind := of.Schema.Record
	columns, cells := "key_hash, row_hash", cellReader(nil)
	if of.Content || w.cells {
		for _, f := range of.Schema.Fields {
			columns += ", " + f.Name
		}
		cells = newCellReader(of.Schema)
	}
	args := []any{of.Tenant, of.Stream}
	query := "SELECT " + columns + " FROM " + tableName(kind.Name) + " WHERE tenant_id = $1 AND stream_id = $2" + w.text(&args)
	rows, err := q.QueryContext(ctx, query, s.dialect.replan(args...)...)
	if err != nil {
		return fmt.Errorf("digest of %s: %w", kind.Name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var keyHash, rowHash int64
	targets := append([]any{&keyHash, &rowHash}, cells.targets()...)
	r := digestRow{values: make([]protocol.Value, len(cells))}
	var hasher protocol.Hasher
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("digest of %s: %w", kind.Name, err)
		}
		r.stored = uint64(rowHash)
		r.pair = protocol.Pair{Key: uint64(keyHash), Row: r.stored}
		cells.values(r.values)
		if of.Content {
			r.pair.Row = hasher.StoredPair(of.Schema, r.values).Row
		}
		if err := found(&r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("digest of %s: %w", kind.Name, err)
	}
	return nil
}

// cellReader takes the cells of rows out of their columns.
type cellReader []columnCell

type columnCell struct {
	kind record.Type
	n    sql.NullInt64
	s    sql.NullString
	b    []byte
}

func newCellReader(s *protocol.SectionSchema) cellReader {
	c := make(cellReader, len(s.Types))
	for i, t := range s.Types {
		c[i].kind = t
	}
	return c
}

func (c cellReader) targets() []any {
	targets := make([]any, len(c))
	for i := range c {
		switch {
		case isInteger(c[i].kind):
			targets[i] = &c[i].n
		case c[i].kind == record.Bytes:
			targets[i] = &c[i].b
		default:
			targets[i] = &c[i].s
		}
	}
	return targets
}

// values are the cells as they were on the wire.
func (c cellReader) values(into []protocol.Value) {
	for i := range c {
		cell := &c[i]
		switch {
		case cell.kind == record.Bool && cell.n.Valid:
			into[i] = protocol.BoolValue(cell.n.Int64 != 0)
		case isInteger(cell.kind) && cell.n.Valid:
			into[i] = protocol.IntValue(cell.n.Int64)
		case cell.kind == record.Bytes && cell.b != nil:
			into[i] = protocol.BytesValue(string(cell.b))
		case cell.s.Valid:
			into[i] = protocol.TextValue(cell.s.String)
		default:
			into[i] = protocol.NullValue()
		}
	}
}

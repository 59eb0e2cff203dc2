package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
)

// Chunk yields up to limit rows after the cursor in the order of the table's primary key, a row that cannot be
// converted as a Keep.
func (t *Tx) Chunk(ctx context.Context, kind string, after []byte, limit int, yield func(*protocol.Row) error) (last []byte, done bool, err error) {
	l, r, err := t.open(kind)
	if err != nil {
		return nil, false, err
	}
	s := &l.statements
	query := s.first
	var args []any
	if after != nil {
		query = s.next
		if args, err = decodeCursor(after, len(s.keyColumns)); err != nil {
			return nil, false, fmt.Errorf("read %s after cursor: %w", kind, err)
		}
	}
	args = append(args, int64(limit))
	key := make([]any, len(s.keyColumns))
	rows := 0
	err = t.scan(ctx, l, query, args, s.selected, func(dest []driver.Value) error {
		if r.Update(dest) || r.Keep(dest) {
			if err := yield(r.Row()); err != nil {
				return err
			}
		}
		rows++
		for i, place := range s.keyColumns {
			key[i] = dest[place]
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	if rows == 0 {
		return after, true, nil
	}
	return encodeCursor(key), rows < limit, nil
}

// ByKey yields the current row of each record key, a Delete when there is none, or a Keep when it cannot be converted.
func (t *Tx) ByKey(ctx context.Context, kind string, keys [][]protocol.Value, yield func(*protocol.Row) error) error {
	l, r, err := t.open(kind)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := r.CheckKey(key); err != nil {
			return err
		}
		if err := t.byKey(ctx, l, r, key, yield); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) byKey(ctx context.Context, l *layout, r *relational.Rows, key []protocol.Value, yield func(*protocol.Row) error) error {
	s := &l.statements
	args := make([]any, len(s.byKeyArgs))
	for i, place := range s.byKeyArgs {
		args[i] = key[place].S
	}
	found := false
	err := t.scan(ctx, l, s.byKey, args, s.selected, func(dest []driver.Value) error {
		if r.Key(dest) && r.Is(key) {
			found = true
			if r.Update(dest) || r.Keep(dest) {
				return yield(r.Row())
			}
		}
		return nil
	})
	if err != nil || found {
		return err
	}
	r.DeleteOf(key)
	return yield(r.Row())
}

// errCursor reports a cursor that this package did not write or that was damaged.
var errCursor = errors.New("the cursor is damaged; begin the snapshot anew")

// cursorVersion begins every cursor. A CRC-32 of everything before ends it; between them stands each key
// column's value as its storage class and content, because a key column may hold any class.
const cursorVersion = 1

// The storage classes in a cursor.
const (
	cursorInt   = 'i' // varint
	cursorFloat = 'f' // 8 bytes
	cursorText  = 't' // length, bytes
	cursorBytes = 'b' // length, bytes
)

func encodeCursor(key []any) []byte {
	b := []byte{cursorVersion}
	for _, v := range key {
		switch v := v.(type) {
		case int64:
			b = binary.AppendVarint(append(b, cursorInt), v)
		case float64:
			b = binary.BigEndian.AppendUint64(append(b, cursorFloat), math.Float64bits(v))
		case string:
			b = append(binary.AppendUvarint(append(b, cursorText), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(append(b, cursorBytes), uint64(len(v))), v...)
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func decodeCursor(b []byte, n int) ([]any, error) {
	if len(b) < 5 || b[0] != cursorVersion || crc32.ChecksumIEEE(b[:len(b)-4]) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return nil, errCursor
	}
	var key []any
	for b = b[1 : len(b)-4]; len(b) > 0; {
		class := b[0]
		v, rest, ok := decodeClass(class, b[1:])
		if !ok {
			return nil, errCursor
		}
		key, b = append(key, v), rest
	}
	if len(key) != n {
		return nil, errCursor
	}
	return key, nil
}

func decodeClass(class byte, b []byte) (v any, rest []byte, ok bool) {
	switch class {
	case cursorInt:
		n, size := binary.Varint(b)
		return n, b[max(size, 0):], size > 0
	case cursorFloat:
		if len(b) < 8 {
			return nil, nil, false
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), b[8:], true
	case cursorText, cursorBytes:
		length, size := binary.Uvarint(b)
		if size <= 0 || length > uint64(len(b)-size) {
			return nil, nil, false
		}
		content, rest := b[size:size+int(length)], b[size+int(length):]
		if class == cursorText {
			return string(content), rest, true
		}
		return slices.Clone(content), rest, true
	}
	return nil, nil, false
}

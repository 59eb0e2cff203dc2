package sqlserver

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"lessor.dk/portalsync/protocol"
)

// Chunk yields up to limit rows after the cursor in the order of the table's primary key, a row that cannot be converted
// as a Keep. After a cursor it goes through the statements that fix fewer and fewer columns of the key: mostly the first
// fills the chunk.
func (t *Tx) Chunk(ctx context.Context, kind string, after []byte, limit int, yield func(*protocol.Row) error) (last []byte, done bool, err error) {
	l, r, err := t.open(kind)
	if err != nil {
		return nil, false, err
	}
	s := &l.statements
	var fixed []any
	if after != nil {
		if fixed, err = decodeCursor(after, s.key); err != nil {
			return nil, false, fmt.Errorf("read %s after cursor: %w", kind, err)
		}
	}
	last = after
	rows := 0
	key := make([]driver.Value, len(s.key))
	read := func(query string, args []any) error {
		return t.scan(ctx, l, query, args, l.selected(), func(raw, dest []driver.Value) error {
			if r.Update(dest) || r.Keep(dest) {
				if err := yield(r.Row()); err != nil {
					return err
				}
			}
			rows++
			for i, place := range s.keyPlaces {
				key[i] = raw[place]
			}
			return nil
		})
	}
	if after == nil {
		err = read(s.first, []any{int64(limit)})
	}
	for i := len(fixed) - 1; i >= 0 && err == nil && rows < limit; i-- {
		err = read(s.next[i], append([]any{int64(limit - rows)}, fixed[:i+1]...))
	}
	if err != nil {
		return nil, false, err
	}
	if rows > 0 {
		if last, err = encodeCursor(s.key, key); err != nil {
			return nil, false, fmt.Errorf("read %s: %w", kind, err)
		}
	}
	return last, rows < limit, nil
}

// errCursor reports a cursor that this package did not write, that was damaged, or that belongs to another key.
var errCursor = errors.New("the cursor is damaged; begin the snapshot anew")

// cursorVersion begins every cursor. A CRC-32 of everything before ends it; between them stands each key column's value
// as [keyText] spells it: a number or a text.
const cursorVersion = 2

const (
	cursorInt  = 'i' // varint
	cursorText = 't' // length, bytes
)

func encodeCursor(key []column, values []driver.Value) ([]byte, error) {
	b := []byte{cursorVersion}
	for i, c := range key {
		v, err := keyText(c, values[i])
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case int64:
			b = binary.AppendVarint(append(b, cursorInt), v)
		case string:
			b = append(binary.AppendUvarint(append(b, cursorText), uint64(len(v))), v...)
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)), nil
}

// decodeCursor returns the parameters of a cursor.
func decodeCursor(b []byte, key []column) ([]any, error) {
	if len(b) < 5 || b[0] != cursorVersion || crc32.ChecksumIEEE(b[:len(b)-4]) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return nil, errCursor
	}
	b = b[1 : len(b)-4]
	args := make([]any, len(key))
	for i, c := range key {
		if len(b) == 0 || (b[0] == cursorInt) != c.whole() {
			return nil, errCursor
		}
		if b[0] == cursorInt {
			n, size := binary.Varint(b[1:])
			if size <= 0 {
				return nil, errCursor
			}
			args[i], b = n, b[1+size:]
			continue
		}
		length, size := binary.Uvarint(b[1:])
		if size <= 0 || length > uint64(len(b)-1-size) {
			return nil, errCursor
		}
		end := 1 + size + int(length)
		args[i], b = parameter(string(b[1+size:end])), b[end:]
	}
	if len(b) > 0 {
		return nil, errCursor
	}
	return args, nil
}

package sqlserver

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"lessor.dk/portalsync/agent/source/cell"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
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
	}
	step := 1
	if len(l.statements.byKeyArgs) == 0 {
		step = max(1, len(keys)) // every look reads the whole table, so there is one for all
	}
	for ; len(keys) > 0; keys = keys[min(step, len(keys)):] {
		if err := t.byKey(ctx, l, r, keys[:step], yield); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) byKey(ctx context.Context, l *layout, r *relational.Rows, keys [][]protocol.Value, yield func(*protocol.Row) error) error {
	s := &l.statements
	args := make([]any, len(s.byKeyArgs))
	for i, place := range s.byKeyArgs {
		args[i] = l.keyArgument(place, keys[0][place])
	}
	found := make([]bool, len(keys))
	err := t.scan(ctx, l, s.byKey, args, l.selected(), func(_, dest []driver.Value) error {
		if !r.Key(dest) {
			return nil
		}
		for i := range keys {
			if !r.Is(keys[i]) {
				continue
			}
			found[i] = true
			if r.Update(dest) || r.Keep(dest) {
				return yield(r.Row())
			}
			return nil
		}
		return nil
	})
	for i := 0; i < len(keys) && err == nil; i++ {
		if !found[i] {
			r.DeleteOf(keys[i])
			err = yield(r.Row())
		}
	}
	return err
}

// keyArgument returns a record key's value as the parameter by which rows are sought.
func (l *layout) keyArgument(place int, v protocol.Value) any {
	for _, f := range l.kind.Fields {
		if f.Name == l.kind.Record.Key[place] && v.Kind == protocol.Int {
			if f.Type == record.Date {
				return parameter(cell.Format(f.Field, v, time.UTC) + "T00:00:00")
			}
			return parameter(fmt.Sprint(v.N))
		}
	}
	return parameter(v.S)
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

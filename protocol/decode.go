package protocol

import (
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// errUnread reports a caller that moves on before it has read a section's rows.
var errUnread = errors.New("protocol: section left before its last row")

// Decoder reads a batch: the header at once, then section by section, row by row. It accepts exactly what
// an [Encoder] writes: whatever it reads without error encodes to the same bytes again.
// It is not safe for concurrent use.
type Decoder struct {
	in      reader
	schemas func(SchemaHash) (*SectionSchema, bool)
	header  Header
	total   int // rows of the batch
	read    int // rows read
	section *SectionSchema
	left    int // rows of the section not read yet
	rowBuf  []byte
	keyBuf  []byte
}

// DecodedRow is a row with the hashes by which the store tells whether it changed: xxHash64 over the
// canonical bytes of the key cells, and of all cells with absent ones as null.
type DecodedRow struct {
	Row
	KeyHash, RowHash uint64
}

// NewDecoder reads the header of an encoded batch. Schemas returns the schema of a hash, or false.
// The input is copied once: the caller may reuse b, and texts of rows stay valid.
func NewDecoder(b []byte, schemas func(SchemaHash) (*SectionSchema, bool)) (*Decoder, error) {
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("decode batch: %w", ErrTruncated)
	case b[0] != EncodingVersion:
		return nil, fmt.Errorf("decode batch: first byte is %#02x, want %#02x: %w", b[0], EncodingVersion, ErrVersionByte)
	case len(b) > maxEncodedBytes:
		return nil, fmt.Errorf("decode batch: %d bytes, at most %d: %w", len(b), maxEncodedBytes, ErrTooLarge)
	}
	d := &Decoder{in: reader{in: string(b), pos: 1}, schemas: schemas}
	head := reader{in: d.in.in[:min(len(b), 1+maxHeaderBytes)], pos: 1}
	h, rows, err := readHeader(&head)
	d.in.pos = head.pos
	if errors.Is(err, ErrTruncated) && len(head.in) < len(b) {
		err = ErrTooLarge
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("decode batch: header: byte %d: %w", d.in.pos, err)
	case rows < 0:
		return nil, fmt.Errorf("decode batch: header: %d rows: %w", rows, ErrCount)
	case rows > MaxBatchRows, rows > 1 && len(b) > MaxBatchBytes:
		return nil, fmt.Errorf("decode batch: %d rows in %d bytes: %w", rows, len(b), ErrTooLarge)
	}
	d.header, d.total = h, int(rows)
	return d, nil
}

// maxEncodedBytes bounds a whole batch: one row of the largest size, its section item and the header.
const maxEncodedBytes = MaxRowBytes + maxHeaderBytes + 1<<10

// Header returns the batch's header. Who opened the batch compares its StreamHeader with the one it was sent under.
func (d *Decoder) Header() Header { return d.header }

// NextSection moves to the next section and returns its schema and number of rows, at least 1.
// At the clean end of the batch it returns [io.EOF]. All rows of a section are to be read before the next.
func (d *Decoder) NextSection() (*SectionSchema, int, error) {
	if d.left > 0 {
		return nil, 0, errUnread
	}
	if d.read == d.total {
		if d.in.left() > 0 {
			return nil, 0, fmt.Errorf("decode batch: byte %d: %w", d.in.pos, ErrTrailing)
		}
		return nil, 0, io.EOF
	}
	s, rows, err := d.readSection()
	if err != nil {
		return nil, 0, fmt.Errorf("decode batch: section at row %d: byte %d: %w", d.read, d.in.pos, err)
	}
	d.section, d.left = s, rows
	return s, rows, nil
}

// readSection reads a section item: [kind, schema hash, row count].
func (d *Decoder) readSection() (*SectionSchema, int, error) {
	if err := d.in.arrayOf(3); err != nil {
		return nil, 0, err
	}
	kind, err := d.in.text()
	if err != nil {
		return nil, 0, err
	}
	sum, err := d.in.string(majorBytes)
	if err != nil {
		return nil, 0, err
	}
	rows, err := d.in.uint()
	if err != nil {
		return nil, 0, err
	}
	if len(sum) != len(SchemaHash{}) {
		return nil, 0, ErrShape
	}
	s, ok := d.schemas(SchemaHash([]byte(sum)))
	switch {
	case !ok, s.hash != SchemaHash([]byte(sum)), s.Kind != kind, !s.usable:
		return nil, 0, ErrSchema
	case d.section != nil && d.section.hash == s.hash:
		return nil, 0, ErrCanonical // these rows belong to the section before
	case rows == 0 || rows > uint64(d.total-d.read):
		return nil, 0, ErrCount
	}
	return s, int(rows), nil
}

// Row reads the section's next row into r, whose Values it reuses. After the section's last row it
// returns [io.EOF]. Errors are [RowError]s; nothing can be read after one.
func (d *Decoder) Row(r *DecodedRow) error {
	if d.left == 0 {
		return io.EOF
	}
	field, err := d.row(r)
	if err != nil {
		rowErr := &RowError{Kind: d.section.Kind, Row: d.read, Err: err}
		if field >= 0 {
			rowErr.Field = d.section.Fields[field].Name
		}
		return rowErr
	}
	d.left--
	d.read++
	return nil
}

// row reads one row array. On an error field is the place of the cell, or -1.
func (d *Decoder) row(r *DecodedRow) (field int, err error) {
	present, err := d.rowHead(r)
	if err != nil {
		return -1, err
	}
	s, n := d.section, len(d.section.Fields)
	if i, err := checkPresent(s, r.Op, present); err != nil {
		return i, err
	}
	if cap(r.Values) < n {
		r.Values = make([]Value, n)
	}
	r.Values = r.Values[:n]
	begin, keyBegin, keyEnd := d.in.pos, 0, 0
	d.rowBuf, d.keyBuf = d.rowBuf[:0], d.keyBuf[:0]
	for i, t := range s.Types {
		bit := uint64(1) << i
		if present&bit == 0 {
			r.Values[i] = Value{}
			d.rowBuf = append(d.rowBuf, itemNull)
			continue
		}
		start := d.in.pos
		if err := d.in.cell(t, &r.Values[i]); err != nil {
			return i, err
		}
		if present != s.allMask {
			d.rowBuf = append(d.rowBuf, d.in.in[start:d.in.pos]...)
		}
		if s.keyMask&bit == 0 {
			continue
		}
		if i == s.Key[0] {
			keyBegin = start
		}
		keyEnd = d.in.pos
		if !s.runKey {
			d.keyBuf = append(d.keyBuf, d.in.in[start:d.in.pos]...)
		}
	}
	r.RowHash = d.hash(present == s.allMask, begin, d.in.pos, d.rowBuf)
	r.KeyHash = d.hash(s.runKey, keyBegin, keyEnd, d.keyBuf)
	return -1, nil
}

// rowHead reads a row up to its cells and returns which cells are there.
func (d *Decoder) rowHead(r *DecodedRow) (present uint64, err error) {
	items, err := d.in.array()
	if err != nil {
		return 0, err
	}
	op, err := d.in.uint()
	if err != nil {
		return 0, err
	}
	version, err := d.in.int()
	if err != nil {
		return 0, err
	}
	present = d.section.allMask
	if !d.in.null() {
		if present, err = d.in.uint(); err != nil {
			return 0, err
		}
		if present == d.section.allMask {
			return 0, ErrCanonical
		}
	}
	switch {
	case op > uint64(Keep), op == uint64(Keep) && d.header.Chunk == nil:
		return 0, ErrShape
	case present&^d.section.allMask != 0, items != rowHead+bits.OnesCount64(present):
		return 0, ErrShape
	}
	r.Op, r.Version = Op(op), Position(version)
	return present, nil
}

// hash reads xxHash64 over the input between two places, or over buf where the bytes do not stand side by side there.
func (d *Decoder) hash(inPlace bool, begin, end int, buf []byte) uint64 {
	if inPlace {
		return xxhash.Sum64String(d.in.in[begin:end])
	}
	return xxhash.Sum64(buf)
}

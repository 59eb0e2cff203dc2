package protocol

import (
	"errors"
	"fmt"
	"math/bits"
)

// EncodingVersion is the first byte of every batch.
//
//	1  2026-11  CBOR sequence, one array per row
const EncodingVersion byte = 0x01

// Encoder builds batches: rows first, then [Encoder.Finish] with the header. It is reusable and
// keeps its buffers, so encoding a row allocates nothing. It is not safe for concurrent use.
type Encoder struct {
	rows     []byte    // encoded rows of all sections
	sections []section // consecutive rows of one schema
	count    int
	keeps    int // of count
}

type section struct {
	schema *SectionSchema
	start  int // where its rows begin in Encoder.rows
	rows   int
}

// NewEncoder returns an empty Encoder.
func NewEncoder() *Encoder { return &Encoder{} }

// Row adds a row. Consecutive rows of one schema share a section.
//
// [ErrFull] says that the batch has no room for the row (MaxBatchRows, MaxBatchBytes): finish it and
// add the row to the next; a batch's first row never gets it. A row over MaxRowBytes is [ErrTooLarge].
// A row that may not be sent is a [RowError] of [ErrForm], [ErrNull], [ErrText], [ErrRange], [ErrTooLarge]
// or [ErrSchema]. After any error the batch is what it was before the call.
func (e *Encoder) Row(s *SectionSchema, r *Row) error {
	if e.count >= MaxBatchRows {
		return ErrFull
	}
	start := len(e.rows)
	rows, field, err := appendRow(e.rows, s, r)
	if err == nil {
		err = e.room(s, len(rows)-start)
	}
	if errors.Is(err, ErrFull) {
		return ErrFull
	}
	if err != nil {
		rowErr := &RowError{Kind: s.Kind, Row: e.count, Err: err}
		if field >= 0 {
			rowErr.Field = s.Fields[field].Name
		}
		return rowErr
	}
	if !e.continues(s) {
		e.sections = append(e.sections, section{schema: s, start: start})
	}
	e.sections[len(e.sections)-1].rows++
	e.rows = rows
	e.count++
	if r.Op == Keep {
		e.keeps++
	}
	return nil
}

// Rows returns the number of rows added since the last Finish.
func (e *Encoder) Rows() int { return e.count }

// Size returns the bytes of the batch so far, without its header.
func (e *Encoder) Size() int {
	size := 1 + len(e.rows)
	for _, s := range e.sections {
		size += len(s.schema.prefix) + headLen(s.rows)
	}
	return size
}

// Finish returns the batch of the rows added, which may be none, and leaves e empty.
// The slice is the caller's. A header that contradicts itself, or that is of a cut while a row is a Keep, is
// [ErrHeader], one that is too long [ErrTooLarge]; e then still holds its rows.
func (e *Encoder) Finish(h Header) ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	if e.keeps > 0 && h.Chunk == nil {
		return nil, fmt.Errorf("encode batch: a keep outside a chunk: %w", ErrHeader)
	}
	b := append(make([]byte, 0, e.Size()+headerHint), EncodingVersion)
	b, err := appendHeader(b, &h, e.count)
	if err == nil && len(b)-1 > maxHeaderBytes {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("encode batch: header: %w", err)
	}
	for i, s := range e.sections {
		end := len(e.rows)
		if i+1 < len(e.sections) {
			end = e.sections[i+1].start
		}
		b = append(b, s.schema.prefix...)
		b = appendHead(b, majorUint, uint64(s.rows))
		b = append(b, e.rows[s.start:end]...)
	}
	e.rows, e.sections, e.count, e.keeps = e.rows[:0], e.sections[:0], 0, 0
	return b, nil
}

// headerHint is room for a usual header, in bytes.
const headerHint = 512

// continues reports whether a row of s belongs to the last section.
func (e *Encoder) continues(s *SectionSchema) bool {
	if len(e.sections) == 0 {
		return false
	}
	last := e.sections[len(e.sections)-1].schema
	return last == s || last.hash == s.hash
}

// room says whether a row of that size may join the batch.
func (e *Encoder) room(s *SectionSchema, size int) error {
	if size > MaxRowBytes {
		return ErrTooLarge
	}
	total := e.Size() + size + maxHeaderBytes
	if e.continues(s) {
		total += 2 // the row count may grow by two bytes
	} else {
		total += len(s.prefix) + 3
	}
	if e.count > 0 && total > MaxBatchBytes {
		return ErrFull
	}
	return nil
}

// appendRow appends [op, source_version, present-mask|null, cells…]. Null cells are left out: the mask says
// which cells are there, and is null when all are. On an error field is the place of the cell, or -1.
func appendRow(b []byte, s *SectionSchema, r *Row) (row []byte, field int, err error) {
	switch {
	case !s.usable:
		return nil, -1, ErrSchema
	case len(r.Values) != len(s.Fields) || r.Op > Keep:
		return nil, -1, ErrForm
	}
	var present uint64
	for i := range r.Values {
		if r.Values[i].Kind != Null {
			present |= 1 << i
		}
	}
	if i, err := checkPresent(s, r.Op, present); err != nil {
		return nil, i, err
	}
	b = appendHead(b, majorArray, uint64(rowHead+bits.OnesCount64(present)))
	b = append(b, byte(r.Op))
	b = appendInt(b, int64(r.Version))
	if present == s.allMask {
		b = append(b, itemNull)
	} else {
		b = appendHead(b, majorUint, present)
	}
	for i := range r.Values {
		v := &r.Values[i]
		if v.Kind == Null {
			continue
		}
		if err := checkCell(s.Types[i], v); err != nil {
			return nil, i, err
		}
		b = appendCell(b, v)
	}
	return b, -1, nil
}

// rowHead is the number of items before a row's cells.
const rowHead = 3

// checkPresent refuses a row without its key, and a delete or keep with more than its key.
// It returns the place of the first wrong cell.
func checkPresent(s *SectionSchema, op Op, present uint64) (int, error) {
	if missing := s.keyMask &^ present; missing != 0 {
		return bits.TrailingZeros64(missing), ErrNull
	}
	if extra := present &^ s.keyMask; op.keyOnly() && extra != 0 {
		return bits.TrailingZeros64(extra), ErrForm
	}
	return -1, nil
}

// headLen returns the length of an initial byte with argument n, for n up to 65,535.
func headLen(n int) int {
	switch {
	case n < 24:
		return 1
	case n < 256:
		return 2
	}
	return 3
}

package store

import (
	"strconv"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// copyRows holds rows as the text format of COPY, ready to be sent: encoded once, outside of the transaction. Text beats
// binary here because integers are shorter as text and the server parses both equally fast.
type copyRows struct {
	kind     *record.Kind
	keys     []int
	up, gone []byte
	ends     []int // of each upsert in up
	nOut     int
}

func (c *copyRows) upserts() int { return len(c.ends) }
func (c *copyRows) removes() int { return c.nOut }

func (c *copyRows) upsert(r *stagedRow) {
	b := c.up
	for i := range r.cells {
		b = appendCopy(b, c.kind.Fields[i].Type, &r.cells[i])
		b = append(b, '\t')
	}
	b = strconv.AppendInt(b, r.keyHash, 10)
	b = append(b, '\t')
	b = strconv.AppendInt(b, r.rowHash, 10)
	b = append(b, '\t')
	b = strconv.AppendInt(b, r.version, 10)
	c.up = append(b, '\n')
	c.ends = append(c.ends, len(c.up))
}

func (c *copyRows) remove(r *stagedRow) {
	b := c.gone
	for i, place := range c.keys {
		if i > 0 {
			b = append(b, '\t')
		}
		b = appendCopy(b, c.kind.Fields[place].Type, &r.cells[place])
	}
	c.gone = append(b, '\n')
	c.nOut++
}

func (c *copyRows) without(skip func(i int) bool) stagedRows {
	out := &copyRows{kind: c.kind, keys: c.keys}
	begin := 0
	for i, end := range c.ends {
		if !skip(i) {
			out.up = append(out.up, c.up[begin:end]...)
			out.ends = append(out.ends, len(out.up))
		}
		begin = end
	}
	return out
}

const hexDigits = "0123456789abcdef"

// appendCopy appends one cell in COPY's text format.
func appendCopy(b []byte, t record.Type, v *protocol.Value) []byte {
	switch {
	case v.Kind == protocol.Null:
		return append(b, '\\', 'N')
	case t == record.Bytes:
		b = append(b, '\\', '\\', 'x')
		for i := range len(v.S) {
			b = append(b, hexDigits[v.S[i]>>4], hexDigits[v.S[i]&15])
		}
		return b
	case isInteger(t):
		return strconv.AppendInt(b, v.N, 10)
	}
	start := 0
	for i := range len(v.S) {
		var escape byte
		switch v.S[i] {
		case '\\':
			escape = '\\'
		case '\t':
			escape = 't'
		case '\n':
			escape = 'n'
		case '\r':
			escape = 'r'
		default:
			continue
		}
		b = append(b, v.S[start:i]...)
		b = append(b, '\\', escape)
		start = i + 1
	}
	return append(b, v.S[start:]...)
}

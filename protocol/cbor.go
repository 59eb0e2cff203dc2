package protocol

import (
	"math"
	"strings"
	"unicode/utf8"
)

// Major types and simple values of RFC 8949 §3, in place in the initial byte.
const (
	majorUint  byte = 0 << 5
	majorNint  byte = 1 << 5
	majorBytes byte = 2 << 5
	majorText  byte = 3 << 5
	majorArray byte = 4 << 5
	majorMask  byte = 7 << 5

	itemFalse  byte = 0xf4
	itemTrue   byte = 0xf5
	itemNull   byte = 0xf6
	itemBigPos byte = 0xc2 // tag 2: unsigned bignum
	itemBigNeg byte = 0xc3 // tag 3: negative bignum
)

// appendHead appends an initial byte and its argument in the shortest form (RFC 8949 §4.2.1).
func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return append(b, major|25, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return append(b, major|26, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, major|27, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32),
		byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majorNint, uint64(^n))
	}
	return appendHead(b, majorUint, uint64(n))
}

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

func appendBytes(b []byte, s string) []byte {
	return append(appendHead(b, majorBytes, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, itemTrue)
	}
	return append(b, itemFalse)
}

// textOK reports whether s may be a text: UTF-8 without NUL, which PostgreSQL cannot hold.
// Most texts are short ASCII: one loop over them is faster than two calls.
func textOK(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == 0 || c >= utf8.RuneSelf {
			return strings.IndexByte(s[i:], 0) < 0 && utf8.ValidString(s[i:])
		}
	}
	return true
}

// reader reads deterministic CBOR and refuses every other. A length is held against
// what is left of the input before anything of that length is used.
type reader struct {
	in  string
	pos int
}

func (r *reader) left() int { return len(r.in) - r.pos }

// head reads an initial byte and its argument. Simple values and floats are not read by it.
func (r *reader) head() (major byte, n uint64, err error) {
	if r.pos >= len(r.in) {
		return 0, 0, ErrTruncated
	}
	first := r.in[r.pos]
	major, n = first&majorMask, uint64(first&^majorMask)
	if n < 24 {
		r.pos++
		return major, n, nil
	}
	if major == majorMask {
		return 0, 0, ErrShape
	}
	if n > 27 {
		return 0, 0, ErrCanonical
	}
	size := 1 << (n - 24)
	if r.left() <= size {
		return 0, 0, ErrTruncated
	}
	n = 0
	for _, c := range []byte(r.in[r.pos+1 : r.pos+1+size]) {
		n = n<<8 | uint64(c)
	}
	if size == 1 && n < 24 || size > 1 && n>>(4*size) == 0 {
		return 0, 0, ErrCanonical
	}
	r.pos += 1 + size
	return major, n, nil
}

// array reads the head of an array and returns its length, which is at most what is left of the input.
func (r *reader) array() (int, error) {
	major, n, err := r.head()
	if err != nil {
		return 0, err
	}
	if major != majorArray {
		return 0, ErrShape
	}
	if n > uint64(r.left()) {
		return 0, ErrTruncated
	}
	return int(n), nil
}

// arrayOf reads the head of an array of exactly n items.
func (r *reader) arrayOf(n int) error {
	switch got, err := r.array(); {
	case err != nil:
		return err
	case got != n:
		return ErrShape
	}
	return nil
}

// int reads an integer that fits 64 bits with its sign.
func (r *reader) int() (int64, error) {
	major, n, err := r.head()
	switch {
	case err != nil:
		return 0, err
	case major > majorNint:
		return 0, ErrShape
	case n > math.MaxInt64:
		return 0, ErrRange
	case major == majorNint:
		return ^int64(n), nil
	}
	return int64(n), nil
}

// uint reads an integer that is not negative.
func (r *reader) uint() (uint64, error) {
	major, n, err := r.head()
	if err == nil && major != majorUint {
		err = ErrShape
	}
	return n, err
}

// string reads a text or byte string of the given major type. It shares memory with the input.
func (r *reader) string(want byte) (string, error) {
	major, n, err := r.head()
	switch {
	case err != nil:
		return "", err
	case major != want:
		return "", ErrShape
	case n > uint64(r.left()):
		return "", ErrTruncated
	}
	s := r.in[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return s, nil
}

// text reads a text and checks it.
func (r *reader) text() (string, error) {
	s, err := r.string(majorText)
	if err == nil && !textOK(s) {
		err = ErrText
	}
	return s, err
}

func (r *reader) bool() (bool, error) {
	if r.left() == 0 {
		return false, ErrTruncated
	}
	c := r.in[r.pos]
	if c != itemFalse && c != itemTrue {
		return false, ErrShape
	}
	r.pos++
	return c == itemTrue, nil
}

// null reads a null if there is one.
func (r *reader) null() bool {
	if r.left() > 0 && r.in[r.pos] == itemNull {
		r.pos++
		return true
	}
	return false
}

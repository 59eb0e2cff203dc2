package protocol

import (
	"math"

	"lessor.dk/portalsync/protocol/record"
)

// maxBigBytes is the longest magnitude of a [Big], in bytes. Larger than any numeric type of a main system.
const maxBigBytes = 32

// formOf returns the form of a cell in a field of type t, and Null for a type the catalogue does not know.
// Beside an Int a field of whole numbers may hold a Big.
func formOf(t record.Type) ValueKind {
	switch t {
	case record.Bool:
		return Bool
	case record.Int, record.Decimal, record.Date, record.Time, record.Instant:
		return Int
	case record.Text, record.Document:
		return Text
	case record.Bytes:
		return Bytes
	}
	return Null
}

// checkCell reports whether v may stand in a field of type t. Null always may.
func checkCell(t record.Type, v *Value) error {
	if v.Kind == Null {
		return nil
	}
	if v.Kind == Big {
		return checkBig(t, v)
	}
	if v.Kind != formOf(t) {
		return ErrForm
	}
	switch v.Kind {
	case Bool:
		if uint64(v.N) > 1 {
			return ErrForm
		}
	case Int:
		if t == record.Decimal {
			return checkDecimal(v.N)
		}
	case Text:
		return checkText(v.S)
	case Bytes:
		return checkLength(v.S)
	case Null, Big: // above
	}
	return nil
}

func checkDecimal(n int64) error {
	if n > record.MaxDecimal || n < -record.MaxDecimal {
		return ErrRange
	}
	return nil
}

func checkText(s string) error {
	if !textOK(s) {
		return ErrText
	}
	return checkLength(s)
}

func checkLength(s string) error {
	if len(s) > record.MaxTextBytes {
		return ErrTooLarge
	}
	return nil
}

// checkBig holds a Big to its one form: no leading zero, outside int64.
func checkBig(t record.Type, v *Value) error {
	switch {
	case t != record.Int && t != record.Decimal, v.N != 1 && v.N != -1:
		return ErrForm
	case t == record.Decimal, len(v.S) > maxBigBytes:
		return ErrRange
	case len(v.S) < 8, v.S[0] == 0, len(v.S) == 8 && fitsInt64(v.N, magnitude(v.S)):
		return ErrForm
	}
	return nil
}

// fitsInt64 reports whether sign times magnitude is an int64.
func fitsInt64(sign int64, n uint64) bool {
	return n <= math.MaxInt64 || sign < 0 && n == 1<<63
}

// magnitude reads at most 8 bytes, big-endian.
func magnitude(s string) uint64 {
	var n uint64
	for i := range len(s) {
		n = n<<8 | uint64(s[i])
	}
	return n
}

// appendCell appends a cell in its one form. The cell has passed checkCell.
func appendCell(b []byte, v *Value) []byte {
	switch v.Kind {
	case Int:
		if n := uint64(v.N); n < 24 {
			return append(b, byte(n))
		}
		return appendInt(b, v.N)
	case Text:
		if len(v.S) < 24 {
			return append(append(b, majorText|byte(len(v.S))), v.S...)
		}
		return appendText(b, v.S)
	case Bool:
		return appendBool(b, v.N != 0)
	case Bytes:
		return appendBytes(b, v.S)
	case Big:
		return appendBig(b, v)
	case Null:
	}
	return append(b, itemNull)
}

// appendBig appends an integer outside int64: as a plain integer when 64 bits beside the
// sign hold it (RFC 8949 §3.4.3 calls that preferred), else as tag 2 or 3.
func appendBig(b []byte, v *Value) []byte {
	if v.N > 0 {
		if len(v.S) <= 8 {
			return appendHead(b, majorUint, magnitude(v.S))
		}
		return appendBytes(append(b, itemBigPos), v.S)
	}
	if len(v.S) <= 8 {
		return appendHead(b, majorNint, magnitude(v.S)-1)
	}
	// CBOR holds -1-n: take one off the magnitude, which may shorten it by a byte.
	var less [maxBigBytes]byte
	n := less[:copy(less[:], v.S)]
	for i := len(n) - 1; ; i-- {
		n[i]--
		if n[i] != math.MaxUint8 {
			break
		}
	}
	if n[0] == 0 {
		n = n[1:]
	}
	if len(n) == 8 { // 2^64 was the magnitude
		return appendHead(b, majorNint, math.MaxUint64)
	}
	return append(appendHead(append(b, itemBigNeg), majorBytes, uint64(len(n))), n...)
}

// cell reads a cell of a field of type t. Null has no place here: an absent cell is one the mask leaves out.
func (r *reader) cell(t record.Type, v *Value) error {
	if r.pos >= len(r.in) {
		return ErrTruncated
	}
	first := r.in[r.pos]
	if first == itemNull {
		return ErrCanonical
	}
	switch formOf(t) {
	case Text:
		return r.stringCell(Text, majorText, v)
	case Bytes:
		return r.stringCell(Bytes, majorBytes, v)
	case Bool:
		if first != itemFalse && first != itemTrue {
			return ErrForm
		}
		r.pos++
		*v = BoolValue(first == itemTrue)
		return nil
	case Int, Big, Null:
	}
	if first < 24 {
		r.pos++
		*v = Value{Kind: Int, N: int64(first)}
		return nil
	}
	return r.intCell(t, first, v)
}

func (r *reader) stringCell(form ValueKind, major byte, v *Value) error {
	if r.in[r.pos]&majorMask != major {
		return ErrForm
	}
	s, err := r.string(major)
	if err != nil {
		return err
	}
	if form == Text {
		err = checkText(s)
	} else {
		err = checkLength(s)
	}
	if err != nil {
		return err
	}
	*v = Value{Kind: form, S: s}
	return nil
}

func (r *reader) intCell(t record.Type, first byte, v *Value) error {
	if first == itemBigPos || first == itemBigNeg {
		return r.bignum(t, v)
	}
	major := first & majorMask
	if major > majorNint {
		return ErrForm
	}
	_, n, err := r.head()
	if err != nil {
		return err
	}
	if n > math.MaxInt64 {
		return plainBig(t, major, n, v)
	}
	*v = Value{Kind: Int, N: int64(n)}
	if major == majorNint {
		v.N = ^v.N
	}
	if t == record.Decimal {
		return checkDecimal(v.N)
	}
	return nil
}

// plainBig makes a Big of a plain integer outside int64.
func plainBig(t record.Type, major byte, n uint64, v *Value) error {
	if t != record.Int {
		return ErrRange
	}
	sign, size := int64(1), 8
	if major == majorNint {
		sign = -1
		n++ // 0 stands for 2^64 now
	}
	var b [9]byte
	if n == 0 {
		b[0], size = 1, 9
	}
	for i := range 8 {
		b[size-8+i] = byte(n >> (56 - 8*i))
	}
	*v = Value{Kind: Big, N: sign, S: string(b[:size])}
	return nil
}

// bignum reads tag 2 or 3 with its byte string. Only magnitudes beyond 64 bits have that form.
func (r *reader) bignum(t record.Type, v *Value) error {
	sign := int64(1)
	if r.in[r.pos] == itemBigNeg {
		sign = -1
	}
	r.pos++
	s, err := r.string(majorBytes)
	switch {
	case err != nil:
		return err
	case len(s) <= 8 || s[0] == 0:
		return ErrCanonical
	case t != record.Int || len(s) > maxBigBytes:
		return ErrRange
	}
	if sign < 0 {
		if s, err = addOne(s); err != nil {
			return err
		}
	}
	*v = Value{Kind: Big, N: sign, S: s}
	return nil
}

// addOne returns the magnitude n+1 of the number -1-n.
func addOne(s string) (string, error) {
	n := append(make([]byte, 1, maxBigBytes+1), s...)
	for i := len(n) - 1; ; i-- {
		n[i]++
		if n[i] != 0 {
			break
		}
	}
	if n[0] == 0 {
		n = n[1:]
	}
	if len(n) > maxBigBytes {
		return "", ErrRange
	}
	return string(n), nil
}

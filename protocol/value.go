package protocol

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// ValueKind is the form of a [Value] on the wire.
type ValueKind uint8

// The forms a cell can have. What an Int means (a number, an unscaled decimal, days, ticks)
// is said by the field's type in the schema, never by the cell.
const (
	Null ValueKind = iota
	Bool
	Int
	Text
	Bytes
	Big // an integer outside int64: sign in N (1 or -1), big-endian magnitude without leading zeros in S, at most 32 bytes
)

// Value is one cell of a row. The zero Value is null.
// S of a Text is valid UTF-8 without NUL; of a Bytes it is any bytes.
// A Value holds payroll data and so never prints itself: see [Value.String].
type Value struct {
	Kind ValueKind
	N    int64
	S    string
}

// NullValue returns the absent cell.
func NullValue() Value { return Value{} }

// IntValue returns the cell of a number, an unscaled decimal, a date in days, or a time or instant in ticks.
func IntValue(n int64) Value { return Value{Kind: Int, N: n} }

// TextValue returns the cell of a text.
func TextValue(s string) Value { return Value{Kind: Text, S: s} }

// BytesValue returns the cell of a byte string.
func BytesValue(b string) Value { return Value{Kind: Bytes, S: b} }

// BoolValue returns the cell of a truth value.
func BoolValue(b bool) Value {
	if b {
		return Value{Kind: Bool, N: 1}
	}
	return Value{Kind: Bool}
}

// IsNull reports whether the cell is null.
func (v Value) IsNull() bool { return v.Kind == Null }

// String hides the content (N3): a cell may be somebody's salary.
func (v Value) String() string { return redacted }

// Format hides the content from every verb of package fmt.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText hides the content from encoding/json and the log handlers built on it.
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Op says what happened to a row.
type Op uint8

// The operations. Insert and Update are both "this is the row now": an insert may meet an
// existing row and an update a missing one. Keep says that the row is there but could not be read: whoever has
// an earlier state of it keeps that (N1). It belongs in a batch with a [Chunk] only: in a cut, saying nothing
// of a row keeps it.
const (
	Insert Op = 0
	Update Op = 1
	Delete Op = 2
	Keep   Op = 3
)

// keyOnly reports whether rows of the operation carry the key fields and nothing else.
func (op Op) keyOnly() bool { return op == Delete || op == Keep }

// Row is one changed or read row. Values stand in the order of the section's schema;
// a Delete or Keep carries the key fields only and null elsewhere.
type Row struct {
	Op      Op
	Version Position
	Values  []Value
}

// LogValue shows what happened at which version, and to how many cells; never their content (N3).
func (r Row) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("op", int(r.Op)),
		slog.Int64("to", int64(r.Version)),
		slog.Int("cells", len(r.Values)),
	)
}

const secondsPerDay = 86400

// DateValue returns the cell of a date: days since 1970-01-01, negative before.
func DateValue(year int, month time.Month, day int) Value {
	return IntValue(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

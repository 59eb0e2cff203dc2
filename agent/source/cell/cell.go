// Package cell turns the values a database hands out into the cells of records, exactly or not at all.
// Nothing is rounded, shortened or guessed: what does not fit is a named error, and the caller leaves
// the row out.
//
// From what a field may be read:
//
//	bool     0 and 1; the texts true and false
//	int      whole numbers, also as text or as a float without a fraction
//	decimal  whole numbers, text like -12.50, floats by their shortest decimal spelling
//	text     text and bytes in UTF-8 without NUL; numbers in their shortest decimal spelling
//	date     YYYY-MM-DD, also followed by a time of day that is midnight
//	time     HH:MM, HH:MM:SS and up to seven digits of a second
//	instant  YYYY-MM-DD and time with a blank or T between; Z or ±HH:MM at the end, else local time
//	bytes    bytes and text
//	document bytes and text up to protocol.MaxBlobBytes
//
// A database that hands out moments instead of texts gives a [time.Time] for a wall clock without zone, whatever
// location it carries, and an [Instant] for a moment with its offset. A text field spells neither.
//
// Local time is read in the plan's timezone. An hour that the clock shows twice in autumn means the
// first of the two (still summer time); a time in the hour skipped in spring is read with the offset
// before the change, so 02:30 means what 03:30 summer time is.
package cell

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Why a value cannot be a cell. The texts continue a sentence that begins with the field's name.
var (
	ErrNull     = errors.New("is empty but the field needs a value")
	ErrUTF8     = errors.New("holds bytes that are not UTF-8")
	ErrNUL      = errors.New("holds a NUL character")
	ErrLong     = errors.New("is longer than a field may be")
	ErrScale    = errors.New("has more digits after the point than the field keeps")
	ErrRange    = errors.New("is a number too large for the field")
	ErrNumber   = errors.New("is not a number")
	ErrWhole    = errors.New("is not a whole number")
	ErrBool     = errors.New("is neither 0, 1, true nor false; translate it with a map")
	ErrDate     = errors.New("is not a date spelled YYYY-MM-DD")
	ErrMidnight = errors.New("is a date with a time of day")
	ErrTime     = errors.New("is not a time of day spelled HH:MM:SS")
	ErrInstant  = errors.New("is not a date and time spelled YYYY-MM-DD HH:MM:SS")
	ErrCode     = errors.New("is a code that the plan's map does not list")
	ErrKind     = errors.New("is of a kind of value that the field cannot be read from")
)

// Converter makes the cells of one field. It may be used by one goroutine at a time.
type Converter struct {
	field  record.Field
	zone   *time.Location
	codes  map[string]protocol.Value
	others *protocol.Value
	digits []byte
}

// New returns a converter for a field; local times are in zone.
func New(field record.Field, zone *time.Location) *Converter {
	return &Converter{field: field, zone: zone}
}

// Instant is a value that says which moment it means, as a datetimeoffset does.
type Instant time.Time

// Translate makes the converter look the value up in codes, spelled as a text field would hold it.
// A value that is not listed becomes others, or is [ErrCode] when others is nil. Null stays null.
func (c *Converter) Translate(codes map[string]protocol.Value, others *protocol.Value) {
	c.codes, c.others = codes, others
}

// Convert writes the cell of v to dst. v is nil, int64, float64, bool, string, []byte, [time.Time], [Instant], or the
// error that stands for a value which the source could not make one of these.
// The text of the cell may alias v.
func (c *Converter) Convert(dst *protocol.Value, v any) error {
	if v == nil {
		if !c.field.Nullable {
			return ErrNull
		}
		*dst = protocol.Value{}
		return nil
	}
	if err, bad := v.(error); bad {
		return err
	}
	if c.codes != nil {
		return c.translate(dst, v)
	}
	switch t := v.(type) {
	case time.Time:
		return wallClock(dst, t, c.field.Type, c.zone)
	case Instant:
		return instant(dst, time.Time(t), c.field.Type)
	}
	switch c.field.Type {
	case record.Text:
		s, err := c.text(v)
		*dst = protocol.Value{Kind: protocol.Text, S: s}
		return err
	case record.Int:
		return integer(dst, v)
	case record.Decimal:
		return c.decimal(dst, v)
	case record.Bool:
		return boolean(dst, v)
	case record.Date:
		return moment(dst, v, parseDate)
	case record.Time:
		return moment(dst, v, parseTime)
	case record.Instant:
		return moment(dst, v, func(s string) (int64, error) { return parseInstant(s, c.zone) })
	case record.Bytes:
		return content(dst, v, record.MaxTextBytes)
	case record.Document:
		return content(dst, v, protocol.MaxBlobBytes)
	}
	return ErrKind
}

func (c *Converter) translate(dst *protocol.Value, v any) error {
	code, err := c.text(v)
	if err != nil {
		return err
	}
	cell, ok := c.codes[code]
	switch {
	case ok:
		*dst = cell
	case c.others != nil:
		*dst = *c.others
	default:
		return ErrCode
	}
	if cell = *dst; cell.IsNull() && !c.field.Nullable {
		return ErrNull
	}
	return nil
}

// text returns the spelling of v as a text field holds it.
func (c *Converter) text(v any) (string, error) {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case []byte:
		s = string(v)
	case int64:
		return formatInt(v), nil
	case float64:
		return formatFloat(v), nil
	case bool:
		if v {
			return "1", nil
		}
		return "0", nil
	default:
		return "", ErrKind
	}
	if len(s) > record.MaxTextBytes {
		return "", ErrLong
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "", ErrNUL
	}
	if !utf8.ValidString(s) {
		return "", ErrUTF8
	}
	return s, nil
}

func moment(dst *protocol.Value, v any, parse func(string) (int64, error)) error {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case []byte:
		s = string(v)
	default:
		return ErrKind
	}
	n, err := parse(s)
	*dst = protocol.Value{Kind: protocol.Int, N: n}
	return err
}

func content(dst *protocol.Value, v any, limit int) error {
	switch v := v.(type) {
	case []byte:
		*dst = protocol.Value{Kind: protocol.Bytes, S: string(v)}
	case string:
		*dst = protocol.Value{Kind: protocol.Bytes, S: v}
	default:
		return ErrKind
	}
	if len(dst.S) > limit {
		return ErrLong
	}
	return nil
}

func boolean(dst *protocol.Value, v any) error {
	switch v := v.(type) {
	case int64:
		if v == 0 || v == 1 {
			*dst = protocol.BoolValue(v == 1)
			return nil
		}
	case bool:
		*dst = protocol.BoolValue(v)
		return nil
	case string:
		switch v {
		case "1", "true":
			*dst = protocol.BoolValue(true)
			return nil
		case "0", "false":
			*dst = protocol.BoolValue(false)
			return nil
		}
	}
	return ErrBool
}

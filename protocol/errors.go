package protocol

import (
	"errors"
	"strconv"
)

// What can be wrong with a batch or its encoding. Errors of rows come inside a [RowError].
var (
	// ErrVersionByte reports a batch that does not begin with the version byte this program speaks.
	ErrVersionByte = errors.New("version byte of another encoding")
	// ErrTruncated reports input that ends before it should.
	ErrTruncated = errors.New("truncated")
	// ErrTrailing reports bytes after the last row that the header announced.
	ErrTrailing = errors.New("bytes after the end")
	// ErrCanonical reports a longer spelling where a shorter one exists, or an item of indefinite length (RFC 8949 §4.2.1).
	ErrCanonical = errors.New("not in the one deterministic form")
	// ErrShape reports an item of another CBOR type or length than belongs in its place.
	ErrShape = errors.New("item does not belong here")
	// ErrCount reports row counts that contradict each other.
	ErrCount = errors.New("row counts contradict each other")
	// ErrHeader reports a header whose parts contradict each other.
	ErrHeader = errors.New("header contradicts itself")
	// ErrSchema reports a schema that is unknown, or that does not fit the record catalogue.
	ErrSchema = errors.New("schema unknown or not of this catalogue")
	// ErrForm reports a cell whose form is not that of its field's type, or a row with the wrong number of cells.
	ErrForm = errors.New("cell does not fit the field's type")
	// ErrNull reports a null in a key field.
	ErrNull = errors.New("null in a key field")
	// ErrText reports text that is not valid UTF-8 or contains NUL.
	ErrText = errors.New("text is not UTF-8 without NUL")
	// ErrRange reports a number outside its type's range.
	ErrRange = errors.New("number out of range")
	// ErrTooLarge reports something over a limit of this package.
	ErrTooLarge = errors.New("over the size limit")
	// ErrFull reports that a row has no room left in the batch: finish it and encode the row into the next.
	ErrFull = errors.New("batch is full")
)

// RowError says which row and field of a batch an error is about. It never holds content (N3).
type RowError struct {
	Kind  string // record kind
	Row   int    // number of the row in the batch, from 0
	Field string // empty when the error is about the whole row
	Err   error  // one of this package's errors
}

// Error names kind, row and, where there is one, field.
func (e *RowError) Error() string {
	where := e.Kind + " row " + strconv.Itoa(e.Row)
	if e.Field != "" {
		where += ", field " + e.Field
	}
	return where + ": " + e.Err.Error()
}

// Unwrap returns the error itself, for errors.Is.
func (e *RowError) Unwrap() error { return e.Err }

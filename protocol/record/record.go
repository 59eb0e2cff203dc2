// Package record declares the record kinds of the portal once: their fields, classes, keys and order.
// The agent checks plans against them; the receiver builds its tables' statements from them.
package record

import "slices"

// Kind is one kind of record: a payslip, a balance, an absence.
type Kind struct {
	// Name is the kind's name on the wire, in plans and, prefixed rec_, as table name.
	Name string
	// Fields in wire and table order. A later version only appends.
	Fields []Field
	// Key names the fields that identify a record within a stream.
	Key []string
	// Retention is how many years LESSOR keeps a record by default; 0 means as long as the main system has it.
	Retention int
}

// Field is one field of a kind.
type Field struct {
	Name     string
	Type     Type
	Scale    int  // digits after the point of a Decimal, 0 to 6
	Nullable bool // a null in another field is refused: the row goes to the dead letters
	Class    Class
}

// Type says what a cell means.
type Type uint8

// The field types. All but Text, Bytes and Document travel and rest as a 64-bit integer.
const (
	Bool     Type = iota + 1
	Int           // a whole number
	Decimal       // an unscaled whole number; the value is n / 10^Scale; at most 18 digits
	Text          // valid UTF-8 without NUL, at most MaxTextBytes
	Date          // days since 1970-01-01
	Time          // time of day in ticks of 100 ns since midnight
	Instant       // ticks of 100 ns since 1970-01-01T00:00Z
	Bytes         // at most MaxTextBytes
	Document      // name of a blob: see protocol.BlobName
)

// MaxTextBytes is the longest text or byte string a field may hold.
const MaxTextBytes = 64 << 10

// MaxDecimal is the largest magnitude of an unscaled decimal (18 digits).
const MaxDecimal = 999_999_999_999_999_999

// Class says how careful everybody must be with a field's content.
type Class uint8

// The classes, from least to most sensitive.
const (
	Public Class = iota + 1
	Personal
	Salary
	BankAccount
	NationalID
	DocumentClass
)

// All lists the kinds with parents before children: upserts are sent in this order, deletes in reverse.
func All() []*Kind { return slices.Clone(kinds) }

// ByName returns the kind of that name, or nil.
func ByName(name string) *Kind {
	for _, k := range kinds {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// Order returns the kind's place in [All], or -1 for an unknown name.
func Order(name string) int {
	return slices.IndexFunc(kinds, func(k *Kind) bool { return k.Name == name })
}

// Field returns the index of the named field, or -1.
func (k *Kind) Field(name string) int {
	return slices.IndexFunc(k.Fields, func(f Field) bool { return f.Name == name })
}

// IsKey reports whether the named field belongs to the key.
func (k *Kind) IsKey(field string) bool { return slices.Contains(k.Key, field) }

// String returns the type's name as plans and error messages spell it.
func (t Type) String() string {
	switch t {
	case Bool:
		return "bool"
	case Int:
		return "int"
	case Decimal:
		return "decimal"
	case Text:
		return "text"
	case Date:
		return "date"
	case Time:
		return "time"
	case Instant:
		return "instant"
	case Bytes:
		return "bytes"
	case Document:
		return "document"
	}
	return "unknown"
}

// String returns the class's name as plans and error messages spell it.
func (c Class) String() string {
	switch c {
	case Public:
		return "public"
	case Personal:
		return "personal"
	case Salary:
		return "salary"
	case BankAccount:
		return "bank-account"
	case NationalID:
		return "national-id"
	case DocumentClass:
		return "document"
	}
	return "unknown"
}

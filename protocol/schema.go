package protocol

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"lessor.dk/portalsync/protocol/record"
)

// maxSchemaFields bounds a schema: a row's present-mask is one unsigned 64-bit integer.
const maxSchemaFields = 64

// Schema says what the cells of a section mean: the fields of one record kind in the order they are sent.
// It travels once per generation, in OPEN; batches name it by its hash.
type Schema struct {
	Kind   string        `json:"kind"`
	Fields []SchemaField `json:"fields"`
}

// SchemaField is one field as sent. Type is spelled as record.Type.String does.
type SchemaField struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Scale int    `json:"scale,omitempty"`
}

// SchemaHash identifies a [Schema]: the first 16 bytes of SHA-256 over its deterministic CBOR.
type SchemaHash [16]byte

// String returns the hash in hexadecimal.
func (h SchemaHash) String() string { return hex.EncodeToString(h[:]) }

// NewSchema returns the schema of the named fields of a kind, in the kind's order.
// Key fields are included whether named or not. A field that the kind lacks is [ErrSchema].
func NewSchema(k *record.Kind, fields []string) (Schema, error) {
	for _, name := range fields {
		if k.Field(name) < 0 {
			return Schema{}, fmt.Errorf("schema of %s: field %s: %w", k.Name, name, ErrSchema)
		}
	}
	s := Schema{Kind: k.Name}
	for _, f := range k.Fields {
		if k.IsKey(f.Name) || slices.Contains(fields, f.Name) {
			s.Fields = append(s.Fields, SchemaField{Name: f.Name, Type: f.Type.String(), Scale: f.Scale})
		}
	}
	return s, nil
}

// Hash identifies the schema. It reads SHA-256 over the CBOR array [kind, [[name, type, scale] …]].
func (s Schema) Hash() SchemaHash {
	b := appendHead(nil, majorArray, 2)
	b = appendText(b, s.Kind)
	b = appendHead(b, majorArray, uint64(len(s.Fields)))
	for _, f := range s.Fields {
		b = appendHead(b, majorArray, 3)
		b = appendText(b, f.Name)
		b = appendText(b, f.Type)
		b = appendInt(b, int64(f.Scale))
	}
	sum := sha256.Sum256(b)
	return SchemaHash(sum[:len(SchemaHash{})])
}

// Check holds the schema against the record catalogue: the kind is known, every field is the kind's
// with its type and scale, in the kind's order, and no key field is missing. Anything else is [ErrSchema].
func (s Schema) Check() error {
	k := record.ByName(s.Kind)
	if k == nil {
		return fmt.Errorf("schema: kind %q: %w", s.Kind, ErrSchema)
	}
	if len(s.Fields) > maxSchemaFields {
		return fmt.Errorf("schema of %s: %d fields, at most %d: %w", k.Name, len(s.Fields), maxSchemaFields, ErrSchema)
	}
	last, keys := -1, 0
	for _, f := range s.Fields {
		i := k.Field(f.Name)
		if i < 0 {
			return fmt.Errorf("schema of %s: field %q is not one of the kind: %w", k.Name, f.Name, ErrSchema)
		}
		if i <= last {
			return fmt.Errorf("schema of %s: field %s is repeated or out of order: %w", k.Name, f.Name, ErrSchema)
		}
		if want := k.Fields[i]; f.Type != want.Type.String() || f.Scale != want.Scale {
			return fmt.Errorf("schema of %s: field %s is %s with scale %d, here %q with %d: %w",
				k.Name, f.Name, want.Type, want.Scale, f.Type, f.Scale, ErrSchema)
		}
		last = i
		if k.IsKey(f.Name) {
			keys++
		}
	}
	if keys != len(k.Key) {
		return fmt.Errorf("schema of %s: a key field is missing: %w", k.Name, ErrSchema)
	}
	return nil
}

// SectionSchema is a [Schema] prepared for encoding and decoding rows. It is read-only
// and may be used by any number of goroutines.
type SectionSchema struct {
	Schema
	Record *record.Kind  // the catalogue's kind; nil if it has none of that name
	Types  []record.Type // of each field; zero for a type the catalogue does not know
	Key    []int         // places of the key fields in Fields, ascending

	hash    SchemaHash
	keyMask uint64 // bit i: Fields[i] belongs to the key
	allMask uint64 // bit i: Fields[i] exists
	prefix  []byte // the section item up to its row count
	runKey  bool   // the key fields stand side by side
	usable  bool   // rows can be encoded and decoded by it
}

// PrepareSchema returns the schema in the form that encoder and decoder use.
// It checks nothing: call [Schema.Check] on a schema from elsewhere first. Rows of a
// schema that would not pass the check are refused with [ErrSchema].
func PrepareSchema(schema Schema) *SectionSchema {
	s := &SectionSchema{Schema: schema, Record: record.ByName(schema.Kind), hash: schema.Hash()}
	for i, f := range schema.Fields {
		s.Types = append(s.Types, typeByName(f.Type))
		if s.Record != nil && s.Record.IsKey(f.Name) {
			s.Key = append(s.Key, i)
			s.keyMask |= 1 << i
		}
		s.allMask |= 1 << i
	}
	s.usable = s.Record != nil && len(s.Key) == len(s.Record.Key) && len(s.Fields) <= maxSchemaFields &&
		!slices.Contains(s.Types, 0)
	s.runKey = len(s.Key) > 0 && s.Key[len(s.Key)-1]-s.Key[0] == len(s.Key)-1
	s.prefix = appendHead(nil, majorArray, 3)
	s.prefix = appendText(s.prefix, schema.Kind)
	s.prefix = appendHead(s.prefix, majorBytes, uint64(len(s.hash)))
	s.prefix = append(s.prefix, s.hash[:]...)
	return s
}

// Hash identifies the schema; it is computed once.
func (s *SectionSchema) Hash() SchemaHash { return s.hash }

// typeByName returns the type of that spelling, or zero.
func typeByName(name string) record.Type {
	for t := record.Bool; t <= record.Document; t++ {
		if t.String() == name {
			return t
		}
	}
	return 0
}

package protocol

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// KeyBytes returns the canonical encoding of a row's key cells, in the schema's order: what dead letters
// and [Reread] name a record by. Values are all cells of the row; their key cells have passed the encoder or decoder.
func KeyBytes(s *SectionSchema, values []Value) []byte {
	var b []byte
	for _, i := range s.Key {
		b = appendCell(b, &values[i])
	}
	return b
}

// ParseKey returns the key cells of [KeyBytes], in the schema's order of key fields.
// What KeyBytes would not return for the schema is an error of this package.
func ParseKey(s *SectionSchema, key []byte) ([]Value, error) {
	r := reader{in: string(key)}
	cells := make([]Value, len(s.Key))
	for n, i := range s.Key {
		if err := r.cell(s.Types[i], &cells[n]); err != nil {
			return nil, fmt.Errorf("key of %s: field %s: %w", s.Kind, s.Fields[i].Name, err)
		}
	}
	if r.left() > 0 {
		return nil, fmt.Errorf("key of %s: %w", s.Kind, ErrTrailing)
	}
	return cells, nil
}

// HashKinds condenses what the portal says of the record kinds, whatever their order, so that a
// check-in can tell what the agent last knew. It reads xxHash64 over the canonical bytes of the
// statuses sorted by kind.
func HashKinds(kinds []KindStatus) uint64 {
	sorted := slices.SortedFunc(slices.Values(kinds), func(a, b KindStatus) int { return cmp.Compare(a.Kind, b.Kind) })
	var b []byte
	for _, k := range sorted {
		b = appendText(b, k.Kind)
		b = appendText(b, string(k.State))
		b = appendInt(b, int64(k.Snapshot))
		b = appendBytes(b, string(k.LastKey))
		b = appendText(b, k.Epoch)
		b = appendBool(b, k.Held)
	}
	return xxhash.Sum64(b)
}

package store

import (
	"slices"
	"strings"

	"lessor.dk/portalsync/protocol/record"
)

// tableName returns the name of the table that holds a kind's records.
func tableName(kind string) string { return "rec_" + kind }

// Columns that every record table has beside its fields.
const (
	ownerColumns = "tenant_id, stream_id"
	stampColumns = "key_hash, row_hash, source_version"
	writeColumns = "snapshot_id, captured_at, received_at"
)

// fieldNames returns a kind's columns in order.
func fieldNames(k *record.Kind) []string {
	names := make([]string, len(k.Fields))
	for i, f := range k.Fields {
		names[i] = f.Name
	}
	return names
}

// conflictClause makes an INSERT into a record table rewrite the row of the same key, but only if its content differs,
// and, with keepFilled, if no field that it has filled would be empty.
func conflictClause(k *record.Kind, keepFilled bool) string {
	var b strings.Builder
	b.WriteString(" ON CONFLICT (" + ownerColumns + ", " + strings.Join(k.Key, ", ") + ") DO UPDATE SET ")
	for _, f := range k.Fields {
		if !k.IsKey(f.Name) {
			b.WriteString(f.Name + " = excluded." + f.Name + ", ")
		}
	}
	for i, name := range strings.Split("row_hash, source_version, "+writeColumns, ", ") {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + " = excluded." + name)
	}
	b.WriteString(" WHERE r.row_hash IS DISTINCT FROM excluded.row_hash")
	if keepFilled {
		b.WriteString(" AND " + blankedCondition(k, "excluded") + " IS NOT TRUE")
	}
	return b.String()
}

// sameKey returns "a.k1 = b.k1 AND a.k2 = b.k2 …" over a kind's key.
func sameKey(k *record.Kind, a, b string) string {
	parts := make([]string, len(k.Key))
	for i, name := range k.Key {
		parts[i] = a + "." + name + " = " + b + "." + name
	}
	return strings.Join(parts, " AND ")
}

// blankedCondition is true for a stored row r that has something in a field which the row of that alias leaves empty;
// for another row it may be null.
func blankedCondition(k *record.Kind, alias string) string {
	parts := []string{"1 = 0"}
	for _, f := range k.Fields {
		switch {
		case k.IsKey(f.Name):
		case f.Type == record.Text:
			parts = append(parts, "(r."+f.Name+" <> '' AND ("+alias+"."+f.Name+" IS NULL OR "+alias+"."+f.Name+" = ''))")
		case f.Nullable:
			parts = append(parts, "(r."+f.Name+" IS NOT NULL AND "+alias+"."+f.Name+" IS NULL)")
		}
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// keyPlaces returns the places of the key fields, in key order.
func keyPlaces(k *record.Kind) []int {
	places := make([]int, len(k.Key))
	for i, name := range k.Key {
		places[i] = k.Field(name)
	}
	return places
}

// isInteger reports whether a field rests as an integer.
func isInteger(t record.Type) bool {
	return !slices.Contains([]record.Type{record.Text, record.Document, record.Bytes}, t)
}

package plan

import (
	"slices"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/source/cell"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// fields reads the kind's fields into the record kind's order and checks the key.
func (r *reader) fields(e entry, k *Kind, aliases []string, zone *time.Location) {
	mistakes := len(r.errs)
	given := map[string]Field{}
	for _, f := range r.mapping(e.value, e.path) {
		i := k.Record.Field(f.key)
		if i < 0 {
			var names []string
			for _, known := range k.Record.Fields {
				names = append(names, known.Name)
			}
			r.fail(f.at, f.path, "is not a field of %s%s", k.Record.Name, didYouMean(f.key, names))
			continue
		}
		given[f.key] = r.field(f, k.Record.Fields[i], aliases, zone)
	}
	for _, f := range k.Record.Fields {
		field, ok := given[f.Name]
		switch {
		case ok:
			k.Fields = append(k.Fields, field)
		case !f.Nullable:
			r.fail(e.at, e.path, "lacks the field %s, without which the portal takes no %s; add it", f.Name, k.Record.Name)
		}
	}
	if len(r.errs) == mistakes {
		r.recordKey(e, k)
	}
}

// recordKey checks that the record's key follows from the row's key and tells rows apart: of a deleted
// row nothing else is known.
func (r *reader) recordKey(e entry, k *Kind) {
	if len(k.Key) == 0 {
		return
	}
	used := map[string]bool{}
	for _, f := range k.Fields {
		if !k.Record.IsKey(f.Name) {
			continue
		}
		for _, ref := range f.Reads {
			if ref.Alias != k.As || !containsFold(k.Key, ref.Column) {
				r.errs = append(r.errs, &Error{File: r.file, Line: f.Line, Key: e.path + "." + f.Name,
					Text: "reads " + ref.String() + ", which is not a key column; the key of a record must follow from " + list(k.Key) +
						", because nothing else is known of a deleted row"})
				return
			}
			used[strings.ToLower(ref.Column)] = true
		}
	}
	for _, column := range k.Key {
		if !used[strings.ToLower(column)] {
			r.fail(e.at, e.path, "do not use the key column %s in %s; two rows that differ only there would be one record",
				column, list(k.Record.Key))
		}
	}
}

func (r *reader) field(e entry, f record.Field, aliases []string, zone *time.Location) Field {
	field := Field{Field: f, Line: line(e.at)}
	if spelling, kind, plain := scalar(e.value); plain {
		if kind != textScalar {
			r.fail(e.at, e.path, "is a constant; write {value: %s}", spelling)
			return field
		}
		field.Column = r.ref(e, spelling, aliases)
		field.Reads = []Ref{field.Column}
		return field
	}
	var codes, others entry
	sources := 0
	r.keys(e.value, e.path, map[string]func(entry){
		"column": func(e entry) {
			sources++
			field.Column = r.ref(e, r.text(e), aliases)
			field.Reads = []Ref{field.Column}
		},
		"expr": func(e entry) {
			sources++
			field.Expr = r.text(e)
			field.Reads = r.sql(e, field.Expr, aliases)
		},
		"value": func(e entry) {
			sources++
			v := r.literal(e, f, zone)
			field.Value = &v
		},
		"map":    func(e entry) { codes = e },
		"others": func(e entry) { others = e },
	})
	if sources != 1 {
		r.fail(e.at, e.path, "needs exactly one of column, expr and value")
	}
	if codes.value != nil {
		field.Map = map[string]protocol.Value{}
		for _, code := range r.mapping(codes.value, codes.path) {
			field.Map[code.key] = r.literal(code, f, zone)
		}
	}
	if others.value != nil {
		v := r.literal(others, f, zone)
		field.Others = &v
	}
	if field.Map == nil && field.Others != nil || field.Map != nil && field.Value != nil {
		r.fail(e.at, e.path, "has a map without a column or expr to translate, or others without a map")
	}
	return field
}

// literal reads a constant of the field's type.
func (r *reader) literal(e entry, f record.Field, zone *time.Location) protocol.Value {
	spelling, kind, plain := scalar(e.value)
	var v protocol.Value
	if !plain {
		r.fail(e.at, e.path, "needs a single value of type %s", f.Type)
		return v
	}
	if kind == nullScalar {
		if !f.Nullable {
			r.fail(e.at, e.path, "is empty, but %s needs a value of type %s", f.Name, f.Type)
		}
		return v
	}
	wrong := f.Type == record.Bool && kind != boolScalar || f.Type == record.Document || f.Type == record.Bytes ||
		f.Type != record.Bool && f.Type != record.Text && kind == boolScalar
	if err := cell.New(f, zone).Convert(&v, spelling); err != nil || wrong {
		r.fail(e.at, e.path, "%q is not a value of type %s%s", spelling, f.Type, exampleOf(f.Type))
	}
	return v
}

func exampleOf(t record.Type) string {
	switch t {
	case record.Bool:
		return "; write true or false"
	case record.Int:
		return "; write a whole number"
	case record.Decimal:
		return "; write a number with a point"
	case record.Date:
		return "; write it like 2026-01-31"
	case record.Time:
		return "; write it like \"07:30\""
	case record.Instant:
		return "; write it like 2026-01-31T07:30:00Z"
	case record.Document, record.Bytes:
		return "; only a column can hold one"
	case record.Text:
		return ""
	}
	return ""
}

// sql checks a piece of the customer's own SQL and returns the columns it names.
func (r *reader) sql(e entry, text string, aliases []string) []Ref {
	if text == "" {
		return nil
	}
	refs, problem := scanSQL(text, aliases)
	if problem != "" {
		r.fail(e.at, e.path, "%s", problem)
	}
	return refs
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

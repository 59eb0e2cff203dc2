package plan

import (
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// aliasPattern keeps aliases usable unquoted inside the customer's own SQL.
var aliasPattern = regexp.MustCompile(`^\p{L}[\p{L}\p{N}_]*$`)

// reservedPrefix belongs to the names that sources add to a statement.
const reservedPrefix = "portalsync_"

func (r *reader) alias(e entry) string {
	a := r.text(e)
	if a == "" {
		return ""
	}
	if !aliasPattern.MatchString(a) || strings.HasPrefix(strings.ToLower(a), reservedPrefix) {
		r.fail(e.at, e.path, "%q cannot be an alias; write a short name of letters and digits, like m", a)
		return ""
	}
	return a
}

// joins reads the joined tables; each may refer to the aliases before it.
func (r *reader) joins(e entry, aliases []string) ([]Join, []string) {
	sequence, ok := e.value.(*ast.SequenceNode)
	if !ok {
		r.fail(e.at, e.path, "needs a list of tables, each beginning with \"- table:\"")
		return nil, aliases
	}
	var joins []Join
	for _, item := range sequence.Values {
		j := r.join(item, e.path, aliases)
		if slices.ContainsFunc(aliases, func(a string) bool { return strings.EqualFold(a, j.As) }) {
			r.fail(item, e.path, "uses the alias %s a second time; choose another", j.As)
		}
		if j.As != "" {
			aliases = append(aliases, j.As)
		}
		joins = append(joins, j)
	}
	return joins, aliases
}

func (r *reader) join(n ast.Node, path string, aliases []string) Join {
	j := Join{Line: line(n)}
	r.keys(n, path, map[string]func(entry){
		"schema":   func(e entry) { j.Table.Schema = r.text(e) },
		"table":    func(e entry) { j.Table.Name = r.text(e) },
		"as":       func(e entry) { j.As = r.alias(e) },
		"on":       func(e entry) { j.On = r.on(e, aliases) },
		"first":    func(e entry) { j.First = r.texts(e) },
		"last":     func(e entry) { j.Last = r.texts(e) },
		"optional": func(e entry) { j.Optional = r.truth(e) },
	}, "table", "as", "on")
	if j.First != nil && j.Last != nil {
		r.fail(n, path, "has both first and last; keep one of them")
	}
	return j
}

func (r *reader) on(e entry, aliases []string) []On {
	var conditions []On
	linked := false
	for _, c := range r.mapping(e.value, e.path) {
		on := On{Column: c.key}
		spelling, kind, plain := scalar(c.value)
		switch {
		case plain && kind == textScalar:
			on.Ref = r.ref(c, spelling, aliases)
			linked = true
		case plain && kind == numberScalar:
			on.Value = spelling
		case plain:
			r.fail(c.at, c.path, "needs a column like %s.Nr, a number or {value: text}", aliases[0])
		default:
			r.keys(c.value, c.path, map[string]func(entry){
				"value": func(e entry) { on.Value, on.Text = r.text(e), true },
			}, "value")
		}
		conditions = append(conditions, on)
	}
	if !linked {
		r.fail(e.at, e.path, "links the table to no other; add a column with a reference like %s.Nr", aliases[0])
	}
	return conditions
}

// ref reads alias.column, where alias is one of those that may be used here.
func (r *reader) ref(e entry, spelling string, aliases []string) Ref {
	alias, column, ok := strings.Cut(spelling, ".")
	if !ok || column == "" {
		r.fail(e.at, e.path, "%q is not a column reference; write alias.column like %s.Nr", spelling, aliases[0])
		return Ref{}
	}
	if !slices.Contains(aliases, alias) {
		r.fail(e.at, e.path, "%s is not an alias known here; use one of %s", alias, list(aliases))
		return Ref{}
	}
	return Ref{Alias: alias, Column: column}
}

func (r *reader) truth(e entry) bool {
	s, kind, _ := scalar(e.value)
	if kind != boolScalar {
		r.fail(e.at, e.path, "needs true or false")
	}
	return s == "true"
}

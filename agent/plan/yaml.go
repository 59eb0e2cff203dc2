package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader walks the file's nodes and collects every mistake, so that one run tells them all.
type reader struct {
	file string
	errs []error
}

// entry is one key and value of a mapping.
type entry struct {
	key   string
	path  string
	at    ast.Node
	value ast.Node
}

// document returns the file's single document.
func (r *reader) document(b []byte) ast.Node {
	f, err := parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil {
			r.errs = append(r.errs, &Error{File: r.file, Line: syntax.Token.Position.Line, Text: "is not YAML: " + syntax.Message})
		} else {
			r.errs = append(r.errs, &Error{File: r.file, Line: 1, Text: "is not YAML: " + err.Error()})
		}
		return nil
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		r.errs = append(r.errs, &Error{File: r.file, Line: 1, Text: "holds no plan; begin with \"version: 1\""})
		return nil
	}
	return f.Docs[0].Body
}

func (r *reader) fail(at ast.Node, path, format string, args ...any) {
	r.errs = append(r.errs, &Error{File: r.file, Line: line(at), Key: path, Text: fmt.Sprintf(format, args...)})
}

func line(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 1
	}
	return n.GetToken().Position.Line
}

// mapping returns the entries of n. A key that is given twice, or a value that is not a mapping, is told.
func (r *reader) mapping(n ast.Node, path string) []entry {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.fail(n, path, "needs keys and values below it")
		return nil
	}
	var entries []entry
	seen := map[string]int{}
	for _, pair := range pairs {
		key, _, ok := scalar(pair.Key)
		if !ok || pair.Key.IsMergeKey() {
			r.fail(pair.Key, path, "has a key that is not plain text; anchors, merges and lists cannot be keys")
			continue
		}
		full := join(path, key)
		if first, twice := seen[key]; twice {
			r.fail(pair.Key, full, "is given twice, first in line %d; remove one of them", first)
			continue
		}
		seen[key] = line(pair.Key)
		entries = append(entries, entry{key: key, path: full, at: pair.Key, value: pair.Value})
	}
	return entries
}

// keys hands each entry of n to the function named like its key. A key without function is told, and so
// is a required key that is missing.
func (r *reader) keys(n ast.Node, path string, known map[string]func(entry), required ...string) {
	before := len(r.errs)
	entries := r.mapping(n, path)
	if entries == nil && len(r.errs) > before {
		return
	}
	for _, e := range entries {
		read, ok := known[e.key]
		if !ok {
			r.fail(e.at, e.path, "is not a key that a plan knows here; use one of %s", list(slices.Sorted(maps.Keys(known))))
			continue
		}
		read(e)
	}
	for _, key := range required {
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.key == key }) {
			r.fail(n, path, "lacks the key %s; add it", key)
		}
	}
}

// text returns a non-empty text value.
func (r *reader) text(e entry) string {
	s, kind, ok := scalar(e.value)
	if !ok || kind == nullScalar || s == "" {
		r.fail(e.at, e.path, "needs a text")
		return ""
	}
	if strings.ContainsRune(s, 0) {
		r.fail(e.at, e.path, "holds a NUL character; remove it")
		return ""
	}
	return s
}

// texts returns a non-empty list of different texts; a single text counts as a list of one.
func (r *reader) texts(e entry) []string {
	sequence, ok := e.value.(*ast.SequenceNode)
	if !ok {
		if s := r.text(e); s != "" {
			return []string{s}
		}
		return nil
	}
	var list []string
	for _, item := range sequence.Values {
		s := r.text(entry{path: e.path, at: item, value: item})
		if s != "" && slices.Contains(list, s) {
			r.fail(item, e.path, "names %s twice; remove one of them", s)
			continue
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		r.fail(e.at, e.path, "needs at least one name")
	}
	return list
}

type scalarKind uint8

const (
	textScalar scalarKind = iota
	numberScalar
	boolScalar
	nullScalar
)

// scalar returns the spelling of a plain value. Numbers keep their digits as written.
func scalar(n ast.Node) (string, scalarKind, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, textScalar, true
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), textScalar, true
	case *ast.IntegerNode:
		return n.Token.Value, numberScalar, true
	case *ast.FloatNode:
		return n.Token.Value, numberScalar, true
	case *ast.BoolNode:
		return n.Token.Value, boolScalar, true
	case *ast.NullNode:
		return "", nullScalar, true
	}
	return "", textScalar, false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func list(names []string) string { return strings.Join(names, ", ") }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

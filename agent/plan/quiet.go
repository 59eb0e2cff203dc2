package plan

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"lessor.dk/portalsync/agent/source"
)

// windows reads a list of times of day like "22:00-02:00"; a single one counts as a list of one.
func (r *reader) windows(e entry) []source.Window {
	items := []ast.Node{e.value}
	if sequence, ok := e.value.(*ast.SequenceNode); ok {
		items = sequence.Values
	}
	var windows []source.Window
	for _, item := range items {
		spelling, _, _ := scalar(item)
		w, ok := window(spelling)
		if !ok {
			r.fail(item, e.path, "%q is not a time of day; write it like \"22:00-02:00\", in quotes", spelling)
			continue
		}
		windows = append(windows, w)
	}
	return windows
}

// window reads HH:MM-HH:MM.
func window(text string) (w source.Window, ok bool) {
	from, to, ok := strings.Cut(text, "-")
	for _, part := range []struct {
		text string
		into *time.Duration
	}{{from, &w.From}, {to, &w.To}} {
		at, err := time.Parse("15:04", strings.TrimSpace(part.text))
		ok = ok && err == nil
		*part.into = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	return w, ok && w.From != w.To
}

package sourcetest

import (
	"context"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
)

// T is what shows a promise: a [*testing.T], or whatever else hears of failures. Fatal, Fatalf and Skip end the goroutine
// that calls them.
type T interface {
	Context() context.Context
	Helper()
	Cleanup(func())
	Failed() bool
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

// Promise is one sentence that holds of every source.
type Promise struct {
	Name string
	show func(*mainSystem)
}

// Promises lists all promises by their names.
func Promises() []Promise {
	var list []Promise
	for _, about := range promises {
		for name, show := range about {
			list = append(list, Promise{name, show})
		}
	}
	slices.SortFunc(list, func(a, b Promise) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Show holds the promise on an empty database, or skips it where the mode does not make it.
func (p Promise) Show(t T, h Harness) {
	t.Helper()
	if h.Mode == "" {
		h.Mode = plan.ChangeTracking
	}
	if why := h.Cannot[p.Name]; why != "" {
		t.Skip(why)
	}
	if h.Mode != plan.ChangeTracking && slices.Contains(trackingOnly, p.Name) ||
		h.Mode == plan.Compare && slices.Contains(changesOnly, p.Name) {
		t.Skip("in this mode digests find it")
	}
	p.show(newMain(t, h))
}

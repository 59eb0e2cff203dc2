// Package conformance shows on a customer's own SQL Server that the agent reads it as it promises. Everything happens in
// an empty scratch database, which is empty again afterwards. Tests run the same list where TEST_SQLSERVER_DSN names one.
//
// The list is that of package sourcetest in every mode, and what only a real server can show: keys, values and names of
// every kind, the inbox, cancelling, and of change tracking that TRUNCATE and switching it off and on raise the minimum
// valid version above every earlier position, and that no row at or below a position is missing from its snapshot.
package conformance

import (
	"context"
	"slices"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sourcetest"
)

// T hears of failures. See [sourcetest.T].
type T = sourcetest.T

// Check is one sentence to be shown on a server.
type Check struct {
	Name string
	show func(T, *Server)
}

// Checks lists everything, in an order that is always the same.
func Checks() []Check {
	var list []Check
	for _, mode := range []plan.Mode{plan.ChangeTracking, plan.Rowversion, plan.Compare} {
		for _, p := range sourcetest.Promises() {
			list = append(list, Check{string(mode) + ": " + p.Name, func(t T, s *Server) { p.Show(t, s.harness(t, mode)) }})
		}
	}
	return slices.Concat(list, trackingChecks(), keyChecks(), valueChecks(), otherChecks())
}

// Show empties the database and shows the check.
func (c Check) Show(t T, s *Server) {
	t.Helper()
	if err := s.empty(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.show(t, s)
}

// Result is what came of a check.
type Result string

// The results.
const (
	Kept    Result = "kept"
	Broken  Result = "broken"
	Skipped Result = "skipped" // this server or mode has no means to show it
)

// Outcome is one check's result.
type Outcome struct {
	Promise string        `json:"promise"`
	Result  Result        `json:"result"`
	Took    time.Duration `json:"took"`             // nanoseconds
	Detail  string        `json:"detail,omitempty"` // why it is broken or skipped
}

// Run shows every check on the server, one after another, and yields each outcome. It ends early with ctx's error.
func Run(ctx context.Context, s *Server, yield func(Outcome)) error {
	for _, c := range Checks() {
		o := run(ctx, c, s)
		if err := ctx.Err(); err != nil {
			return err // what was broken off says nothing
		}
		yield(o)
	}
	return nil
}

package conformance

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lessor.dk/portalsync/agent/source/sqlserver"
)

// TestConformance runs what agent check --conformance does, check by check.
func TestConformance(t *testing.T) {
	address := os.Getenv("TEST_SQLSERVER_DSN")
	if address == "" {
		t.Skip("TEST_SQLSERVER_DSN is not set: sqlserver://USER:PASSWORD@HOST?database=EMPTY runs this on a real server")
	}
	s, err := Open(t.Context(), address, sqlserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) { c.Show(t, s) })
	}
}

func TestEveryCheckHasItsOwnName(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks() {
		if seen[c.Name] {
			t.Errorf("two checks are called %q", c.Name)
		}
		seen[c.Name] = true
	}
	if len(seen) < 100 {
		t.Errorf("%d checks, want more than 100", len(seen))
	}
}

// TestRunner holds what hears of failures outside of tests to what testing.T does.
func TestRunner(t *testing.T) {
	var did []string
	note := func(s string) { did = append(did, s) }
	tests := map[string]struct {
		show func(*runner)
		want Outcome
		did  string
	}{
		"nothing is said":             {func(*runner) {}, Outcome{Result: Kept}, ""},
		"an error, and it goes on":    {func(r *runner) { r.Errorf("%d rows", 3); r.Error("and", "more"); note("after") }, Outcome{Result: Broken, Detail: "3 rows\nand more"}, "after"},
		"fatal ends it":               {func(r *runner) { r.Fatal("no", "way"); note("after") }, Outcome{Result: Broken, Detail: "no way"}, ""},
		"fatal with a format ends it": {func(r *runner) { r.Fatalf("%s", "no"); note("after") }, Outcome{Result: Broken, Detail: "no"}, ""},
		"skip ends it":                {func(r *runner) { r.Skip("cannot"); note("after") }, Outcome{Result: Skipped, Detail: "cannot"}, ""},
		"broken, then skipped":        {func(r *runner) { r.Error("no"); r.Skip("cannot") }, Outcome{Result: Broken, Detail: "no\ncannot"}, ""},
		"a panic is a failure":        {func(*runner) { panic("oh") }, Outcome{Result: Broken, Detail: "panic: oh"}, ""},
		"what was cleaned up, in the opposite order, also after fatal": {func(r *runner) {
			r.Cleanup(func() { note("first") })
			r.Cleanup(func() { note("second"); r.Error("unclean") })
			r.Fatal("no")
		}, Outcome{Result: Broken, Detail: "no\nunclean"}, "second first"},
		"the context ends before the clean-up": {func(r *runner) {
			r.Cleanup(func() {
				if errors.Is(r.Context().Err(), context.Canceled) {
					note("ended")
				}
			})
		}, Outcome{Result: Kept}, "ended"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			did = nil
			got := hear(t.Context(), tt.show)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Outcome{}, "Took")); diff != "" {
				t.Errorf("outcome (-want +got)\n%s", diff)
			}
			if got := strings.Join(did, " "); got != tt.did {
				t.Errorf("did %q, want %q", got, tt.did)
			}
		})
	}
}

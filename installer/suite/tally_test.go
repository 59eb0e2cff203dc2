package suite

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	const pkg = `"Package":"lessor.dk/portalsync/x"`
	tests := map[string]struct {
		events []string
		want   string
		shows  string // must be in what is printed
	}{
		"tests and subtests are counted, packages are not": {
			events: []string{`{"Action":"pass",` + pkg + `,"Test":"TestA/sub"}`, `{"Action":"pass",` + pkg + `,"Test":"TestA"}`, `{"Action":"pass",` + pkg + `,"Elapsed":1.5}`},
			want:   "2 passed, 0 failed, 0 skipped",
			shows:  "x                                                    ok          1.5 s",
		},
		"a failed test shows what it printed": {
			events: []string{`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"got 1, want 2\n"}`, `{"Action":"fail",` + pkg + `,"Test":"TestA"}`, `{"Action":"fail",` + pkg + `}`},
			want:   "0 passed, 1 failed, 0 skipped",
			shows:  "got 1, want 2",
		},
		"a package that does not compile is a failure": {
			events: []string{`{"ImportPath":"x [x.test]","Action":"build-output","Output":"undefined: y\n"}`, `{"Action":"fail",` + pkg + `,"FailedBuild":"x [x.test]"}`},
			want:   "0 passed, 1 failed, 0 skipped",
			shows:  "undefined: y",
		},
		"a skip is counted and says why": {
			events: []string{`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"=== RUN   TestA\n"}`, `{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a_test.go:9: needs Windows\n"}`, `{"Action":"skip",` + pkg + `,"Test":"TestA"}`},
			want:   "0 passed, 0 failed, 1 skipped",
			shows:  "needs Windows",
		},
		"a line that is no event is passed on": {
			events: []string{`go: downloading example.com/x`},
			want:   "0 passed, 0 failed, 0 skipped",
			shows:  "go: downloading",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			tally := newTally(New(&out, Config{}))
			if err := tally.read(strings.NewReader(strings.Join(tt.events, "\n"))); err != nil {
				t.Fatal(err)
			}
			if got := tally.String(); got != tt.want {
				t.Errorf("tally = %q, want %q", got, tt.want)
			}
			if !strings.Contains(out.String(), tt.shows) {
				t.Errorf("printed %q, want %q in it", out.String(), tt.shows)
			}
		})
	}
}

func TestMissingNamesProgramAndPackage(t *testing.T) {
	err := missing([]need{{name: "Redis 7 or later", why: "the queue's tests", apt: []string{"redis-server"}}})
	for _, want := range []string{"Redis 7 or later", "the queue's tests", "apt-get install redis-server"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing = %q, want %q in it", err, want)
		}
	}
}

package suite

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxEventBytes is the longest line of `go test -json`.
const maxEventBytes = 4 << 20

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

// tally counts tests, subtests included, and prints a line per package and the output of what failed.
type tally struct {
	suite                   *Suite
	passed, failed, skipped int
	output                  map[string][]string // by package and test, until the test has passed
	failedIn                map[string]int      // failed tests by package
}

func newTally(s *Suite) *tally {
	return &tally{suite: s, output: map[string][]string{}, failedIn: map[string]int{}}
}

// String is the last line of the run.
func (t *tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
}

// read consumes the events up to the end of r.
func (t *tally) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxEventBytes)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(t.suite.out, lines.Text()) // not an event: the go command itself speaks
			continue
		}
		t.add(e)
	}
	return lines.Err()
}

func (t *tally) add(e event) {
	key := e.Package + "\x00" + e.Test
	switch e.Action {
	case "output":
		t.output[key] = append(t.output[key], e.Output)
	case "build-output":
		t.output[e.ImportPath] = append(t.output[e.ImportPath], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.endPackage(e, key)
			return
		}
		t.endTest(e, key)
	}
}

func (t *tally) endTest(e event, key string) {
	switch e.Action {
	case "pass":
		t.passed++
	case "skip":
		t.skipped++
		fmt.Fprintf(t.suite.out, "    skipped %s: %s\n", e.Test, t.reason(key))
	case "fail":
		t.failed++
		t.failedIn[e.Package]++
		t.show(e.Package+" "+e.Test, t.output[key])
	}
	delete(t.output, key)
}

// endPackage prints the package's line. A package that failed without a failed test
// (it does not compile, or died) counts as one failure, else it would go unnoticed in the tally.
func (t *tally) endPackage(e event, key string) {
	name := strings.TrimPrefix(e.Package, "lessor.dk/portalsync/")
	took := time.Duration(e.Elapsed * float64(time.Second))
	switch e.Action {
	case "fail":
		if t.failedIn[e.Package] == 0 {
			t.failed++
			t.show(e.Package, append(t.output[e.FailedBuild], t.output[key]...))
		}
		t.suite.line(name, "FAILED", took)
	case "pass":
		t.suite.line(name, "ok", took)
	}
	delete(t.output, key)
}

// addStep counts a step of the services' tests as a test.
func (t *tally) addStep(name string, err error, took time.Duration) {
	if err != nil {
		t.failed++
	} else {
		t.passed++
	}
	t.suite.line(name, verdict(err), took)
}

func (t *tally) show(what string, output []string) {
	fmt.Fprintf(t.suite.out, "--- %s\n%s", what, strings.Join(output, ""))
}

// reason finds what the test said when it skipped.
func (t *tally) reason(key string) string {
	for _, o := range t.output[key] {
		if o = strings.TrimSpace(o); !strings.HasPrefix(o, "===") && !strings.HasPrefix(o, "---") {
			return o
		}
	}
	return "no reason given"
}

// Package suite is the one test command: it installs what the tests need, then runs vet, the linters,
// the Windows build and every test with the race detector, and says in one line how it went.
package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"lessor.dk/portalsync/installer/services"
)

// maxParallel is how many packages are tested at once. Each may start a PostgreSQL, a Redis and a
// Chromium of its own, so more of them than two cores serve only makes all of them miss their deadlines.
const maxParallel = 2

// testTimeout stops a package that hangs, with a dump of its goroutines.
const testTimeout = 10 * time.Minute

// Config tunes a Suite. The zero value runs everything.
type Config struct {
	Packages  []string // package patterns; empty means ./...
	NoInstall bool     // say what is missing instead of installing it
	NoLint    bool     // leave out vet and lint
	NoTests   bool     // leave out the packages' tests
	NoRace    bool     // leave out the race detector
	Services  bool     // also the agent as a service under systemd and Wine; needs root that may mount
}

// Suite is one run of all checks.
type Suite struct {
	out io.Writer
	cfg Config
}

// New returns a Suite that reports to out. It does nothing until Run.
func New(out io.Writer, cfg Config) *Suite {
	if len(cfg.Packages) == 0 {
		cfg.Packages = []string{"./..."}
	}
	return &Suite{out: out, cfg: cfg}
}

// Run runs every check, also after one has failed, so that one run shows everything.
// Its error names the checks that failed.
func (s *Suite) Run(ctx context.Context) error {
	if s.cfg.NoLint && s.cfg.NoTests && !s.cfg.Services {
		return errors.New("nothing is left to check: leave out --no-lint or --no-tests, or add --services")
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	var failed []string
	for _, c := range s.checks() {
		if err := s.check(ctx, c); err != nil {
			failed = append(failed, c.name)
		}
		if ctx.Err() != nil {
			return errors.New("stopped before the end")
		}
	}
	tally := newTally(s)
	if !s.cfg.NoTests {
		if err := s.test(ctx, tally); err != nil {
			failed = append(failed, err.Error())
		}
	}
	if s.cfg.Services {
		if err := services.Check(ctx, tally.addStep); err != nil {
			failed = append(failed, "services: "+err.Error())
		}
	}
	if len(failed) > 0 {
		fmt.Fprintln(s.out, "not passed:", strings.Join(failed, ", "))
	}
	fmt.Fprintln(s.out, tally) // the last line, for people and for CI
	if len(failed) > 0 {
		return errors.New("some checks did not pass")
	}
	return nil
}

// check is one command that is right when it exits with 0.
type check struct {
	name string
	env  []string
	args []string
}

func (s *Suite) checks() []check {
	if s.cfg.NoLint {
		return nil
	}
	windows := []string{"GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0"}
	return []check{
		{name: "go vet", args: append([]string{"go", "vet"}, s.cfg.Packages...)},
		{name: "golangci-lint", args: append([]string{"go", "tool", "-modfile=.tools/go.mod", "golangci-lint", "run"}, s.cfg.Packages...)},
		{name: "go vet for Windows", env: windows, args: []string{"go", "vet", "./agent/...", "./protocol/..."}},
		{name: "agent built for Windows", env: windows, args: []string{"go", "build", "-o", os.DevNull, "./agent"}},
	}
}

func (s *Suite) check(ctx context.Context, c check) error {
	start := time.Now()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	out, err := cmd.CombinedOutput()
	s.line(c.name, verdict(err), time.Since(start))
	if err != nil {
		fmt.Fprintf(s.out, "%s\n", out)
	}
	return err
}

// line reports one step: its name, what came of it and how long it took.
func (s *Suite) line(name, verdict string, took time.Duration) {
	fmt.Fprintf(s.out, "%-52s %-8s %6.1f s\n", name, verdict, took.Seconds())
}

func verdict(err error) string {
	if err != nil {
		return "FAILED"
	}
	return "ok"
}

// test runs the tests and counts them in t; its error is what belongs into the list of failed checks.
func (s *Suite) test(ctx context.Context, t *tally) error {
	args := []string{"test", "-json", "-p", strconv.Itoa(maxParallel), "-timeout", testTimeout.String()}
	if !s.cfg.NoRace {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, s.cfg.Packages...)...)
	cmd.Stderr = s.out
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	readErr := t.read(stdout)
	waitErr := cmd.Wait()
	switch {
	case readErr != nil:
		return fmt.Errorf("read the results of go test: %w", readErr)
	case t.failed > 0:
		return errors.New("tests")
	case waitErr != nil:
		return fmt.Errorf("go test: %w", waitErr)
	case t.passed == 0:
		return errors.New("tests (none ran)")
	}
	return nil
}

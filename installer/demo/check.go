package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// stepTime bounds each step of a check.
const stepTime = 40 * time.Second

// Step is one proof and its outcome.
type Step struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Figure  string  `json:"figure,omitempty"` // what was measured
	Error   string  `json:"error,omitempty"`
}

// Report is the outcome of a check.
type Report struct {
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"` // after compilation
	Steps   []Step  `json:"steps"`
}

// ErrNotProven says that a step of a check did not hold.
var ErrNotProven = errors.New("not everything holds, see above")

// Check shows the whole path unattended and proves it, step by step, with the invented company. It prints a
// line per step, or one JSON object at the end. The error is [ErrNotProven] when a step did not hold.
func Check(ctx context.Context, out io.Writer, cfg Config, asJSON bool) (err error) {
	if cfg.MainSystem != "" || cfg.Data != "" {
		return errors.New("--check proves the invented company in a directory of its own: leave out --main-system and --data")
	}
	if err := cfg.check(); err != nil {
		return err
	}
	lines, progress := out, out
	if asJSON {
		lines, progress = io.Discard, io.Discard
	}
	d := New(progress, cfg)
	dir, remove, err := d.directory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	s, err := openScene(ctx, io.Discard, dir, cfg)
	if err != nil {
		return err
	}
	p := &proof{scene: s, lines: lines, start: time.Now()}
	r := p.run(ctx)
	if !r.OK {
		err = errors.Join(ErrNotProven, s.close())
		fmt.Fprintf(lines, "\nthe ends of the logs:\n")
		s.tails(lines)
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return errors.Join(err, e.Encode(r))
	}
	fmt.Fprintf(out, "\n%d steps in %.1f s after compilation: %s\n", len(r.Steps), r.Seconds, verdict(r.OK))
	return err
}

func verdict(ok bool) string {
	if ok {
		return "everything holds"
	}
	return "not everything holds"
}

// run goes through the steps and stops at the first that does not hold: the later ones build on it.
func (p *proof) run(ctx context.Context) Report {
	r := Report{OK: true}
	for _, step := range p.steps() {
		start := time.Now()
		bounded, stop := context.WithTimeout(ctx, stepTime)
		figure, err := step.prove(bounded)
		stop()
		done := Step{Name: step.name, OK: err == nil, Seconds: time.Since(start).Seconds(), Figure: figure}
		mark := "ok"
		if err != nil {
			done.Error, mark, figure = err.Error(), "NO", err.Error()
		}
		fmt.Fprintf(p.lines, "%-3s %5.1f s  %s: %s\n", mark, done.Seconds, done.Name, figure)
		r.Steps = append(r.Steps, done)
		if err != nil {
			r.OK = false
			break
		}
	}
	p.quiet()
	r.Seconds = time.Since(p.start).Seconds()
	return r
}

// tails shows what the programs said last.
func (s *scene) tails(w io.Writer) {
	for _, log := range []string{"agent.log", "receiver.log"} {
		b, err := os.ReadFile(s.path(log))
		if err != nil {
			b = []byte(err.Error())
		}
		fmt.Fprintf(w, "--- %s\n%s\n", log, b[max(0, len(b)-3000):])
	}
}

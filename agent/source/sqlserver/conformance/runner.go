package conformance

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
)

// runner is a [T] outside of tests: it keeps what is said.
type runner struct {
	ctx func() context.Context

	mu      sync.Mutex
	broken  bool
	skipped bool
	said    []string
	cleanup []func()
}

// run shows one check.
func run(ctx context.Context, c Check, s *Server) Outcome {
	o := hear(ctx, func(r *runner) { c.Show(r, s) })
	o.Promise = c.Name
	return o
}

// hear lets f say what is wrong, in a goroutine of its own, which Fatal and Skip may end.
func hear(ctx context.Context, f func(*runner)) Outcome {
	own, cancel := context.WithCancel(ctx)
	r := &runner{ctx: func() context.Context { return own }}
	begun := time.Now()
	r.apart(func() { f(r) })
	cancel()
	for i := len(r.cleanup) - 1; i >= 0; i-- {
		r.apart(r.cleanup[i])
	}
	o := Outcome{Result: Kept, Took: time.Since(begun), Detail: strings.Join(r.said, "\n")}
	switch {
	case r.broken:
		o.Result = Broken
	case r.skipped:
		o.Result = Skipped
	}
	return o
}

// apart calls f in a goroutine and waits for its end, whichever it is.
func (r *runner) apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.Error("panic:", p)
			}
		}()
		f()
	}()
	<-done
}

func (r *runner) Context() context.Context { return r.ctx() }
func (r *runner) Helper()                  {}

func (r *runner) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanup = append(r.cleanup, f)
}

func (r *runner) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

func (r *runner) say(broken bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = r.broken || broken
	r.said = append(r.said, strings.TrimSpace(text))
}

func (r *runner) Error(args ...any)                 { r.say(true, fmt.Sprintln(args...)) }
func (r *runner) Errorf(format string, args ...any) { r.say(true, fmt.Sprintf(format, args...)) }

func (r *runner) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *runner) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *runner) Skip(args ...any) {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	r.say(false, fmt.Sprintln(args...))
	runtime.Goexit()
}

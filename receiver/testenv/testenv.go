// Package testenv gives tests the real thing: a PostgreSQL, a Redis, a Chromium of their own. What is missing on the
// machine fails the test with a sentence that names the Debian package; nothing is ever skipped.
//
// Every process started here ends with the test process, however that ends: it is watched by a small shell whose
// standard input is a pipe from us, and which cleans up when that pipe closes.
package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// watch runs a program in a directory, and when its input ends kills the program and removes the
// directory; a line of input before the end keeps it. Its own process group keeps a Ctrl-C at the terminal from ending
// it before it has cleaned up.
const watch = `
dir=$1; signal=$2; shift 2
"$@" </dev/null >>"$dir/log" 2>&1 &
child=$!
read -r keep
kill -s "$signal" $child 2>/dev/null
wait $child
[ -n "$keep" ] || { cd / && rm -rf "$dir"; }
`

// program is a running process.
type program struct {
	log   string
	stdin io.WriteCloser
	gone  <-chan struct{} // closed when the watching shell has ended
}

// start runs a program in dir as the given user; nil is ours. When we end, the program gets signal and dir is removed.
func start(dir string, user *syscall.Credential, signal string, args ...string) (*program, error) {
	ctx := context.Background() // it outlives the test that needed it first; stop ends it
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", watch, "sh", dir, signal}, args...)...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user, Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = cmd.Wait() // the shell's exit code says nothing of the program's
	}()
	return &program{log: filepath.Join(dir, "log"), stdin: stdin, gone: gone}, nil
}

// stop ends the program, removes its directory and returns when both are gone.
func (p *program) stop() error {
	err := p.stdin.Close()
	<-p.gone
	if errors.Is(err, os.ErrClosed) { // the shell had ended already
		return nil
	}
	return err
}

// kill ends the program with the signal it was started with, and keeps its directory.
func (p *program) kill() error {
	_, err := io.WriteString(p.stdin, "keep\n")
	return errors.Join(err, p.stop())
}

// ready calls try until it succeeds. After a minute it gives up and quotes the program's log.
func (p *program) ready(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.gone:
			return fmt.Errorf("it ended: %w\n%s", err, tail(p.log))
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w\n%s", err, tail(p.log))
		}
	}
}

// tail returns the end of a log file.
func tail(file string) string {
	const most = 2000
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// find returns the first of the named programs that is installed, or fails the test naming the Debian package.
func find(t testing.TB, debian string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: install the Debian package %s (apt-get install %s)", names[0], debian, debian)
	return ""
}

package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopTime is how long a program may take to end after it was asked to.
const stopTime = 20 * time.Second

// Process is one running program. Its output goes to a log file.
type Process struct {
	Name string
	Log  string // path of its log

	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
	err  error // valid after done
}

// Start starts a program, adding to its log. It runs until [Process.Stop] or [Process.Kill], or until
// it ends by itself; a Ctrl-C at the terminal does not reach it.
func Start(name, logFile, program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	cmd := exec.Command(program, args...) //nolint:noctx // it ends by Stop or Kill, in an order that no context knows
	p := &Process{Name: name, Log: logFile, cmd: cmd, log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	detach(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	go func() {
		p.err = errors.Join(p.cmd.Wait(), log.Close())
		close(p.done)
	}()
	return p, nil
}

// Pid returns the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop asks the program to end, as a service manager does, and waits.
func (p *Process) Stop() error {
	if err := terminate(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	select {
	case <-p.done:
	case <-time.After(stopTime):
		return errors.Join(fmt.Errorf("%s did not end within %s of being asked to; see %s", p.Name, stopTime, p.Log), p.Kill())
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && !signalled(exit) {
		return fmt.Errorf("%s ended with %w: %s", p.Name, p.err, p.lastLine())
	}
	return nil
}

// Kill ends the process at once (SIGKILL) and waits until it is gone.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-p.done
	return nil
}

// Usage returns CPU time and largest resident size in bytes of a process that has ended; false before that.
func (p *Process) Usage() (cpu time.Duration, peak int64, ok bool) {
	select {
	case <-p.done:
	default:
		return 0, 0, false
	}
	state := p.cmd.ProcessState
	return state.UserTime() + state.SystemTime(), peakOf(state), true
}

// Succeed waits until the program ends by itself, without error. When ctx ends first the program is killed.
func (p *Process) Succeed(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.Kill())
	}
	if p.err != nil {
		return fmt.Errorf("%s ended with %w: %s", p.Name, p.err, p.lastLine())
	}
	return nil
}

// Await calls ready, every few hundredths of a second, until it returns true or an error, the process ends, or ctx does.
func (p *Process) Await(ctx context.Context, ready func(context.Context) (bool, error)) error {
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := ready(ctx); ok || err != nil {
			return err
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.Name, p.lastLine())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.Name, ctx.Err())
		case <-tick.C:
		}
	}
}

// lastLine returns the end of the log: what the program said last.
func (p *Process) lastLine() string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(string(b))
	return text[strings.LastIndexByte(text, '\n')+1:]
}

func signalled(exit *exec.ExitError) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

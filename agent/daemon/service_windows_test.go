package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/windows/svc"

	"lessor.dk/portalsync/agent/config"
)

func TestServiceManagerHearsRunningFirstAndStopsTheAgent(t *testing.T) {
	for name, order := range map[string]svc.Cmd{"stop": svc.Stop, "shutdown": svc.Shutdown, "preshutdown": svc.PreShutdown} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stopped(t, order) })
		})
	}
}

// stopped is a service's life until it gets an order to stop.
func stopped(t *testing.T, order svc.Cmd) {
	requests, status := make(chan svc.ChangeRequest), make(chan svc.Status)
	begun, ending := false, make(chan struct{})
	h := &handler{run: func(ctx context.Context) error {
		begun = true
		<-ctx.Done()
		<-ending
		return nil
	}}
	type end struct {
		specific bool
		code     uint32
	}
	done := make(chan end, 1)
	go func() {
		specific, code := h.Execute(nil, requests, status)
		done <- end{specific, code}
	}()
	synctest.Wait() // until it waits for somebody to hear its status
	if begun {
		t.Error("the agent began before the service manager heard that it runs")
	}
	if got, want := <-status, svc.AcceptStop|svc.AcceptShutdown|svc.AcceptPreShutdown; got.State != svc.Running || got.Accepts != want {
		t.Errorf("first status %+v, want running that accepts %b", got, want)
	}
	synctest.Wait()
	if !begun {
		t.Error("the agent has not begun")
	}
	requests <- svc.ChangeRequest{Cmd: svc.Interrogate, CurrentStatus: svc.Status{State: svc.Running}}
	if got := <-status; got.State != svc.Running {
		t.Errorf("asked, it says %+v", got)
	}
	requests <- svc.ChangeRequest{Cmd: order}
	if got := <-status; got.State != svc.StopPending || got.WaitHint != uint32(stopHint.Milliseconds()) {
		t.Errorf("told to stop, it says %+v", got)
	}
	synctest.Wait()
	select {
	case got := <-done:
		t.Errorf("it ended with %+v before the agent had", got)
	default:
	}
	close(ending)
	if got := <-done; got != (end{}) {
		t.Errorf("ended with %+v, want no error", got)
	}
}

// An agent that cannot begin ends as a failure, which the service manager answers with a restart.
func TestServiceThatCannotBeginFails(t *testing.T) {
	status := make(chan svc.Status, 1)
	cause := errors.New("not enrolled")
	h := &handler{run: func(context.Context) error { return cause }}
	if specific, code := h.Execute(nil, make(chan svc.ChangeRequest), status); !specific || code != 1 || !errors.Is(h.err, cause) {
		t.Errorf("Execute = %v, %d, err %v; want a code of its own, 1", specific, code, h.err)
	}
}

// eventList is an event log in memory.
type eventList struct{ got []string }

func (e *eventList) Info(_ uint32, text string) error {
	e.got = append(e.got, "info "+text)
	return nil
}
func (e *eventList) Warning(_ uint32, text string) error {
	e.got = append(e.got, "warning "+text)
	return nil
}
func (e *eventList) Error(_ uint32, text string) error {
	e.got = append(e.got, "error "+text)
	return nil
}
func (e *eventList) Close() error {
	e.got = append(e.got, "closed")
	return nil
}

// fileText is a file in memory.
type fileText struct {
	strings.Builder

	closed bool
}

func (f *fileText) Close() error {
	f.closed = true
	return nil
}

func TestEventLogHoldsWarningsAndTheFileEverything(t *testing.T) {
	var file fileText
	var list eventList
	l := &windowsLog{file: &file, events: &list}
	log := NewLogger(config.Log{}, l.sink)
	log.Info("a")
	log.Warn("b")
	log.Error("c")
	cause := errors.New("d")
	if err := l.end(cause); !errors.Is(err, cause) {
		t.Errorf("end = %v, want %v", err, cause)
	}
	want := []string{"level=INFO msg=a", "level=WARN msg=b", "level=ERROR msg=c", `level=ERROR msg="agent ended" err=d`}
	if got := withoutTime(strings.Split(strings.TrimSpace(file.String()), "\n")); !slices.Equal(got, want) {
		t.Errorf("the file holds %q, want %q", got, want)
	}
	want = []string{"warning level=WARN msg=b", "error level=ERROR msg=c", `error level=ERROR msg="agent ended" err=d`, "closed"}
	if got := withoutTime(list.got); !slices.Equal(got, want) {
		t.Errorf("the event log holds %q, want %q", got, want)
	}
	if !file.closed {
		t.Error("the file was not closed")
	}
}

// A computer without an event log still has the file.
func TestWithoutEventLogTheFileHoldsEverything(t *testing.T) {
	var file fileText
	l := &windowsLog{file: &file}
	NewLogger(config.Log{}, l.sink).Error("c")
	if err := l.end(nil); err != nil {
		t.Error(err)
	}
	if got, want := withoutTime([]string{strings.TrimSpace(file.String())}), []string{"level=ERROR msg=c"}; !slices.Equal(got, want) {
		t.Errorf("the file holds %q, want %q", got, want)
	}
}

func withoutTime(lines []string) (rest []string) {
	for _, line := range lines {
		rest = append(rest, strings.TrimSpace(timeOfLine.ReplaceAllString(line, "")))
	}
	return rest
}

var timeOfLine = regexp.MustCompile(`time=\S+ `)

// At the smallest limit there is, one megabyte, nine megabytes leave the present file and five old ones, of the
// newest lines, none cut.
func TestLogFileIsPutAsideAndTheOldestGo(t *testing.T) {
	dir := t.TempDir()
	file := rotated(filepath.Join(dir, "agent.log"), 1)
	l := &windowsLog{file: file}
	log := NewLogger(config.Log{}, l.sink)
	const lines = 9 << 10
	filler := strings.Repeat("x", 1<<10)
	for i := range lines {
		log.Info("line", "attempt", i, "text", filler)
	}
	if err := l.end(nil); err != nil { // waits for what is being removed
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 1+logFiles {
		t.Fatalf("the directory holds %q, want the present file and %d old ones (%v)", names, logFiles, err)
	}
	var all []byte
	for _, name := range names { // in their order: the time, and last the present file
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) == 0 || len(text) > 1<<20 || text[len(text)-1] != '\n' {
			t.Errorf("%s has %d bytes, want at most a megabyte of whole lines", name, len(text))
		}
		all = append(all, text...)
	}
	numbers := regexp.MustCompile(`attempt=(\d+)`).FindAllSubmatch(all, -1)
	for i, n := range numbers {
		if want := lines - len(numbers) + i; string(n[1]) != strconv.Itoa(want) {
			t.Fatalf("line %s stands where %d belongs", n[1], want)
		}
	}
	if len(numbers) < logFiles<<10*9/10 {
		t.Errorf("%d lines are left", len(numbers))
	}
}

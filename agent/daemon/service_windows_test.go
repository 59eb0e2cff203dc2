package daemon

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sys/windows/svc"

	"lessor.dk/portalsync/agent/config"
)

func TestServiceManagerHearsRunningFirstAndStopsTheAgent(t *testing.T) {
	for name, order := range map[string]svc.Cmd{"stop": svc.Stop, "shutdown": svc.Shutdown, "preshutdown": svc.PreShutdown} {
		t.Run(name, func(t *testing.T) {
			requests, status := make(chan svc.ChangeRequest), make(chan svc.Status)
			begun := make(chan struct{})
			h := &handler{run: func(ctx context.Context) error {
				close(begun)
				<-ctx.Done()
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
			select {
			case <-begun:
				t.Fatal("the agent began before the service manager heard that it runs")
			case got := <-status:
				if want := svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown; got.State != svc.Running || got.Accepts != want {
					t.Fatalf("first status %+v, want running that accepts %b", got, want)
				}
			}
			requests <- svc.ChangeRequest{Cmd: svc.Interrogate, CurrentStatus: svc.Status{State: svc.Running}}
			if got := <-status; got.State != svc.Running {
				t.Errorf("asked, it says %+v", got)
			}
			requests <- svc.ChangeRequest{Cmd: order}
			if got := <-status; got.State != svc.StopPending || got.WaitHint == 0 {
				t.Errorf("told to stop, it says %+v", got)
			}
			if got := <-done; got != (end{}) {
				t.Errorf("ended with %+v, want no error", got)
			}
		})
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
func (e *eventList) Close() error { return nil }

type fileText struct{ strings.Builder }

func (*fileText) Close() error { return nil }

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
	if got := strings.Count(file.String(), "\n"); got != 4 {
		t.Errorf("the file has %d lines, want 4:\n%s", got, file.String())
	}
	got := strings.Join(list.got, "")
	if len(list.got) != 3 || !strings.HasPrefix(list.got[0], "warning ") || !strings.Contains(got, "error ") || !strings.Contains(got, "err=d") || strings.Contains(got, slog.LevelInfo.String()) {
		t.Errorf("the event log holds %q", list.got)
	}
}

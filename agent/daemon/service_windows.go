package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// stopHint is how long the agent may take to stop; it finishes the request it is in.
const stopHint = 30 * time.Second

// failureReset is after how long without a failure the restarts begin anew.
const failureReset = 24 * time.Hour

// RunService enters the service manager by itself and runs the agent until it says stop. kardianos would
// ask first whether the process is a service, which Windows containers answer wrongly (golang/go#56335).
func RunService(_ context.Context, run func(context.Context) error) error {
	h := &handler{run: run}
	if err := svc.Run(ServiceName, h); err != nil {
		return fmt.Errorf("enter the service manager: %w: this command is for the system; use agent run at a prompt", err)
	}
	return h.err
}

// handler is the agent in the service manager's hands.
type handler struct {
	run func(context.Context) error
	err error
}

// Execute reports Running before anything is loaded, because Windows gives up after 30 s, and accepts all
// three ways of being told to stop.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	const accepts = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown
	status <- svc.Status{State: svc.Running, Accepts: accepts}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- h.run(ctx) }()
	for {
		select {
		case h.err = <-done:
			if h.err != nil {
				return true, 1
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: uint32(stopHint.Milliseconds())}
				stop()
			}
		}
	}
}

// recoverOnFailure restarts the service after every failure, also one that is no crash, which kardianos cannot
// say. Systems that know no such settings are left as they are.
func recoverOnFailure(name string) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w", err)
	}
	defer m.Disconnect() //nolint:errcheck // nothing depends on it
	s, err := m.OpenService(name)
	if err != nil {
		return fmt.Errorf("open service %s: %w", name, err)
	}
	defer s.Close()
	actions := []mgr.RecoveryAction{
		{Type: mgr.ServiceRestart, Delay: 5 * time.Second},
		{Type: mgr.ServiceRestart, Delay: 30 * time.Second},
		{Type: mgr.ServiceRestart, Delay: 2 * time.Minute},
	}
	err = errors.Join(
		tolerate(s.SetRecoveryActions(actions, uint32(failureReset.Seconds()))),
		tolerate(s.SetRecoveryActionsOnNonCrashFailures(true)),
	)
	if err != nil {
		return fmt.Errorf("set restarts of service %s: %w", name, err)
	}
	return nil
}

func tolerate(err error) error {
	if errors.Is(err, windows.ERROR_INVALID_LEVEL) {
		return nil
	}
	return err
}

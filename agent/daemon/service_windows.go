package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"

	"lessor.dk/portalsync/agent/config"
)

// elevate is what to do when an account may not change the system's services.
const elevate = "run it at a prompt opened with Run as administrator"

// stopHint is how long the agent may take to stop; it finishes the request it is in.
const stopHint = 30 * time.Second

// failureReset is after how long without a failure the restarts begin anew.
const failureReset = 24 * time.Hour

// RunService enters the service manager by itself and runs the agent until it says stop. kardianos would
// ask first whether the process is a service, which Windows containers answer wrongly (golang/go#56335). The
// log goes to the event log and to a file; a service has no stderr.
func RunService(_ context.Context, _ io.Writer, run func(context.Context, Sink) error) error {
	h := &handler{run: func(ctx context.Context) error {
		log, err := openServiceLog()
		if err != nil {
			return err
		}
		return log.end(run(ctx, log.sink))
	}}
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

// refine sets what kardianos cannot: a restart after every failure, also one that is no crash, an identity of
// the service's own for access lists, and time to stop before the system does. Systems that know no such
// settings are left as they are.
func refine() error {
	if err := prepareLog(); err != nil {
		return err
	}
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w", err)
	}
	defer m.Disconnect() //nolint:errcheck // nothing depends on it
	s, err := m.OpenService(ServiceName)
	if err != nil {
		return fmt.Errorf("open service %s: %w", ServiceName, err)
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
		tolerate(change(s, windows.SERVICE_CONFIG_SERVICE_SID_INFO, windows.SERVICE_SID_TYPE_UNRESTRICTED)),
		tolerate(change(s, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, uint32(stopHint.Milliseconds()))),
	)
	if err != nil {
		return fmt.Errorf("set restarts of service %s: %w", ServiceName, err)
	}
	return nil
}

// change sets one of the settings that are a single number.
func change(s *mgr.Service, level, value uint32) error {
	return windows.ChangeServiceConfig2(s.Handle, level, (*byte)(unsafe.Pointer(&value)))
}

func tolerate(err error) error {
	if errors.Is(err, windows.ERROR_INVALID_LEVEL) {
		return nil
	}
	return err
}

// remedy is what to do about an error of the service manager, as far as we know it.
func remedy(err error) string {
	switch {
	case errors.Is(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE):
		return "the old one is not gone yet: close the Services window and run this again"
	case errors.Is(err, windows.ERROR_INVALID_SERVICE_ACCOUNT):
		return `the account is not known, or has a password: give --account "NT SERVICE\` + ServiceName + `" or a group-managed DOMAIN\name$`
	case errors.Is(err, windows.ERROR_SERVICE_LOGON_FAILED):
		return `the account may not log on as a service: grant it that right, or install again with another --account`
	}
	return ""
}

// admit has nothing to do: access follows the directories' access lists, which an administrator sets for the account.
func admit(context.Context, string, string, *config.Config) error { return nil }

// forget has nothing to do: Windows keeps nothing of a service that is gone.
func forget(context.Context) error { return nil }

// inspect asks the service manager with no more rights than any account has.
func inspect(context.Context) (*ServiceStatus, error) {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return nil, fmt.Errorf("reach the service manager: %w", err)
	}
	defer windows.CloseServiceHandle(manager) //nolint:errcheck // nothing depends on it
	name, err := windows.UTF16PtrFromString(ServiceName)
	if err != nil {
		return nil, err
	}
	handle, err := windows.OpenService(manager, name, windows.SERVICE_QUERY_CONFIG|windows.SERVICE_QUERY_STATUS)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return &ServiceStatus{State: NotInstalled}, nil
	}
	if err != nil {
		return nil, err
	}
	s := &mgr.Service{Name: ServiceName, Handle: handle}
	defer s.Close()
	now, err := s.Query()
	if err != nil {
		return nil, err
	}
	st := &ServiceStatus{State: stateOf(now), Process: int(now.ProcessId), Exit: int(now.ServiceSpecificExitCode)}
	if st.Exit == 0 {
		st.Exit = int(now.Win32ExitCode)
	}
	return st, st.describe(s)
}

// describe fills in how the service was installed. It asks for no more than it needs: mgr's Config also asks for
// what not every system knows.
func (st *ServiceStatus) describe(s *mgr.Service) error {
	buffer := make([]byte, 8<<10) // the most there is (QueryServiceConfigW)
	c := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(unsafe.SliceData(buffer)))
	var needed uint32
	if err := windows.QueryServiceConfig(s.Handle, c, uint32(len(buffer)), &needed); err != nil {
		return fmt.Errorf("read how it was installed: %w", err)
	}
	st.Account, st.Automatic = windows.UTF16PtrToString(c.ServiceStartName), c.StartType == mgr.StartAutomatic
	args, err := windows.DecomposeCommandLine(windows.UTF16PtrToString(c.BinaryPathName))
	if err != nil || len(args) == 0 {
		return fmt.Errorf("read the service's command line: %w", err)
	}
	st.Program = args[0]
	if at := slices.Index(args, "--config"); at >= 0 && at+1 < len(args) {
		st.Settings = args[at+1]
	}
	return nil
}

func stateOf(now svc.Status) ServiceState {
	switch now.State {
	case svc.StartPending:
		return Starting
	case svc.StopPending:
		return Stopping
	case svc.Stopped:
		if now.Win32ExitCode != 0 && now.Win32ExitCode != uint32(windows.ERROR_SERVICE_NEVER_STARTED) {
			return Failed
		}
		return Stopped
	}
	return Running
}

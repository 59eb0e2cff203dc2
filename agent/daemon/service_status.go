package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"lessor.dk/portalsync/agent/config"
)

// ServiceState is how a service is, in a word.
type ServiceState string

// The states of a service.
const (
	NotInstalled ServiceState = "not-installed"
	Starting     ServiceState = "starting"
	Waiting      ServiceState = "waiting" // it runs, and begins by itself when this computer is enrolled
	Running      ServiceState = "running"
	Restarting   ServiceState = "restarting" // it ended with an error, and the system starts it again in a moment
	Stopping     ServiceState = "stopping"
	Stopped      ServiceState = "stopped"
	Failed       ServiceState = "failed" // it ended with an error
)

// ServiceStatus is what the system says about the service, and what the agent in it says about itself.
type ServiceStatus struct {
	Name      string       `json:"name"`
	State     ServiceState `json:"state"`
	Process   int          `json:"process,omitempty"`  // its id; 0 when none runs
	Automatic bool         `json:"starts_with_system"` // the system starts it when it starts
	Account   string       `json:"account,omitempty"`  // whom it runs as
	Program   string       `json:"program,omitempty"`  // absolute path
	Settings  string       `json:"settings,omitempty"` // absolute path of its settings file
	Restarts  int          `json:"restarts"`           // since it was started by hand; Windows does not count them
	Exit      int          `json:"exit_code"`          // of the process that ended last
	Log       string       `json:"log"`                // where to read it
	Problem   string       `json:"problem,omitempty"`  // why it cannot start, or waits, and what to do
	Agent     *Status      `json:"agent,omitempty"`    // nil when the agent does not answer this account
	AgentErr  string       `json:"agent_err,omitempty"`
}

// Status asks the system, and the agent if one runs. It needs no particular right; without the right to the
// agent's socket only the agent's own part is missing.
func (s *Service) Status(ctx context.Context) (*ServiceStatus, error) {
	st, err := inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for service %s: %w", ServiceName, err)
	}
	st.Name, st.Log = ServiceName, serviceLog()
	if st.State == NotInstalled {
		return st, nil
	}
	st.Problem = st.missing()
	if st.State == Running && st.Problem == "" {
		st.ask(ctx)
	}
	return st, nil
}

// missing says which file of the service is no longer where it was when it was installed.
func (st *ServiceStatus) missing() string {
	const where = "the service's %s is no longer at %q: put it back, or run agent service install from where it is now"
	if _, err := os.Stat(st.Program); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf(where, "program", st.Program)
	}
	if _, err := os.Stat(st.Settings); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf(where, "settings file", st.Settings)
	}
	return ""
}

// ask fills in what the agent says, or that it waits.
func (st *ServiceStatus) ask(ctx context.Context) {
	cfg, err := config.Load(st.Settings)
	if err != nil {
		st.AgentErr = err.Error()
		return
	}
	if _, _, err := loadIdentity(cfg); errors.Is(err, errNotEnrolled) {
		st.State, st.Problem = Waiting, err.Error()+"; the service begins by itself then"
		return
	}
	if st.Agent, err = AskStatus(ctx, cfg.Socket); err != nil {
		st.AgentErr = err.Error()
	}
}

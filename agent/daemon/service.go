package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/kardianos/service"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/keystore"
)

// ServiceName is the service's name in systemd and under Windows.
const ServiceName = "portalsync-agent"

// controlTimeout bounds a start or stop: kardianos waits for ever for a service that does not stop.
const controlTimeout = 40 * time.Second

// settleTime is how long a started service is watched where the system calls it running before it has read its
// settings; it ends earlier when the agent answers.
const settleTime = 3 * time.Second

// Service is the agent as a service of this computer.
type Service struct {
	control service.Service
}

// OpenService returns the service, installed or not. Its error says that there is no manager of services that
// can be used.
func OpenService() (*Service, error) {
	control, err := open(service.Config{})
	return &Service{control: control}, err
}

func open(c service.Config) (service.Service, error) {
	c.Name, c.DisplayName = ServiceName, "LESSOR PortalSync Agent"
	c.Description = "Pushes what the plan allows from the main system to LESSOR-Portalen and fetches reports"
	s, err := service.New(nothing{}, &c)
	if err != nil {
		return nil, fmt.Errorf("find the manager of services: %w: systemd or Windows is needed; elsewhere start agent run by other means", err)
	}
	if runtime.GOOS == "linux" && s.Platform() != "linux-systemd" {
		return nil, fmt.Errorf("this computer does not run systemd (found %s): start agent run by other means", s.Platform())
	}
	return s, nil
}

// nothing is what kardianos is given to run: it installs and controls only, the program enters the
// service manager by itself.
type nothing struct{}

func (nothing) Start(service.Service) error { return nil }
func (nothing) Stop(service.Service) error  { return nil }

// Install registers this program as the service with these settings, to start with the system. account is whom
// it runs as; empty means the system's own. A service that is there already is replaced, and started again if
// it ran: installing twice is installing once.
func (s *Service) Install(ctx context.Context, cfg *config.Config, account string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's path: %w", err)
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return fmt.Errorf("find this program's path: %w", err)
	}
	for what, path := range map[string]string{"program": program, "settings file": cfg.File} {
		if passing(path) {
			return fmt.Errorf("the %s %s lies in a directory for temporary files, which a service does not see: move it to a lasting place and install again", what, path)
		}
	}
	if err := furnish(ctx, account, program, cfg); err != nil {
		return err
	}
	before, err := s.Status(ctx)
	if err != nil {
		return err
	}
	if before.State != NotInstalled {
		if err := s.Uninstall(ctx); err != nil {
			return err
		}
	}
	control, err := open(service.Config{
		Executable: program,
		Arguments:  []string{"service", "run", "--config", cfg.File}, // absolute: the working directory is the system's choice
		UserName:   account,
		Option:     service.KeyValue{"SystemdScript": unit(program, account, cfg), "DelayedAutoStart": true},
	})
	if err != nil {
		return err
	}
	if err := control.Install(); err != nil {
		return refused("install", err)
	}
	if err := refine(); err != nil {
		return err
	}
	switch before.State {
	case Running, Waiting, Restarting:
		_, err = s.Start(ctx)
		return err
	case NotInstalled, Starting, Stopping, Stopped, Failed:
	}
	return nil
}

// furnish makes the state directory, which the service itself could not, and admits the service's account.
func furnish(ctx context.Context, account, program string, cfg *config.Config) error {
	_, err := keystore.Open(cfg.State)
	if err == nil && account != "" {
		err = admit(ctx, account, program, cfg)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: this account may not install services: %s", err, elevate)
	}
	return err
}

// passing reports whether a path lies where files do not last, or where a service has a directory of its own.
func passing(path string) bool {
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

// Uninstall stops the service and takes it away. Settings, keys and logs stay.
func (s *Service) Uninstall(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	if err := s.control.Uninstall(); err != nil {
		return refused("uninstall", err)
	}
	return forget(ctx)
}

// Start starts the service, and returns how it is when the agent has read its settings and begun, or waits to be
// enrolled. One that runs is left alone.
func (s *Service) Start(ctx context.Context) (*ServiceStatus, error) {
	st, err := s.installed(ctx)
	switch {
	case err != nil || st.State == Running || st.State == Waiting:
		return st, err
	case st.Problem != "":
		return nil, errors.New(st.Problem)
	}
	startErr := s.order(ctx, "start", s.control.Start)
	if st, err = s.settle(ctx); err != nil {
		return nil, errors.Join(startErr, err)
	}
	if st.State == Failed || st.State == Restarting || st.State == Stopped && startErr == nil {
		return nil, fmt.Errorf("the service started and ended at once (exit code %d): its log says why: %s", st.Exit, st.Log)
	}
	return st, startErr
}

// settle waits until a started service answers, or has ended, or settleTime is over.
func (s *Service) settle(ctx context.Context) (*ServiceStatus, error) {
	until := time.Now().Add(settleTime)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := s.Status(ctx)
		if err != nil || st.Agent != nil || (st.State != Running && st.State != Starting) || time.Now().After(until) {
			return st, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// Stop stops the service and returns when its process has ended. One that does not run is left alone.
func (s *Service) Stop(ctx context.Context) error {
	st, err := s.installed(ctx)
	if err != nil || st.State == Stopped || st.State == Failed && st.Process == 0 {
		return err
	}
	return s.order(ctx, "stop", func() error {
		if err := s.control.Stop(); err != nil {
			return err
		}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range tick.C { // order ends the wait
			if st, err := s.Status(ctx); err != nil || st.Process == 0 {
				return err
			}
		}
		return nil
	})
}

// installed is Status with an error for a service that is not there.
func (s *Service) installed(ctx context.Context) (*ServiceStatus, error) {
	st, err := s.Status(ctx)
	if err == nil && st.State == NotInstalled {
		return nil, fmt.Errorf("the service %s is not installed: run agent service install --config FILE first", ServiceName)
	}
	return st, err
}

// order gives the manager one order and stops waiting for it after controlTimeout.
func (s *Service) order(ctx context.Context, verb string, command func() error) error {
	ctx, stop := context.WithTimeout(ctx, controlTimeout)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- command() }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s service %s: the system has not done so within %s: look at its log: %s", verb, ServiceName, controlTimeout, serviceLog())
	case err := <-done:
		return refused(verb, err)
	}
}

// refused says what to do about an order that the manager of services did not take.
func refused(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission) || os.Geteuid() > 0 || strings.Contains(err.Error(), "denied"):
		return fmt.Errorf("%s service %s: this account may not: %s: %w", verb, ServiceName, elevate, err)
	}
	if todo := remedy(err); todo != "" {
		return fmt.Errorf("%s service %s: %s: %w", verb, ServiceName, todo, err)
	}
	return fmt.Errorf("%s service %s: %w", verb, ServiceName, err)
}

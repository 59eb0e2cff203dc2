package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kardianos/service"
)

// ServiceName is the service's name in systemd and under Windows.
const ServiceName = "portalsync-agent"

// controlTimeout bounds a start or stop: kardianos waits for ever for a service that does not stop.
const controlTimeout = 40 * time.Second

// Service is the agent as a service of the system.
type Service struct {
	service  service.Service
	settings string // absolute path of the settings file
}

// unit replaces kardianos' systemd unit, whose restart comes after 120 s and whose environment file lies
// where only Red Hat keeps them. Its text is their template language.
const unit = `[Unit]
Description={{Description}}
ConditionFileIsExecutable={{Path | cmdEscape}}
Wants=network-online.target
After=network-online.target

[Service]
ExecStart={{Path | cmdEscape}}{{range Arguments}} {{. | cmd}}{{end}}
{{if UserName}}User={{UserName}}
{{end}}Restart=always
RestartSec=5
TimeoutStopSec=30
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
UMask=0077

[Install]
WantedBy=multi-user.target
`

// OpenService returns the service that runs this program with a settings file. account is whom it runs as;
// empty means the system's own.
func OpenService(settings, account string) (*Service, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's path: %w", err)
	}
	if settings, err = filepath.Abs(settings); err != nil {
		return nil, fmt.Errorf("find the settings file: %w", err)
	}
	s, err := service.New(nothing{}, &service.Config{
		Name:        ServiceName,
		DisplayName: "LESSOR PortalSync Agent",
		Description: "Pushes what the plan allows from the main system to LESSOR-Portalen and fetches reports",
		Executable:  program,
		Arguments:   []string{"service", "run", "--config", settings}, // absolute: the working directory is the system's choice
		UserName:    account,
		Option:      service.KeyValue{"SystemdScript": unit, "DelayedAutoStart": true},
	})
	if err != nil {
		return nil, fmt.Errorf("no service manager that can be used here (systemd or Windows is needed): %w", err)
	}
	return &Service{service: s, settings: settings}, nil
}

// nothing is what kardianos is given to run: it installs and controls only, the program enters the
// service manager by itself.
type nothing struct{}

func (nothing) Start(service.Service) error { return nil }
func (nothing) Stop(service.Service) error  { return nil }

// Install registers the service, to start with the system. One that is there already is replaced.
func (s *Service) Install(ctx context.Context) error {
	if _, err := os.Stat(s.settings); err != nil {
		return fmt.Errorf("settings file %s cannot be read: write it first, or name another with --config: %w", s.settings, err)
	}
	if _, err := s.service.Status(); !errors.Is(err, service.ErrNotInstalled) {
		if err := s.Uninstall(ctx); err != nil {
			return err
		}
	}
	if err := s.service.Install(); err != nil {
		return fmt.Errorf("install service %s: %w: run as administrator or root", ServiceName, err)
	}
	return recoverOnFailure(ServiceName)
}

// Uninstall stops the service and takes it away. Settings and keys stay.
func (s *Service) Uninstall(ctx context.Context) error {
	if status, err := s.service.Status(); err == nil && status == service.StatusRunning {
		if err := s.Stop(ctx); err != nil {
			return err
		}
	}
	if err := s.service.Uninstall(); err != nil {
		return fmt.Errorf("uninstall service %s: %w: run as administrator or root", ServiceName, err)
	}
	return nil
}

// Start starts the service.
func (s *Service) Start(ctx context.Context) error { return control(ctx, "start", s.service.Start) }

// Stop stops the service and waits until it has.
func (s *Service) Stop(ctx context.Context) error { return control(ctx, "stop", s.service.Stop) }

// Status tells in a word how the service is.
func (s *Service) Status() (string, error) {
	status, err := s.service.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		return "not installed", nil
	case err != nil:
		return "", fmt.Errorf("ask for service %s: %w", ServiceName, err)
	case status == service.StatusRunning:
		return "running", nil
	case status == service.StatusStopped:
		return "stopped", nil
	}
	return "unknown", nil
}

// control runs one command of the service manager and stops waiting for it after controlTimeout.
func control(ctx context.Context, verb string, command func() error) error {
	ctx, stop := context.WithTimeout(ctx, controlTimeout)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- command() }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s service %s: the system has not done so after %s: look at its log", verb, ServiceName, controlTimeout)
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s service %s: %w", verb, ServiceName, err)
		}
		return nil
	}
}

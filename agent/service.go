package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/daemon"
)

func newService(s *settings) *cobra.Command {
	return group("service", "Run the agent as a service of the system", s.serviceInstall(),
		serviceOrder("uninstall", "Stop the service and take it away; settings, keys and logs stay", func(ctx context.Context, s *daemon.Service) (string, error) {
			return "is taken away", s.Uninstall(ctx)
		}),
		serviceOrder("start", "Start the service; before this computer is enrolled it waits", startService),
		serviceOrder("stop", "Stop the service and wait until it has", func(ctx context.Context, s *daemon.Service) (string, error) {
			return "is stopped", s.Stop(ctx)
		}),
		newServiceStatus(), s.serviceRun())
}

func (s *settings) serviceInstall() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Register the service, to start with the system; one that is there is replaced",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			service, err := daemon.OpenService()
			if err != nil {
				return err
			}
			if err := service.Install(cmd.Context(), cfg, account); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "service %s is installed with %s; start it with: agent service start\n", daemon.ServiceName, cfg.File)
			return nil
		},
	}
	cmd.Flags().StringVar(&account, "account", "", `account to run as, such as portalsync or DOMAIN\name$; empty is the system's own`)
	return cmd
}

func startService(ctx context.Context, s *daemon.Service) (string, error) {
	st, err := s.Start(ctx)
	switch {
	case err != nil:
		return "", err
	case st.State == daemon.Waiting:
		return "runs and waits: " + st.Problem, nil
	}
	return "runs", nil
}

// serviceOrder is a command that gives the service one order and says what came of it, which do returns.
func serviceOrder(verb, short string, do func(context.Context, *daemon.Service) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   verb,
		Short: short,
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			service, err := daemon.OpenService()
			if err != nil {
				return err
			}
			outcome, err := do(cmd.Context(), service)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "service %s %s\n", daemon.ServiceName, outcome)
			return nil
		},
	}
}

func newServiceStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how the service is, and the agent in it; ends with an error unless it runs",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			service, err := daemon.OpenService()
			if err != nil {
				return err
			}
			st, err := service.Status(cmd.Context())
			if err != nil {
				return err
			}
			if !asJSON {
				printService(cmd.OutOrStdout(), st)
			} else if err := json.NewEncoder(cmd.OutOrStdout()).Encode(st); err != nil {
				return fmt.Errorf("print status: %w", err)
			}
			return notRunning(st)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// notRunning is what to do about a service that does not run.
func notRunning(st *daemon.ServiceStatus) error {
	switch st.State {
	case daemon.Running:
		return nil
	case daemon.NotInstalled:
		return errors.New("the service is not installed: run agent service install --config FILE")
	case daemon.Waiting:
		return fmt.Errorf("the service waits: %s", st.Problem)
	case daemon.Failed, daemon.Restarting:
		return fmt.Errorf("the service ended with an error (exit code %d): its log says why: %s", st.Exit, st.Log)
	case daemon.Starting, daemon.Stopping, daemon.Stopped:
	}
	return fmt.Errorf("the service is %s: start it with agent service start", st.State)
}

func printService(w io.Writer, st *daemon.ServiceStatus) {
	fmt.Fprintf(w, "service %s: %s", st.Name, st.State)
	if st.Process != 0 {
		fmt.Fprintf(w, ", process %d", st.Process)
	}
	if st.State == daemon.NotInstalled {
		fmt.Fprintln(w)
		return
	}
	start := "with the system"
	if !st.Automatic {
		start = "by hand"
	}
	fmt.Fprintf(w, ", starts %s, as %s, %d restarts\n", start, st.Account, st.Restarts)
	fmt.Fprintf(w, "program %s\nsettings %s\nlog %s\n", st.Program, st.Settings, st.Log)
	if st.Problem != "" && st.State != daemon.Waiting { // that one is the command's error
		fmt.Fprintln(w, st.Problem)
	}
	switch {
	case st.Agent != nil:
		printStatus(w, st.Agent)
	case st.AgentErr != "":
		fmt.Fprintln(w, st.AgentErr)
	}
}

func (s *settings) serviceRun() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run under the system's service manager; the system calls this",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return daemon.RunService(cmd.Context(), cmd.ErrOrStderr(), func(ctx context.Context, log daemon.Sink) error {
				cfg, err := s.load() // after the service manager was told that we run
				if err != nil {
					return err
				}
				return daemon.New(cfg, version, daemon.NewLogger(cfg.Log, log)).Serve(ctx)
			})
		},
	}
}

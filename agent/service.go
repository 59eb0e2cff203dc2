package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/daemon"
)

func newService(s *settings) *cobra.Command {
	var account string
	install := &cobra.Command{
		Use:   "install",
		Short: "Register the service, to start with the system",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := s.load(); err != nil {
				return err
			}
			service, err := daemon.OpenService(s.file, account)
			if err != nil {
				return err
			}
			if err := service.Install(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "service %s installed; start it with: agent service start\n", daemon.ServiceName)
			return nil
		},
	}
	install.Flags().StringVar(&account, "account", "", `account to run as, such as portalsync or DOMAIN\name$; empty is the system's own`)
	return group("service", "Run the agent as a service of the system", install,
		s.serviceCommand("uninstall", "Stop the service and take it away; settings and keys stay", (*daemon.Service).Uninstall),
		s.serviceCommand("start", "Start the service", (*daemon.Service).Start),
		s.serviceCommand("stop", "Stop the service", (*daemon.Service).Stop),
		s.serviceStatus(), s.serviceRun())
}

func (s *settings) serviceCommand(verb, short string, do func(*daemon.Service, context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:   verb,
		Short: short,
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			service, err := daemon.OpenService(s.file, "")
			if err != nil {
				return err
			}
			if err := do(service, cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "service %s: %s done\n", daemon.ServiceName, verb)
			return nil
		},
	}
}

func (s *settings) serviceStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tell whether the service runs",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			service, err := daemon.OpenService(s.file, "")
			if err != nil {
				return err
			}
			word, err := service.Status()
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "service %s: %s\n", daemon.ServiceName, word)
			return nil
		},
	}
}

func (s *settings) serviceRun() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run under the system's service manager; the system calls this",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return daemon.RunService(cmd.Context(), func(ctx context.Context) error {
				cfg, err := s.load() // after the service manager was told that we run
				if err != nil {
					return err
				}
				return daemon.New(cfg, version, logger(cfg, cmd.ErrOrStderr())).Run(ctx)
			})
		},
	}
}

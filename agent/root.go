package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/daemon"
	"lessor.dk/portalsync/protocol"
)

// settings finds the settings file of every command.
type settings struct{ file string }

func (s *settings) load() (*config.Config, error) { return config.Load(s.file) }

func newRoot() *cobra.Command {
	s := &settings{}
	root := group("agent", "The customer's side of PortalSync: pushes what the plan allows and fetches reports",
		newRun(s), newEnrol(s), newCheck(s), newPlan(s), newStatus(s), newVerify(s), newUpgrade(s), newService(s), newSettings(), newVersion())
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(wrongFlag)
	root.PersistentFlags().StringVarP(&s.file, "config", "c",
		cmp.Or(os.Getenv("PORTALSYNC_AGENT_CONFIG"), config.DefaultFile), "settings file (YAML)")
	return root
}

func newRun(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Capture and push until a signal",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			return daemon.New(cfg, version, logger(cfg, cmd.ErrOrStderr())).Run(cmd.Context())
		},
	}
}

// logger is the program's log as the settings want it.
func logger(cfg *config.Config, w io.Writer) *slog.Logger {
	return daemon.NewLogger(cfg.Log, daemon.Plain(w))
}

func newSettings() *cobra.Command {
	return &cobra.Command{
		Use:   "settings",
		Short: "Explain every setting of the settings file",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SETTING\tMEANING\tDEFAULT")
			for _, x := range config.Settings() {
				fmt.Fprintf(w, "%s\t%s\t%s\n", x.Key, x.Meaning, cmp.Or(x.Default, "none"))
			}
			if err := w.Flush(); err != nil {
				return fmt.Errorf("print settings: %w", err)
			}
			return nil
		},
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the program's and the protocol's version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(cmd.OutOrStdout(), "agent %s, protocol %d, %s\n", version, protocol.Version, daemon.Platform())
			return nil
		},
	}
}

// errFindings is the error of a check that found something; its findings are printed already.
var errFindings = errors.New("something must be mended, see above")

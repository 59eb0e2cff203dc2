package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/agent/mainsystem"
	"lessor.dk/portalsync/agent/plan"
)

func newSetupSQL(s *settings) *cobra.Command {
	var undo bool
	var account string
	cmd := &cobra.Command{
		Use:   "setup-sql",
		Short: "Print the script with which the database's administrator lets the agent in; nothing is asked of the database",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			p, err := plan.Load(cfg.Plan)
			if err != nil {
				return err
			}
			script, err := mainsystem.SetupScript(cfg, p, account, undo)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(cmd.OutOrStdout(), script); err != nil {
				return fmt.Errorf("print the script: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "print the script that takes back what the other made")
	cmd.Flags().StringVar(&account, "account", "", `Windows account that the service runs as, DOMAIN\NAME, a gMSA as DOMAIN\NAME$; empty is the login of the address`)
	return cmd
}

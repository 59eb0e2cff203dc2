package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/installer/demo"
)

func newDemo() *cobra.Command {
	var cfg demo.Config
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it all: an invented company, agent, receiver and portal on this machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.New(cmd.OutOrStdout(), cfg).Run(cmd.Context())
		},
	}
	cmd.PersistentFlags().StringVar(&cfg.Data, "data", "", "directory that keeps everything; without it nothing is left behind")
	cmd.Flags().IntVar(&cfg.Employees, "employees", 0, "size of the invented company (default 300)")
	cmd.Flags().StringVar(&cfg.MainSystem, "main-system", "", "SQLite database to show instead of the invented company")
	cmd.Flags().StringVar(&cfg.Plan, "plan", "", "plan of that database")
	cmd.AddCommand(newPayRun(&cfg))
	return cmd
}

func newPayRun(cfg *demo.Config) *cobra.Command {
	return &cobra.Command{
		Use:   "payrun",
		Short: "Run the next month's pay in the demo's main system",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sentence, err := demo.PayRun(cmd.Context(), cfg.Data)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), sentence)
			return nil
		},
	}
}

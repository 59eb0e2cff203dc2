package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/installer/demo"
	"lessor.dk/portalsync/installer/demo/adventureworks"
)

func newDemo() *cobra.Command {
	var cfg demo.Config
	var check, asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it all: an invented company, agent, receiver and portal on this machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check {
				return demo.Check(cmd.Context(), cmd.OutOrStdout(), cfg, asJSON)
			}
			return demo.New(cmd.OutOrStdout(), cfg).Run(cmd.Context())
		},
	}
	cmd.PersistentFlags().StringVar(&cfg.Data, "data", "", "directory that keeps everything; without it nothing is left behind")
	cmd.PersistentFlags().StringVar(&cfg.SQLServer, "sqlserver", "", "address of an empty SQL Server database to found the company in, sqlserver://USER:PASSWORD@HOST:PORT?database=NAME")
	cmd.Flags().IntVar(&cfg.Employees, "employees", 0, "size of the invented company (default 300)")
	cmd.Flags().StringVar(&cfg.MainSystem, "main-system", "", "SQLite file, or address of a SQL Server database, to show instead of the invented company")
	cmd.Flags().StringVar(&cfg.Plan, "plan", "", "plan of that database")
	cmd.Flags().BoolVar(&check, "check", false, "prove it unattended: kill, cut, lose, compare; exit code 0 only if all holds")
	cmd.Flags().BoolVar(&asJSON, "json", false, "with --check: print one JSON object")
	cmd.AddCommand(newPayRun(&cfg), newRemove(&cfg), newAdventureWorks())
	return cmd
}

func newAdventureWorks() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "adventureworks --from DIR --to FILE.db",
		Short: "Make a main system of Microsoft's AdventureWorks sample, for demo --main-system",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := adventureworks.Load(cmd.Context(), from, to)
			if err != nil {
				return err
			}
			for _, l := range loaded {
				fmt.Fprintf(cmd.OutOrStdout(), "%6d rows in %s\n", l.Rows, l.Table)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "directory of the sample's tab-separated files")
	cmd.Flags().StringVar(&to, "to", "", "database to make")
	_ = cmd.MarkFlagRequired("from") // the flag exists
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func newRemove(cfg *demo.Config) *cobra.Command {
	return &cobra.Command{
		Use:   "remove --sqlserver ADDRESS",
		Short: "Take from a SQL Server database what a demo that was kept or killed has left there",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return demo.Remove(cmd.Context(), *cfg) },
	}
}

func newPayRun(cfg *demo.Config) *cobra.Command {
	return &cobra.Command{
		Use:   "payrun",
		Short: "Run the next month's pay in the demo's main system",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sentence, err := demo.PayRun(cmd.Context(), *cfg)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), sentence)
			return nil
		},
	}
}

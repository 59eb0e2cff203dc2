package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/installer/bench"
)

func newBenchSource() *cobra.Command {
	var cfg bench.SourceConfig
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "source",
		Short: "Compare reading a main system in chunks with a plain SELECT of the same rows, in one run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Rows < 1 || cfg.Rounds < 1 {
				return fmt.Errorf("--rows %d, --rounds %d: there must be at least one of each", cfg.Rows, cfg.Rounds)
			}
			var err error
			if cfg.Self, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			report, err := bench.Source(cmd.Context(), cfg, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			}
			return report.Print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&cfg.Rows, "rows", 1_000_000, "payslip lines")
	cmd.Flags().IntVar(&cfg.Rounds, "rounds", 2, "how often each way reads, in turn; the fastest counts")
	cmd.Flags().StringVar(&cfg.SQLServer, "sqlserver", "", "address of an empty SQL Server database; without it SQLite is measured")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// newBenchRead is one reading process, started by the benchmark so that its usage stands alone.
func newBenchRead() *cobra.Command {
	return &cobra.Command{
		Use:    "read WAY FILE",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return bench.Read(cmd.Context(), args[0], args[1], cmd.OutOrStdout())
		},
	}
}

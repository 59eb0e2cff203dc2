package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/installer/bench"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure PortalSync on this machine, as ratios against a baseline"}
	cmd.AddCommand(newBenchPipeline(), newBenchSource(), newBenchDirect(), newBenchRead())
	return cmd
}

func newBenchPipeline() *cobra.Command {
	var cfg bench.Config
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pipeline",
		Short: "Compare the whole path with upserting the same rows directly, in one run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Store != "postgres" && cfg.Store != "sqlite" {
				return fmt.Errorf("--store %q is neither postgres nor sqlite", cfg.Store)
			}
			if cfg.Rows < 1 || cfg.Writers < 1 {
				return fmt.Errorf("--rows %d, --writers %d: there must be at least one of each", cfg.Rows, cfg.Writers)
			}
			var err error
			if cfg.Self, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			report, err := bench.Pipeline(cmd.Context(), cfg, cmd.ErrOrStderr())
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
	cmd.Flags().StringVar(&cfg.Store, "store", "postgres", "postgres or sqlite")
	cmd.Flags().IntVar(&cfg.Writers, "writers", 1, "processes that write, each with a main system of its own")
	cmd.Flags().BoolVar(&cfg.Keep, "keep", false, "keep the directory with logs and databases")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// newBenchDirect is the baseline's own process, started by the benchmark so that its usage stands alone.
func newBenchDirect() *cobra.Command {
	return &cobra.Command{
		Use:    "direct STORE TARGET MAINSYSTEM...",
		Hidden: true,
		Args:   cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return bench.Direct(cmd.Context(), args[0], args[1], args[2:])
		},
	}
}

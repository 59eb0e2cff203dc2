package main

import (
	"github.com/spf13/cobra"

	"lessor.dk/portalsync/installer/suite"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "installer",
		Short:         "Show, prove, test and measure PortalSync on one machine",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newDemo(), newTest(), newBench())
	return root
}

func newTest() *cobra.Command {
	var cfg suite.Config
	cmd := &cobra.Command{
		Use:   "test [packages]",
		Short: "Install what the tests need, then vet, lint and test everything with the race detector",
		RunE: func(cmd *cobra.Command, packages []string) error {
			cfg.Packages = packages
			return suite.New(cmd.OutOrStdout(), cfg).Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&cfg.NoInstall, "no-install", false, "do not install packages; say which are missing and stop")
	cmd.Flags().BoolVar(&cfg.NoLint, "no-lint", false, "leave out vet and lint")
	cmd.Flags().BoolVar(&cfg.Services, "services", false, "also prove the agent as a service, under systemd and under Wine; needs root that may mount")
	cmd.Flags().BoolVar(&cfg.NoTests, "no-tests", false, "leave out the packages' tests; with --no-lint and --services, prove services and nothing else")
	cmd.Flags().BoolVar(&cfg.NoRace, "no-race", false, "leave out the race detector")
	return cmd
}

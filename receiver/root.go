package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/receiver/config"
	"lessor.dk/portalsync/receiver/store"
)

// settings finds the settings file of every command.
type settings struct{ file string }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "receiver",
		Short:         "The hosted side of PortalSync: takes in what agents push and serves the portal",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	s := &settings{}
	root.PersistentFlags().StringVarP(&s.file, "config", "c", os.Getenv("PORTALSYNC_CONFIG"), "settings file (YAML)")
	root.AddCommand(newServe(s), newMigrate(s), newCustomer(s), newInvite(s), newUser(s), newStatus(s), newVersion())
	return root
}

func (s *settings) load() (*config.Config, error) { return config.Load(s.file, os.Getenv) }

// withStore runs f with the store of the settings, migrated.
func (s *settings) withStore(ctx context.Context, f func(context.Context, *config.Config, *store.Store) error) (err error) {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	st, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := st.Close(); err == nil {
			err = cerr
		}
	}()
	return f(ctx, cfg, st)
}

// openStore opens the store and brings it to this program's version.
func openStore(ctx context.Context, cfg *config.Config) (*store.Store, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	st, err := store.Open(ctx, cfg.Database, store.Config{})
	if err != nil {
		return nil, err
	}
	if err := st.Migrate(ctx); err != nil {
		_ = st.Close() // the migration's error says more
		return nil, err
	}
	return st, nil
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the program's version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "receiver", version)
			return err
		},
	}
}

func newMigrate(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the portal's database to this program's version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withStore(cmd.Context(), func(ctx context.Context, _ *config.Config, st *store.Store) error {
				v, _, err := st.SchemaVersion(ctx)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "database is at version %d\n", v)
				return err
			})
		},
	}
}

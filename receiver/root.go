package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lessor.dk/portalsync/receiver/config"
	"lessor.dk/portalsync/receiver/store"
)

// openTime bounds how long a command waits for the database, migrations included.
const openTime = 5 * time.Minute

// settings finds the settings file of every command.
type settings struct{ file string }

func newRoot() *cobra.Command {
	s := &settings{}
	root := group("receiver", "The hosted side of PortalSync: takes in what agents push and serves the portal",
		newServe(s), newMigrate(s), newCustomer(s), newInvite(s), newUser(s), newStatus(s), newVersion())
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(wrongFlag)
	root.PersistentFlags().StringVarP(&s.file, "config", "c", os.Getenv("PORTALSYNC_CONFIG"), "settings file (YAML)")
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

// openStore opens the store and brings it to this program's version. A database that a newer program has been at is
// left alone: what this one does not know it would write wrongly.
func openStore(ctx context.Context, cfg *config.Config) (_ *store.Store, err error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w: set data to a directory that the receiver's account may write", err)
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	st, err := store.Open(ctx, cfg.Database, store.Config{})
	if err != nil {
		return nil, oneLine(fmt.Errorf("check database (or DATABASE_URL) in the settings, and that the database runs and lets the receiver in: %w", err))
	}
	defer func() {
		if err != nil {
			_ = st.Close() // the first error says more
		}
	}()
	// A database without tables has no version to read; Migrate tells what is wrong with any other.
	if current, target, verr := st.SchemaVersion(ctx); verr == nil && current > target {
		return nil, errSchemaNewer(current, target)
	}
	if err := st.Migrate(ctx); err != nil {
		return nil, oneLine(fmt.Errorf("check database (or DATABASE_URL) in the settings: %w", err))
	}
	return st, nil
}

// oneLine joins the lines of an error: drivers tell of every address they tried on a line of its own.
func oneLine(err error) error {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) < 2 {
		return err
	}
	return errors.New(strings.Join(lines, " "))
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the program's version",
		Args:  takes(0),
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
		Args:  takes(0),
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

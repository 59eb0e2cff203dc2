package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/installer/demo/company"
)

// mainSystem is where the database is that a demo shows: the path of a SQLite file, or the address of a SQL Server
// database, sqlserver://….
type mainSystem string

// onServer reports whether the main system is a SQL Server database.
func (m mainSystem) onServer() bool { return strings.HasPrefix(string(m), "sqlserver:") }

// absolute returns the main system as a program in another directory finds it.
func (m mainSystem) absolute() (mainSystem, error) {
	if m.onServer() {
		return m, nil
	}
	file, err := filepath.Abs(string(m))
	if err != nil {
		return "", fmt.Errorf("find the main system: %w", err)
	}
	return mainSystem(file), nil
}

// open opens the invented company as its payroll program does.
func (m mainSystem) open(ctx context.Context) (*company.Company, error) {
	if m.onServer() {
		return company.OpenServer(ctx, string(m))
	}
	if _, err := os.Stat(string(m)); err != nil { //nolint:gosec // the file was named by the person who runs us
		return nil, fmt.Errorf("the demo's main system cannot be read: %w", err)
	}
	return company.Open(string(m))
}

// read opens the main system as an agent does.
func (m mainSystem) read(p *plan.Plan) (source.Source, error) {
	if m.onServer() {
		return sqlserver.Open(string(m), p, sqlserver.Config{})
	}
	if _, err := os.Stat(string(m)); err != nil {
		return nil, fmt.Errorf("the main system cannot be read: %w", err)
	}
	return sqlite.Open(string(m), p, sqlite.Config{})
}

// remove takes the company from a server.
func (m mainSystem) remove(ctx context.Context) error {
	main, err := m.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(main.Remove(ctx), main.Close())
}

// Remove takes from a SQL Server database what a demo that was kept or killed has left there. A database that holds
// anything else is left as it is.
func Remove(ctx context.Context, cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	if cfg.SQLServer == "" {
		return errors.New("--sqlserver is not set: name the database from which the demo's tables are to be taken")
	}
	return mainSystem(cfg.SQLServer).remove(ctx)
}

// Package mainsystem opens the main system that the settings name, of whatever make.
package mainsystem

import (
	"context"
	"fmt"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/protocol"
)

// System is an open main system: rows are read from it, and reports written into it.
type System struct {
	Live
	upgrade announced
}

// Live is a main system of one make.
type Live interface {
	plan.Live
	// Deliver writes a report. See inbox.MainSystem.
	Deliver(ctx context.Context, r protocol.Report) (protocol.Ack, error)
}

// Open opens the main system of the settings through a plan.
func Open(cfg *config.Config, p *plan.Plan) (*System, error) {
	m := &cfg.MainSystem
	if m.SQLite != "" {
		src, err := sqlite.Open(m.SQLite, p, sqlite.Config{})
		if err != nil {
			return nil, err
		}
		return &System{Live: src}, nil
	}
	address, err := m.Address()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.File, err)
	}
	own, err := settings(cfg)
	if err != nil {
		return nil, err
	}
	src, err := sqlserver.Open(address, p, own)
	if err != nil {
		return nil, fmt.Errorf("%s: main_system.sqlserver: %w", cfg.File, err)
	}
	return &System{Live: src}, nil
}

// Name says which main system the settings name, for a person: a path, or a database and a server. It holds no password.
func Name(cfg *config.Config) string {
	if cfg.MainSystem.SQLite != "" {
		return cfg.MainSystem.SQLite
	}
	return sqlserver.Name(cfg.MainSystem.SQLServer)
}

// Make names the maker's product, as operations see it.
func Make(cfg *config.Config) string {
	if cfg.MainSystem.SQLite != "" {
		return "SQLite"
	}
	return "SQL Server"
}

// Load returns what reading costs the database, and whether this make of main system counts it.
func (s *System) Load() (sqlserver.Load, bool) {
	src, ok := s.Live.(*sqlserver.Source)
	if !ok {
		return sqlserver.Load{}, false
	}
	return src.Load(), true
}

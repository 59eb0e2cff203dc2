package mainsystem

import (
	"context"
	"errors"
	"fmt"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlserver"
)

// Finding is the outcome of one look at the main system's server.
type Finding = sqlserver.Finding

// UpgradeTable is one of the tables that the plan has tracked.
type UpgradeTable = sqlserver.UpgradeTable

// RightsError reports that the account may not do it, and what somebody who may has to run.
type RightsError = sqlserver.RightsError

// Maintenance releases and tracks the tables of the plan.
type Maintenance = sqlserver.Maintenance

// errOnlyServer reports a request that has no meaning for another make.
var errOnlyServer = errors.New("this is for a main system in SQL Server; the one of the settings is in SQLite")

// Survey looks at the server, database and rights that the agent needs, one by one. Of a make that has none of these it
// tells nothing.
func Survey(ctx context.Context, cfg *config.Config, p *plan.Plan, yield func(Finding)) error {
	if cfg.MainSystem.SQLServer == "" {
		return nil
	}
	address, err := cfg.MainSystem.Address()
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.File, err)
	}
	own, err := settings(cfg)
	if err != nil {
		return err
	}
	sqlserver.Survey(ctx, address, p, own, yield)
	return nil
}

// SetupScript returns the script with which the database's administrator lets the agent in, or, with undo, takes back what
// it made. account is the Windows account that the service runs as; empty is the login of the address.
func SetupScript(cfg *config.Config, p *plan.Plan, account string, undo bool) (string, error) {
	address := cfg.MainSystem.SQLServer
	if address == "" {
		return "", errOnlyServer
	}
	if cfg.MainSystem.Entra.On() {
		if account == "" {
			return "", errors.New("the agent logs in through Entra ID: say with --account which application or managed identity it is, by its name")
		}
		a := sqlserver.Account{Name: account, Entra: true}
		return sqlserver.SetupScript(sqlserver.Database(address), a, p, undo), nil
	}
	a, err := sqlserver.AccountOf(address, account)
	if err != nil {
		return "", err
	}
	return sqlserver.SetupScript(sqlserver.Database(address), a, p, undo), nil
}

// OpenMaintenance opens what releases and tracks the tables of the plan.
func OpenMaintenance(cfg *config.Config, p *plan.Plan) (*Maintenance, error) {
	if cfg.MainSystem.SQLServer == "" {
		return nil, errOnlyServer
	}
	address, err := cfg.MainSystem.Address()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.File, err)
	}
	own, err := settings(cfg)
	if err != nil {
		return nil, err
	}
	m, err := sqlserver.OpenMaintenance(address, p, own)
	if err != nil {
		return nil, fmt.Errorf("%s: main_system.sqlserver: %w", cfg.File, err)
	}
	return m, nil
}

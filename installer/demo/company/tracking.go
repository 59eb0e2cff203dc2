package company

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Database options and how to have them. Each is tried: a server of another make may know neither.
const (
	snapshotIsOnSQL = `
SELECT count(*)
FROM   sys.databases
WHERE  database_id = DB_ID() AND snapshot_isolation_state = 1`
	snapshotOnSQL  = `ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON`
	snapshotOffSQL = `ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION OFF`

	trackingIsOnSQL = `
SELECT count(*)
FROM   sys.change_tracking_databases
WHERE  database_id = DB_ID()`
	trackingOnSQL  = `ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON)`
	trackingOffSQL = `ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF`
)

// Mode says how an agent can find changes in the company's database, as plans spell it: change-tracking, or
// rowversion where the server has no change tracking.
func (c *Company) Mode(ctx context.Context) (string, error) {
	if _, embedded := c.kept.(inSQLite); embedded {
		return "change-tracking", nil
	}
	on, err := c.holds(ctx, trackingIsOnSQL)
	if err != nil || on {
		return "change-tracking", err
	}
	return "rowversion", nil
}

// Plan returns the company's plan file: which tables and columns leave the house, and how changes are found.
func (c *Company) Plan(ctx context.Context) ([]byte, error) {
	mode, err := c.Mode(ctx)
	if err != nil {
		return nil, err
	}
	return bytes.Replace(Plan, []byte("version: 1\n"), fmt.Appendf(nil, "version: 1\nmode: %s\n", mode), 1), nil
}

// track switches on what makes reading consistent and changes known, as far as the server has it, and notes it.
func (c *Company) track(ctx context.Context) error {
	for _, option := range []struct{ isOn, on, note string }{
		{snapshotIsOnSQL, snapshotOnSQL, "UPDATE dbo.PortalSyncDemo SET Snapshot = 1"},
		{trackingIsOnSQL, trackingOnSQL, "UPDATE dbo.PortalSyncDemo SET Sporing = 1"},
	} {
		on, err := c.holds(ctx, option.isOn)
		if err != nil {
			return err
		}
		if on {
			continue
		}
		if _, err := c.db.ExecContext(ctx, option.on); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("switch options of the database on: %w", err)
			}
			continue // it has none: Mode tells
		}
		if _, err := c.db.ExecContext(ctx, option.note); err != nil {
			return fmt.Errorf("note the options of the database: %w", err)
		}
	}
	on, err := c.holds(ctx, trackingIsOnSQL)
	if err != nil || !on {
		return err
	}
	for _, table := range ownTables() {
		if _, err := c.db.ExecContext(ctx, "ALTER TABLE dbo."+table+" ENABLE CHANGE_TRACKING"); err != nil {
			return fmt.Errorf("track the changes of %s: %w", table, err)
		}
	}
	return nil
}

func (c *Company) holds(ctx context.Context, query string) (bool, error) {
	var n int
	if err := c.db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return false, fmt.Errorf("read the options of the database: %w", err)
	}
	return n > 0, nil
}

// Remove takes from a SQL Server database all that Found has made in it. A database that holds anything else is
// left as it is.
func (c *Company) Remove(ctx context.Context) error {
	made, err := c.foundation(ctx)
	if err != nil || !made.begun {
		return err
	}
	var errs []error
	drop := func(statement string) {
		if _, err := c.db.ExecContext(ctx, statement); err != nil {
			errs = append(errs, fmt.Errorf("remove the demo's company: %w", err))
		}
	}
	for _, table := range ownTables() {
		drop("DROP TABLE IF EXISTS dbo." + table)
	}
	drop("DROP TABLE IF EXISTS portalsync.delivered") // the agent's ids of reports; the demo made it for the agent
	drop("DROP SCHEMA IF EXISTS portalsync")
	if made.tracking {
		drop(trackingOffSQL)
	}
	if made.snapshot {
		drop(snapshotOffSQL)
	}
	if len(errs) == 0 {
		drop("DROP TABLE dbo.PortalSyncDemo") // last: what is left can be removed as long as it stands
	}
	return errors.Join(errs...)
}

package sqlserver

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/plan"
)

// serverSQL asks what the server is and who the account is there.
const serverSQL = `SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')), CONVERT(nvarchar(128), SERVERPROPERTY('Edition')),
       CONVERT(int, SERVERPROPERTY('EngineEdition')), SUSER_SNAME(), USER_NAME(), IS_SRVROLEMEMBER('sysadmin'),
       IS_MEMBER('db_owner'), IS_MEMBER('db_datawriter'), IS_MEMBER('db_ddladmin'), HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), 'DATABASE', 'CONTROL')`

// serverFacts is what serverSQL tells.
type serverFacts struct {
	version, edition string
	engine           int64
	login, user      string
	sysadmin         bool
	roles            []string // of the database that allow more than reading
	control          bool     // of the database
}

// Editions of the engine whose version number says nothing of their age.
const (
	azureDatabase = 5
	azureManaged  = 8
)

// oldest is the major version of SQL Server 2016.
const oldest = 13

func (s *survey) about(ctx context.Context) error {
	f := &s.server
	err := each(ctx, s.q, serverSQL, nil, func(rows *sql.Rows) error {
		var version, edition, login, user sql.NullString
		var engine, sysadmin, owner, writer, ddl, control sql.NullInt64
		if err := rows.Scan(&version, &edition, &engine, &login, &user, &sysadmin, &owner, &writer, &ddl, &control); err != nil {
			return err
		}
		*f = serverFacts{version: version.String, edition: edition.String, engine: engine.Int64, login: login.String, user: user.String,
			sysadmin: sysadmin.Int64 == 1, control: control.Int64 == 1}
		for i, role := range []sql.NullInt64{owner, writer, ddl} {
			if role.Int64 == 1 {
				f.roles = append(f.roles, []string{"db_owner", "db_datawriter", "db_ddladmin"}[i])
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(f.version, ".")
	major, err := strconv.Atoi(first)
	if err == nil && major < oldest && f.engine != azureDatabase && f.engine != azureManaged {
		s.wrong("server", CodeVersion, "", "%s is version %s, %s; SQL Server 2016 (version %d) is the oldest that is read.", s.at(), f.version, f.edition, oldest)
		return nil
	}
	s.fine("server", "Version %s, %s; the login is %s, its user %s.", f.version, f.edition, f.login, f.user)
	return nil
}

// database looks at whether the database is the one that is written to, and at snapshot isolation.
func (s *survey) database(ctx context.Context) error {
	const check = "database"
	var err error
	s.fork = true
	if s.facts, err = readFacts(ctx, s.q, factsText(plan.Compare, true)); err != nil {
		s.fork = false
		if s.facts, err = readFacts(ctx, s.q, factsText(plan.Compare, false)); err != nil {
			return err
		}
	}
	if err := refuseReadOnly(ctx, s.q, s.facts); err != nil {
		s.wrong(check, CodeReadOnly, "", "%v.", err)
	} else {
		s.fine(check, "%s can be written to, so it is no secondary replica.", s.facts.database)
	}
	statement := "ALTER DATABASE " + quote(s.facts.database) + " SET ALLOW_SNAPSHOT_ISOLATION ON;"
	switch {
	case s.facts.snapshot == snapshotOn:
		s.fine(check, "Snapshot isolation is on.")
	case tracks(s.needs):
		s.wrong(check, CodeSnapshot, statement, "Snapshot isolation is off in %s, without which changes could be missed: switch it on.", s.facts.database)
	default:
		s.note(check, CodeSnapshot, statement, "Snapshot isolation is off in %s: rows of two tables that change together may be sent one after the other, and a read waits for writers.", s.facts.database)
	}
	return nil
}

// retentionSQL asks how long the database keeps its changes: units 1 are minutes, 2 hours, 3 days.
const retentionSQL = `SELECT c.retention_period, c.retention_period_units, c.is_auto_cleanup_on
FROM   sys.change_tracking_databases AS c
WHERE  c.database_id = DB_ID()`

// tracking looks at what the database keeps of its changes.
func (s *survey) tracking(ctx context.Context) error {
	const check = "change tracking"
	if !tracks(s.needs) {
		return nil
	}
	on, cleanup, kept := false, false, time.Duration(0)
	err := each(ctx, s.q, retentionSQL, nil, func(rows *sql.Rows) error {
		var period, units int64
		on = true
		if err := rows.Scan(&period, &units, &cleanup); err != nil {
			return err
		}
		kept = time.Duration(period) * []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour}[min(max(units, 0), 3)]
		return nil
	})
	if err != nil {
		return err
	}
	alter := "ALTER DATABASE " + quote(s.facts.database) + " SET CHANGE_TRACKING "
	days := int(minRetention / (24 * time.Hour))
	switch {
	case !on:
		s.wrong(check, CodeTracking, alter+"= ON "+tracksLong+";", "Database %s tracks no changes: switch it on.", s.facts.database)
	case kept < minRetention:
		s.wrong(check, CodeRetention, alter+keptLong+";", "Changes are kept for %s only: an agent that was away for longer has to load everything anew; keep them for %d days.", kept, days)
	case !cleanup:
		s.note(check, CodeRetention, alter+"(AUTO_CLEANUP = ON);", "Changes are never cleaned up, so that they fill the database: switch the clean-up on.")
	default:
		s.fine(check, "It is on and keeps changes for %d days.", int(kept/(24*time.Hour)))
	}
	return nil
}

// What change tracking is switched on with.
const (
	tracksLong = "(CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON)"
	keptLong   = "(CHANGE_RETENTION = 14 DAYS)"
)

// lineage tells by what a restored database is known.
func (s *survey) lineage(context.Context) error {
	const check = "lineage"
	if s.fork && s.facts.fork != "" {
		s.fine(check, "The recovery fork can be read: every restore is noticed.")
		return nil
	}
	statement := "GRANT VIEW ANY DATABASE TO " + quote(s.server.login) + ";"
	if s.server.engine == azureDatabase {
		statement = "" // it has no recovery fork; a restore there is another database
	}
	s.note(check, CodeLineage, statement, "The recovery fork cannot be read, so the database is known by its creation date: a restore over the same database is noticed "+
		"only while its counter is behind what the portal holds. Tell the agent's people after such a restore, or grant the right.")
	return nil
}

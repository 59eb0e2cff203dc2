package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	driver "modernc.org/sqlite"
)

// cleanupSQL forgets a table's changes noted at least ?1 milliseconds ago and returns the newest of them.
const (
	expiredSQL = `
SELECT max(version)
FROM   %[1]s
WHERE  at <= unixepoch('subsec') * 1000 - ?1`
	cleanupSQL = `
DELETE FROM %[1]s
WHERE  version <= ?1`
	raiseSQL = `
UPDATE portalsync_ct_table
SET    min_valid = max(min_valid, ?2)
WHERE  name = ?1`
)

// Cleanup forgets changes older than the retention; 0 forgets all. A table's minimum valid version rises
// only as far as changes of its own were forgotten, so an idle table stays valid.
func Cleanup(ctx context.Context, db *sql.DB, retention time.Duration) error {
	return immediately(ctx, db, func(conn *sql.Conn) error {
		tables, err := trackedNames(ctx, conn)
		if err != nil {
			return err
		}
		for _, table := range tables {
			change := quote(changeName(table))
			var newest sql.NullInt64
			err := conn.QueryRowContext(ctx, fmt.Sprintf(expiredSQL, change), retention.Milliseconds()).Scan(&newest)
			if err != nil {
				return fmt.Errorf("find expired changes of %s: %w", table, err)
			}
			if !newest.Valid {
				continue
			}
			if _, err := conn.ExecContext(ctx, fmt.Sprintf(cleanupSQL, change), newest.Int64); err != nil {
				return fmt.Errorf("forget changes of %s: %w", table, err)
			}
			if _, err := conn.ExecContext(ctx, raiseSQL, table, newest.Int64); err != nil {
				return fmt.Errorf("raise minimum of %s: %w", table, err)
			}
		}
		return nil
	})
}

func trackedNames(ctx context.Context, conn *sql.Conn) ([]string, error) {
	var tables []string
	err := each(ctx, conn, "SELECT name FROM portalsync_ct_table ORDER BY name", nil, func(rows *sql.Rows) error {
		var name string
		tables = append(tables, name)
		return rows.Scan(&tables[len(tables)-1])
	})
	if err != nil {
		return nil, fmt.Errorf("list tracked tables: %w", err)
	}
	return tables, nil
}

const truncatedSQL = `
UPDATE portalsync_ct_table
SET    min_valid = (SELECT version FROM portalsync_ct_state)
WHERE  name = ?1`

// Truncate empties a tracked table as TRUNCATE does in SQL Server: no row is noted as deleted, and the
// table's minimum valid version rises above every earlier position.
func Truncate(ctx context.Context, db *sql.DB, table string) error {
	return immediately(ctx, db, func(conn *sql.Conn) error {
		info, err := readTable(ctx, conn, table)
		if err != nil {
			return err
		}
		var statements []string
		for _, suffix := range triggerSuffixes {
			statements = append(statements, "DROP TRIGGER "+quote(changeName(info.name)+suffix))
		}
		statements = append(statements, "DELETE FROM "+quote(info.name), "DELETE FROM "+quote(changeName(info.name)), bumpSQL)
		for _, s := range append(statements, triggers(info)...) {
			if _, err := conn.ExecContext(ctx, s); err != nil {
				return fmt.Errorf("truncate table %s: %w", table, err)
			}
		}
		_, err = conn.ExecContext(ctx, truncatedSQL, info.name)
		return err
	})
}

// Backup writes a copy of the database as it is now to a new file.
func Backup(ctx context.Context, db *sql.DB, file string) error {
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return fmt.Errorf("back up to %s: %w", file, classify(ctx, err))
	}
	return nil
}

// Restore puts the content of a backup into the database, in one transaction and under a new lineage, as
// RESTORE DATABASE does. The version goes back to what it was at the backup. Readers go on.
func Restore(ctx context.Context, db *sql.DB, backup string) error {
	dir, err := os.MkdirTemp(filepath.Dir(backup), "restore-")
	if err != nil {
		return fmt.Errorf("restore %s: %w", backup, err)
	}
	defer os.RemoveAll(dir)
	staged := filepath.Join(dir, "staged.db")
	if err := stage(ctx, backup, staged); err != nil {
		return fmt.Errorf("restore %s: %w", backup, err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("restore %s: %w", backup, classify(ctx, err))
	}
	defer conn.Close()
	err = conn.Raw(func(raw any) error {
		restorer, ok := raw.(interface {
			NewRestore(source string) (*driver.Backup, error)
		})
		if !ok {
			return fmt.Errorf("the connection is not one of this driver")
		}
		b, err := restorer.NewRestore(staged)
		if err != nil {
			return err
		}
		_, err = b.Step(-1)
		return firstError(err, b.Finish())
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", backup, classify(ctx, err))
	}
	return nil
}

// stage copies the backup and gives the copy its new lineage, so that nobody ever sees the old content
// under the current lineage.
func stage(ctx context.Context, backup, staged string) error {
	b, err := os.ReadFile(backup)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(b), "SQLite format 3\x00") {
		return fmt.Errorf("it is not a SQLite database")
	}
	if err := os.WriteFile(staged, b, 0o600); err != nil { //nolint:gosec // the path belongs to the person who starts us
		return err
	}
	db, err := sql.Open("sqlite", staged)
	if err != nil {
		return err
	}
	defer db.Close()
	return immediately(ctx, db, func(conn *sql.Conn) error {
		return setLineage(ctx, conn, "UPDATE portalsync_ct_state SET lineage = ?")
	})
}

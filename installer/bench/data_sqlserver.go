package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/installer/demo/company"
)

const createServerLinesSQL = `
CREATE TABLE dbo.Loenlinje (
	LoenseddelNr  varchar(20)  NOT NULL,
	LinjeNr       int          NOT NULL,
	MedarbejderNr varchar(20)  NOT NULL,
	Loenart       varchar(10)  NOT NULL,
	Tekst         nvarchar(80) NOT NULL,
	Antal         money        NULL,
	Enhed         varchar(10)  NULL,
	Sats          money        NULL,
	Beloeb        money        NOT NULL,
	AarTilDato    money        NULL,
	Afsnit        nvarchar(20) NULL,
	Konto         varchar(10)  NULL,
	Version       rowversion   NOT NULL,
	PRIMARY KEY (LoenseddelNr, LinjeNr)
)`

// serverBatch is how many rows a transaction makes.
const serverBatch = 50_000

// makeServerLines makes the rows of makeMainSystem in a SQL Server database, which must be empty. It returns the mode
// in which changes are found there, and what takes everything away again.
func makeServerLines(ctx context.Context, address string, rows int) (mode string, remove func() error, err error) {
	main, err := company.OpenServer(ctx, address)
	if err != nil {
		return "", nil, err
	}
	db, tracked := main.DB(), false
	remove = func() error {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer stop()
		_, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS dbo.Loenlinje")
		if tracked {
			_, e := db.ExecContext(ctx, "ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF")
			err = errors.Join(err, e)
		}
		return errors.Join(err, main.Close())
	}
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sys.tables WHERE is_ms_shipped = 0").Scan(&tables); err != nil {
		return "", nil, errors.Join(fmt.Errorf("list the tables: %w", err), main.Close())
	}
	if tables > 0 {
		return "", nil, errors.Join(fmt.Errorf("the database holds %d tables: nothing was done to it; give the benchmark an empty database", tables), main.Close())
	}
	if _, err := db.ExecContext(ctx, createServerLinesSQL); err != nil {
		return "", nil, errors.Join(fmt.Errorf("create table: %w", err), remove())
	}
	for first := 0; first < rows; first += serverBatch {
		if err := copyLines(ctx, db, first, min(first+serverBatch, rows)); err != nil {
			return "", nil, errors.Join(fmt.Errorf("copy rows from %d: %w", first, err), remove())
		}
	}
	if _, err := db.ExecContext(ctx, "EXEC sp_updatestats"); err != nil { // as any database has that was not made a moment ago
		return "", nil, errors.Join(fmt.Errorf("compute statistics: %w", err), remove())
	}
	if tracked = track(ctx, db); tracked {
		return "change-tracking", remove, nil
	}
	return "rowversion", remove, nil
}

// track switches change tracking on and reports whether the server has it.
func track(ctx context.Context, db *sql.DB) bool {
	for _, statement := range []string{
		"ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
		"ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 14 DAYS, AUTO_CLEANUP = ON)",
		"ALTER TABLE dbo.Loenlinje ENABLE CHANGE_TRACKING",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return false
		}
	}
	return true
}

func copyLines(ctx context.Context, db *sql.DB, first, end int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	copying, err := tx.PrepareContext(ctx, mssql.CopyIn("dbo.Loenlinje", mssql.BulkOptions{}, "LoenseddelNr", "LinjeNr", "MedarbejderNr",
		"Loenart", "Tekst", "Antal", "Enhed", "Sats", "Beloeb", "AarTilDato", "Afsnit", "Konto"))
	if err != nil {
		return err
	}
	defer copying.Close()
	items := wageItems()
	for i := first; i < end; i++ {
		if _, err := copying.ExecContext(ctx, lineOf(i, items)...); err != nil {
			return err
		}
	}
	if _, err := copying.ExecContext(ctx); err != nil { // without values it ends the copy
		return err
	}
	return tx.Commit()
}

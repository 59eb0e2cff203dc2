package bench

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// sqliteRowsPerStatement keeps a statement's 12 × n arguments below SQLite's limit of 32,766.
const sqliteRowsPerStatement = 100

// directSQLite reads the main systems and upserts it into another SQLite file in one process.
func directSQLite(ctx context.Context, files []string, target string) error {
	db, err := sql.Open("sqlite", "file:"+target+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		return fmt.Errorf("open target: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, createDirectSQL); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	upsert := func(rows int) string {
		values := strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?,?,?,?,?),", rows), ",")
		return strings.Replace(upsertDirectSQL, "SELECT * FROM staging WHERE true", "VALUES "+values, 1)
	}
	full, err := db.PrepareContext(ctx, upsert(sqliteRowsPerStatement))
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer full.Close()
	const columns = 12
	args := make([]any, 0, directBatch*columns)
	add := func(l *line) error {
		n, err := l.decimals()
		if err != nil {
			return err
		}
		args = append(args, l.slip, l.no, l.employee, l.code, l.text, n[0], l.unit, n[1], n[2], n[3], l.section, l.account)
		return nil
	}
	flush := func() error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		stmt := tx.StmtContext(ctx, full)
		defer stmt.Close()
		rest := args
		for len(rest) >= sqliteRowsPerStatement*columns {
			if _, err := stmt.ExecContext(ctx, rest[:sqliteRowsPerStatement*columns]...); err != nil {
				return err
			}
			rest = rest[sqliteRowsPerStatement*columns:]
		}
		if len(rest) > 0 {
			if _, err := tx.ExecContext(ctx, upsert(len(rest)/columns), rest...); err != nil {
				return err
			}
		}
		args = args[:0]
		return tx.Commit()
	}
	for _, file := range files {
		if err := eachBatch(ctx, file, add, flush); err != nil {
			return err
		}
	}
	return nil
}

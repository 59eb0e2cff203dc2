package bench

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The direct table: the business columns alone, with the key and the one further index that the portal's has too.
const createDirectSQL = `
CREATE TABLE IF NOT EXISTS direct_line (
	payslip_no TEXT NOT NULL, line_no BIGINT NOT NULL, employee_no TEXT NOT NULL, code TEXT NOT NULL,
	label TEXT NOT NULL, quantity BIGINT, unit TEXT, rate BIGINT, amount BIGINT NOT NULL,
	year_to_date BIGINT, section TEXT, account TEXT,
	PRIMARY KEY (payslip_no, line_no))`

const stageDirectSQL = `CREATE TEMP TABLE staging (LIKE direct_line)`

const upsertDirectSQL = `
INSERT INTO direct_line
SELECT * FROM staging WHERE true
ON CONFLICT (payslip_no, line_no) DO UPDATE SET
	employee_no = excluded.employee_no, code = excluded.code, label = excluded.label, quantity = excluded.quantity,
	unit = excluded.unit, rate = excluded.rate, amount = excluded.amount, year_to_date = excluded.year_to_date,
	section = excluded.section, account = excluded.account`

// directBatch is how many rows one statement carries, as in the portal's writer.
const directBatch = 5000

// line is one row as the main system holds it.
type line struct {
	slip                     string
	no                       int64
	employee, code, text     string
	quantity, unit, rate     sql.NullString
	amount                   string
	toDate, section, account sql.NullString
}

// directPostgres reads the main systems and upserts them in one process: what the whole path is compared with.
func directPostgres(ctx context.Context, files []string, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, text := range []string{createDirectSQL, stageDirectSQL} {
		if _, err := conn.Exec(ctx, text); err != nil {
			return fmt.Errorf("prepare tables: %w", err)
		}
	}
	var buf bytes.Buffer
	flush := func() error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after an error, or after Commit: nothing to add
		if _, err := conn.PgConn().CopyFrom(ctx, &buf, "COPY staging FROM STDIN"); err != nil {
			return err
		}
		for _, text := range []string{upsertDirectSQL, `TRUNCATE staging`} {
			if _, err := tx.Exec(ctx, text); err != nil {
				return err
			}
		}
		buf.Reset()
		return tx.Commit(ctx)
	}
	for _, file := range files {
		if err := eachBatch(ctx, file, func(l *line) error { return appendCopy(&buf, l) }, flush); err != nil {
			return err
		}
	}
	return nil
}

// eachBatch reads the main system, hands every line to add and calls flush after each batch.
func eachBatch(ctx context.Context, file string, add func(*line) error, flush func() error) error {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		return fmt.Errorf("open main system: %w", err)
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, readLinesSQL)
	if err != nil {
		return fmt.Errorf("read main system: %w", err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var l line
		if err := rows.Scan(&l.slip, &l.no, &l.employee, &l.code, &l.text, &l.quantity, &l.unit, &l.rate,
			&l.amount, &l.toDate, &l.section, &l.account); err != nil {
			return fmt.Errorf("read row %d: %w", n, err)
		}
		if err := add(&l); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		if n++; n%directBatch == 0 {
			if err := flush(); err != nil {
				return fmt.Errorf("upsert: %w", err)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read main system: %w", err)
	}
	if err := flush(); err != nil {
		return fmt.Errorf("upsert: %w", err)
	}
	return nil
}

// appendCopy writes one line in PostgreSQL's text COPY format. The invented texts need no escapes.
func appendCopy(buf *bytes.Buffer, l *line) error {
	numbers, err := l.decimals()
	if err != nil {
		return err
	}
	b := buf.AvailableBuffer()
	b = append(append(b, l.slip...), '\t')
	b = append(strconv.AppendInt(b, l.no, 10), '\t')
	for _, s := range []string{l.employee, l.code, l.text} {
		b = append(append(b, s...), '\t')
	}
	b = append(appendNumber(b, numbers[0]), '\t')
	b = append(appendText(b, l.unit), '\t')
	for _, n := range numbers[1:] {
		b = append(appendNumber(b, n), '\t')
	}
	b = append(appendText(b, l.section), '\t')
	b = append(appendText(b, l.account), '\n')
	buf.Write(b)
	return nil
}

// decimals returns quantity, rate, amount and year-to-date unscaled.
func (l *line) decimals() ([4]sql.NullInt64, error) {
	var out [4]sql.NullInt64
	for i, s := range []sql.NullString{l.quantity, l.rate, {String: l.amount, Valid: true}, l.toDate} {
		if !s.Valid {
			continue
		}
		n, err := strconv.ParseInt(strings.Replace(s.String, ".", "", 1), 10, 64)
		if err != nil {
			return out, fmt.Errorf("decimal: %w", err)
		}
		out[i] = sql.NullInt64{Int64: n, Valid: true}
	}
	return out, nil
}

func appendNumber(b []byte, n sql.NullInt64) []byte {
	if !n.Valid {
		return append(b, `\N`...)
	}
	return strconv.AppendInt(b, n.Int64, 10)
}

func appendText(b []byte, s sql.NullString) []byte {
	if !s.Valid {
		return append(b, `\N`...)
	}
	return append(b, s.String...)
}

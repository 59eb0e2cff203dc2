package company

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"
)

// PayRun pays everybody for the month after the latest one, with documents, in one transaction as payroll
// programs do. It returns the period's title and the number of payslips.
func (c *Company) PayRun(ctx context.Context) (title string, payslips int, err error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return "", 0, fmt.Errorf("begin a pay run: %w", err)
	}
	defer tx.Rollback()
	run := &payRun{founder: &founder{cfg: Config{}.withDefaults(), rows: c.kept.writer(tx)}, tx: tx}
	if err := run.pay(ctx); err != nil {
		return "", 0, fmt.Errorf("pay run: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return "", 0, fmt.Errorf("pay run: %w", err)
	}
	return run.period.title(), run.payslips, nil
}

type payRun struct {
	*founder
	tx       *sql.Tx
	period   period
	payslips int
}

func (r *payRun) pay(ctx context.Context) error {
	var last dayText
	if err := r.tx.QueryRowContext(ctx, "SELECT max(PeriodeFra) FROM Loenseddel").Scan(&last); err != nil {
		return err
	}
	from, err := time.Parse(time.DateOnly, string(last))
	if err != nil {
		return err
	}
	r.period = periodOf(from.AddDate(0, 1, 0))
	sums, err := r.yearToDate(ctx)
	if err != nil {
		return err
	}
	staff, err := r.payroll(ctx)
	if err != nil {
		return err
	}
	for _, p := range staff {
		if sums[p.no] == nil {
			sums[p.no] = map[string]int64{}
		}
		s := r.cfg.payFor(p, r.period, p.rate)
		if err := r.addPayslip(ctx, &s, sums[p.no], true); err != nil {
			return err
		}
		r.payslips++
	}
	if err := r.rows.flush(ctx); err != nil {
		return err
	}
	return r.earnHoliday(ctx)
}

const staffSQL = `
SELECT m.MedarbejderNr, concat(m.Fornavn, ' ', m.Efternavn), m.AfdelingNr, concat(a.Vej, ', ', a.PostNr, ' ', a.Bynavn), s.Sats, s.Enhed
FROM   Medarbejder m
JOIN   Adresse a ON a.AdresseID = m.AdresseID
JOIN   Loensats s ON s.MedarbejderNr = m.MedarbejderNr
WHERE  m.Status = 'A'
AND    s.Fra = (SELECT max(n.Fra) FROM Loensats n WHERE n.MedarbejderNr = m.MedarbejderNr)
ORDER  BY m.MedarbejderNr`

// payroll reads who is to be paid.
func (r *payRun) payroll(ctx context.Context) ([]*person, error) {
	rows, err := r.tx.QueryContext(ctx, staffSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var staff []*person
	for rows.Next() {
		p := &person{}
		var no, unit string
		var rate float64
		if err := rows.Scan(&p.no, &p.name, &no, &p.address, &rate, &unit); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(departmentPlan, func(d department) bool { return d.no == no })
		p.department = &departmentPlan[max(i, 0)]
		p.rate, p.hourly = ore(rate), unit == "T"
		p.settle(r.cfg)
		staff = append(staff, p)
	}
	return staff, rows.Err()
}

const yearToDateSQL = `
SELECT l.MedarbejderNr, l.Loenart, sum(l.Beloeb)
FROM   Loenseddel s
JOIN   Loenlinje l ON l.LoenseddelNr = s.LoenseddelNr
WHERE  s.PeriodeFra >= @first AND s.PeriodeFra < @end
GROUP  BY l.MedarbejderNr, l.Loenart`

// yearToDate sums what each person was paid before in the period's year, by wage code.
func (r *payRun) yearToDate(ctx context.Context) (map[int]sums, error) {
	rows, err := r.tx.QueryContext(ctx, yearToDateSQL,
		sql.Named("first", day(date(r.period.from.Year(), time.January, 1))), sql.Named("end", day(r.period.from)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[int]sums{}
	for rows.Next() {
		var no int
		var code string
		var sum float64
		if err := rows.Scan(&no, &code, &sum); err != nil {
			return nil, err
		}
		if all[no] == nil {
			all[no] = sums{}
		}
		all[no][code] = ore(sum)
	}
	return all, rows.Err()
}

const earnHolidaySQL = `
UPDATE Saldo
SET    Rest = round(Rest + 2.08, 2), Optjent = round(Optjent + 2.08, 2), Pr = @day
WHERE  SaldotypeNr = 'FE'`

func (r *payRun) earnHoliday(ctx context.Context) error {
	_, err := r.tx.ExecContext(ctx, earnHolidaySQL, sql.Named("day", day(r.period.to)))
	return err
}

// ore reads an amount of the database.
func ore(kroner float64) int64 { return int64(math.Round(kroner * 100)) }

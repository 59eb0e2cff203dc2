package company

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const undecidedSQL = `
SELECT p.RapportID, p.MedarbejderNr, coalesce(p.Art, ''), p.Fra, p.Til, coalesce(p.Antal, 0),
       coalesce(p.Enhed, 'D'), p.Bemaerkning
FROM   PortalIndberetning p
LEFT   JOIN IndberetningsResultat r ON r.RapportID = p.RapportID
WHERE  r.RapportID IS NULL
ORDER  BY p.Indsendt, p.RapportID`

const judgeSQL = `
SELECT (SELECT count(*) FROM Medarbejder WHERE MedarbejderNr = @employee AND Status = 'A'),
       (SELECT count(*) FROM Fravaer WHERE MedarbejderNr = @employee AND Status <> 'X' AND Enhed = 'D' AND Fra <= @last AND Til >= @first)`

// undecided is a report that payroll has not looked at.
type undecided struct {
	id       string
	employee int64
	kind     string
	from, to dayText
	quantity string // as the database spells it: a float would not come back as the same decimal
	unit     string
	note     sql.NullString
}

const takeSQL = `
INSERT INTO Fravaer (MedarbejderNr, Art, Fra, Til, Antal, Enhed, Status, RapportID, Bemaerkning)
VALUES (@employee, @kind, @first, @last, @quantity, @unit, 'G', @report, @note)`

const drawSQL = `
UPDATE Saldo
SET    Rest = round(Rest - CAST(@quantity AS decimal(9,2)), 2), Afholdt = round(Afholdt + CAST(@quantity AS decimal(9,2)), 2), Pr = @day
WHERE  MedarbejderNr = @employee AND SaldotypeNr = (SELECT SaldotypeNr FROM Fravaersart WHERE Art = @kind)`

const decideSQL = `
INSERT INTO IndberetningsResultat (RapportID, Udfald, Begrundelse, AarsagKode, Afgjort)
VALUES (@report, @outcome, @reason, @code, @at)`

// TakeReports decides about every report in the inbox: taken into payroll, which draws on the balance, or
// refused with a reason when it overlaps an absence or the employee is unknown.
func (c *Company) TakeReports(ctx context.Context, now time.Time) (taken, refused int, err error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("look into the inbox: %w", err)
	}
	defer tx.Rollback()
	waiting, err := readUndecided(ctx, tx)
	if err != nil {
		return 0, 0, fmt.Errorf("look into the inbox: %w", err)
	}
	for _, u := range waiting {
		ok, err := c.decideAbout(ctx, tx, u, now)
		if err != nil {
			return 0, 0, fmt.Errorf("decide about a report: %w", err)
		}
		if ok {
			taken++
		} else {
			refused++
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, 0, fmt.Errorf("decide about reports: %w", err)
	}
	return taken, refused, nil
}

func readUndecided(ctx context.Context, tx *sql.Tx) ([]undecided, error) {
	rows, err := tx.QueryContext(ctx, undecidedSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []undecided
	for rows.Next() {
		var u undecided
		if err := rows.Scan(&u.id, &u.employee, &u.kind, &u.from, &u.to, &u.quantity, &u.unit, &u.note); err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, rows.Err()
}

// decideAbout writes the verdict and, if it is good, the absence. It reports whether the report was taken.
func (c *Company) decideAbout(ctx context.Context, tx *sql.Tx, u undecided, now time.Time) (bool, error) {
	employee, first, last := sql.Named("employee", u.employee), sql.Named("first", string(u.from)), sql.Named("last", string(u.to))
	var known, overlapping int
	if err := tx.QueryRowContext(ctx, judgeSQL, employee, first, last).Scan(&known, &overlapping); err != nil {
		return false, err
	}
	outcome, reason, code := "O", "", ""
	switch {
	case known == 0:
		outcome, reason, code = "A", "Medarbejderen er ikke ansat", "UKENDT"
	case overlapping > 0 && u.unit == "D":
		outcome, reason, code = "A", "Der er allerede registreret fravær i perioden", "OVERLAP"
	}
	if outcome == "O" {
		kind, quantity := sql.Named("kind", u.kind), sql.Named("quantity", u.quantity)
		if _, err := tx.ExecContext(ctx, takeSQL, employee, kind, first, last, quantity,
			sql.Named("unit", u.unit), sql.Named("report", u.id), sql.Named("note", u.note)); err != nil {
			return false, err
		}
		if _, err := tx.ExecContext(ctx, drawSQL, employee, kind, quantity, sql.Named("day", day(now))); err != nil {
			return false, err
		}
	}
	_, err := tx.ExecContext(ctx, decideSQL, sql.Named("report", u.id), sql.Named("outcome", outcome),
		sql.Named("reason", sql.NullString{String: reason, Valid: reason != ""}), sql.Named("code", sql.NullString{String: code, Valid: code != ""}),
		sql.Named("at", c.kept.spell(moment(now))))
	return outcome == "O", err
}

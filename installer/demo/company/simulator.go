package company

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// SimulatorConfig tunes a Simulator. The zero value is usable.
type SimulatorConfig struct {
	Every time.Duration // between two events; 0 means 3s
	Seed  uint64        // 0 means 1
	Log   *slog.Logger  // nil discards
}

// Simulator keeps the company alive: payroll decides about reports within a second, absences are requested
// and approved, balances move.
type Simulator struct {
	db   *sql.DB
	cfg  SimulatorConfig
	rand *rand.Rand
}

// takeEvery is how often payroll looks into its inbox.
const takeEvery = 500 * time.Millisecond

// NewSimulator returns a Simulator of an open company. It does nothing until Run.
func NewSimulator(db *sql.DB, cfg SimulatorConfig) *Simulator {
	cfg.Every = cmp.Or(cfg.Every, 3*time.Second)
	cfg.Seed = cmp.Or(cfg.Seed, 1)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	return &Simulator{db: db, cfg: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 2))}
}

// Run works until ctx ends.
func (s *Simulator) Run(ctx context.Context) error {
	inbox, life := time.NewTicker(takeEvery), time.NewTicker(s.cfg.Every)
	defer inbox.Stop()
	defer life.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-inbox.C:
			err = s.decide(ctx)
		case <-life.C:
			err = s.live(ctx)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("simulate the company: %w", err)
		}
	}
}

func (s *Simulator) decide(ctx context.Context) error {
	taken, refused, err := TakeReports(ctx, s.db, time.Now())
	if taken+refused > 0 {
		s.cfg.Log.InfoContext(ctx, "payroll decided about reports", "taken", taken, "refused", refused)
	}
	return err
}

const approveSQL = `
UPDATE Fravaer
SET    Status = 'G'
WHERE  FravaerNr = (SELECT FravaerNr FROM Fravaer WHERE Status = 'A' ORDER BY FravaerNr LIMIT 1)`

const moveFlexSQL = `
UPDATE Saldo
SET    Rest = round(Rest + ?, 2), Optjent = round(Optjent + ?, 2), Pr = ?
WHERE  SaldotypeNr = 'FL' AND MedarbejderNr = (SELECT MedarbejderNr FROM Medarbejder WHERE Status = 'A' ORDER BY random() LIMIT 1)`

const requestSQL = `
INSERT INTO Fravaer (MedarbejderNr, Art, Fra, Til, Antal, Enhed, Status)
SELECT MedarbejderNr, 'F', ?, ?, 1, 'D', 'A' FROM Medarbejder WHERE Status = 'A' ORDER BY random() LIMIT 1`

// live lets one thing happen.
func (s *Simulator) live(ctx context.Context) error {
	var err error
	now := time.Now()
	switch s.rand.IntN(3) {
	case 0:
		_, err = s.db.ExecContext(ctx, approveSQL)
	case 1:
		hours := float64(25*(1+s.rand.IntN(8))) / 100
		_, err = s.db.ExecContext(ctx, moveFlexSQL, hours, hours, day(now))
	case 2:
		first := day(weekday(now.AddDate(0, 0, 10+s.rand.IntN(90))))
		_, err = s.db.ExecContext(ctx, requestSQL, first, first)
	}
	return err
}

const undecidedSQL = `
SELECT p.RapportID, p.MedarbejderNr, coalesce(p.Art, ''), coalesce(p.Fra, ''), coalesce(p.Til, ''), coalesce(p.Antal, 0),
       coalesce(p.Enhed, 'D'), p.Bemaerkning
FROM   PortalIndberetning p
LEFT   JOIN IndberetningsResultat r ON r.RapportID = p.RapportID
WHERE  r.RapportID IS NULL
ORDER  BY p.Indsendt, p.RapportID`

const judgeSQL = `
SELECT EXISTS (SELECT 1 FROM Medarbejder WHERE MedarbejderNr = $1 AND Status = 'A'),
       EXISTS (SELECT 1 FROM Fravaer WHERE MedarbejderNr = $1 AND Status <> 'X' AND Enhed = 'D' AND Fra <= $3 AND Til >= $2)`

// undecided is a report that payroll has not looked at.
type undecided struct {
	id             string
	employee       int64
	kind, from, to string
	quantity       float64
	unit           string
	note           sql.NullString
}

const takeSQL = `
INSERT INTO Fravaer (MedarbejderNr, Art, Fra, Til, Antal, Enhed, Status, RapportID, Bemaerkning)
VALUES (?, ?, ?, ?, ?, ?, 'G', ?, ?)`

const drawSQL = `
UPDATE Saldo
SET    Rest = round(Rest - ?, 2), Afholdt = round(Afholdt + ?, 2), Pr = ?
WHERE  MedarbejderNr = ? AND SaldotypeNr = (SELECT SaldotypeNr FROM Fravaersart WHERE Art = ?)`

const decideSQL = `
INSERT INTO IndberetningsResultat (RapportID, Udfald, Begrundelse, AarsagKode, Afgjort)
VALUES (?, ?, ?, ?, ?)`

// TakeReports decides about every report in the inbox: taken into payroll, which draws on the balance, or
// refused with a reason when it overlaps an absence or the employee is unknown.
func TakeReports(ctx context.Context, db *sql.DB, now time.Time) (taken, refused int, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("look into the inbox: %w", err)
	}
	defer tx.Rollback()
	waiting, err := readUndecided(ctx, tx)
	if err != nil {
		return 0, 0, fmt.Errorf("look into the inbox: %w", err)
	}
	for _, u := range waiting {
		ok, err := u.decide(ctx, tx, now)
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

// decide writes the verdict and, if it is good, the absence. It reports whether the report was taken.
func (u undecided) decide(ctx context.Context, tx *sql.Tx, now time.Time) (bool, error) {
	var known, overlap bool
	if err := tx.QueryRowContext(ctx, judgeSQL, u.employee, u.from, u.to).Scan(&known, &overlap); err != nil {
		return false, err
	}
	outcome, reason, code := "O", any(nil), any(nil)
	switch {
	case !known:
		outcome, reason, code = "A", "Medarbejderen er ikke ansat", "UKENDT"
	case overlap && u.unit == "D":
		outcome, reason, code = "A", "Der er allerede registreret fravær i perioden", "OVERLAP"
	}
	if outcome == "O" {
		if _, err := tx.ExecContext(ctx, takeSQL, u.employee, u.kind, u.from, u.to, u.quantity, u.unit, u.id, u.note); err != nil {
			return false, err
		}
		if _, err := tx.ExecContext(ctx, drawSQL, u.quantity, u.quantity, day(now), u.employee, u.kind); err != nil {
			return false, err
		}
	}
	_, err := tx.ExecContext(ctx, decideSQL, u.id, outcome, reason, code, now.UTC().Format(time.RFC3339))
	return outcome == "O", err
}

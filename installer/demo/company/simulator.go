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
	*Company
	cfg  SimulatorConfig
	rand *rand.Rand
}

// takeEvery is how often payroll looks into its inbox.
const takeEvery = 500 * time.Millisecond

// NewSimulator returns a Simulator of an open company. It does nothing until Run.
func NewSimulator(c *Company, cfg SimulatorConfig) *Simulator {
	cfg.Every = cmp.Or(cfg.Every, 3*time.Second)
	cfg.Seed = cmp.Or(cfg.Seed, 1)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	return &Simulator{Company: c, cfg: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 2))}
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
	taken, refused, err := s.TakeReports(ctx, time.Now())
	if taken+refused > 0 {
		s.cfg.Log.InfoContext(ctx, "payroll decided about reports", "taken", taken, "refused", refused)
	}
	return err
}

const approveSQL = `
UPDATE Fravaer
SET    Status = 'G'
WHERE  FravaerNr = (SELECT min(FravaerNr) FROM Fravaer WHERE Status = 'A')`

const activeSQL = `
SELECT MedarbejderNr
FROM   Medarbejder
WHERE  Status = 'A'
ORDER  BY MedarbejderNr`

const moveFlexSQL = `
UPDATE Saldo
SET    Rest = round(Rest + CAST(@hours AS decimal(9,2)), 2), Optjent = round(Optjent + CAST(@hours AS decimal(9,2)), 2), Pr = @day
WHERE  SaldotypeNr = 'FL' AND MedarbejderNr = @employee`

const requestSQL = `
INSERT INTO Fravaer (MedarbejderNr, Art, Fra, Til, Antal, Enhed, Status)
VALUES (@employee, 'F', @day, @day, 1, 'D', 'A')`

// live lets one thing happen.
func (s *Simulator) live(ctx context.Context) error {
	who, err := s.somebody(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	switch s.rand.IntN(3) {
	case 0:
		_, err = s.db.ExecContext(ctx, approveSQL)
	case 1:
		hours := s.kept.spell(hundredths(25 * (1 + s.rand.IntN(8))))
		_, err = s.db.ExecContext(ctx, moveFlexSQL, sql.Named("employee", who), sql.Named("hours", hours), sql.Named("day", day(now)))
	case 2:
		first := weekday(now.AddDate(0, 0, 10+s.rand.IntN(90)))
		_, err = s.db.ExecContext(ctx, requestSQL, sql.Named("employee", who), sql.Named("day", day(first)))
	}
	return err
}

// somebody picks an active employee.
func (s *Simulator) somebody(ctx context.Context) (int, error) {
	rows, err := s.db.QueryContext(ctx, activeSQL)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var active []int
	for rows.Next() {
		var no int
		if err := rows.Scan(&no); err != nil {
			return 0, err
		}
		active = append(active, no)
	}
	if rows.Err() != nil || len(active) == 0 {
		return 0, rows.Err()
	}
	return active[s.rand.IntN(len(active))], nil
}

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"lessor.dk/portalsync/installer/stage"
)

// SourceConfig says what to measure of reading a main system.
type SourceConfig struct {
	Rows      int    // payslip lines
	SQLServer string // address of an empty database, sqlserver://…; "" measures SQLite
	Rounds    int    // of each way, taken in turn; the fastest of each counts
	Self      string // this program
}

// SourceReport compares reading through the agent's source with a plain SELECT of the same rows.
type SourceReport struct {
	Rows     int    `json:"rows"`
	Database string `json:"database"` // and how changes are found
	// Reading is a plain SELECT in the key's order, and chunks of 5,000 rows, each in a transaction of its own.
	Reading Phase       `json:"reading"`
	Idle    IdleMeasure `json:"idle"`
}

// IdleMeasure is what looking at a main system costs in which nothing changed, for each look.
type IdleMeasure struct {
	Polls        int     `json:"polls"`
	Milliseconds float64 `json:"milliseconds"`
	RoundTrips   float64 `json:"round_trips"` // requests to a server; 0 for a file
	CPUMillis    float64 `json:"cpu_milliseconds"`
}

// Source measures reading a main system: rows per second, CPU and memory of chunks against a plain SELECT, in one run, each
// in a process of its own, and the cost of a look when nothing changed. CPU is that of the reading process; a database
// server's is not seen from here.
func Source(ctx context.Context, cfg SourceConfig, progress io.Writer) (report SourceReport, err error) {
	dir, err := os.MkdirTemp("", "portalsync-bench-")
	if err != nil {
		return SourceReport{}, fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &sourceRun{cfg: cfg, dir: dir, progress: progress}
	_, _ = fmt.Fprintf(progress, "make a main system of %d rows\n", cfg.Rows)
	remove, err := r.prepare(ctx)
	if err != nil {
		return SourceReport{}, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	return r.measure(ctx)
}

type sourceRun struct {
	cfg      SourceConfig
	dir      string
	progress io.Writer
	target   sourceTarget
}

// sourceTarget is what a reading process is told, in a file: an address may hold a password, which is nothing for a
// command line.
type sourceTarget struct {
	Address string `json:"address"` // or the path of a SQLite file
	Mode    string `json:"mode"`    // of the plan
}

// prepare makes the rows and returns what takes them away.
func (r *sourceRun) prepare(ctx context.Context) (remove func() error, err error) {
	if r.cfg.SQLServer == "" {
		file := filepath.Join(r.dir, "main.db")
		r.target = sourceTarget{Address: file, Mode: "change-tracking"}
		remove = func() error { return nil }
		err = makeMainSystem(ctx, file, 0, r.cfg.Rows)
	} else {
		r.target.Address = r.cfg.SQLServer
		r.target.Mode, remove, err = makeServerLines(ctx, r.cfg.SQLServer, r.cfg.Rows)
	}
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(r.target)
	if err == nil {
		err = os.WriteFile(r.targetFile(), b, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("note where the rows are: %w", err), remove())
	}
	return remove, nil
}

func (r *sourceRun) targetFile() string { return filepath.Join(r.dir, "target.json") }

func (r *sourceRun) measure(ctx context.Context) (SourceReport, error) {
	report := SourceReport{Rows: r.cfg.Rows, Database: "SQLite, " + r.target.Mode}
	if r.cfg.SQLServer != "" {
		report.Database = "SQL Server, " + r.target.Mode
	}
	var best [2]Measure
	for round := range r.cfg.Rounds {
		for i, way := range []string{readPlain, readChunks} {
			_, _ = fmt.Fprintf(r.progress, "round %d: %s\n", round+1, way)
			m, _, err := r.read(ctx, way)
			if err != nil {
				return SourceReport{}, err
			}
			if round == 0 || m.Seconds < best[i].Seconds {
				best[i] = m
			}
		}
	}
	report.Reading = newPhase("reading", r.cfg.Rows, best[0], best[1])
	_, _ = fmt.Fprintln(r.progress, "look while nothing changes")
	m, seen, err := r.read(ctx, readIdle)
	if err != nil {
		return SourceReport{}, err
	}
	report.Idle = IdleMeasure{
		Polls: idlePolls, Milliseconds: m.Seconds * 1000 / idlePolls, RoundTrips: float64(seen.RoundTrips) / idlePolls,
		CPUMillis: seen.CPU * 1000 / idlePolls,
	}
	return report, nil
}

// read reads in a process of its own.
func (r *sourceRun) read(ctx context.Context, way string) (Measure, readResult, error) {
	log := filepath.Join(r.dir, "read.log")
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return Measure{}, readResult{}, fmt.Errorf("remove the last output: %w", err)
	}
	p, err := stage.Start(way, log, r.cfg.Self, "bench", "read", way, r.targetFile())
	if err != nil {
		return Measure{}, readResult{}, err
	}
	if err := p.Succeed(ctx); err != nil {
		return Measure{}, readResult{}, err
	}
	b, err := os.ReadFile(log)
	if err != nil {
		return Measure{}, readResult{}, fmt.Errorf("read the output: %w", err)
	}
	var result readResult
	if err := json.Unmarshal(b, &result); err != nil {
		return Measure{}, readResult{}, fmt.Errorf("%s answered %q: %w", way, b, err)
	}
	if way != readIdle && result.Rows != r.cfg.Rows {
		return Measure{}, readResult{}, fmt.Errorf("%s read %d rows of %d", way, result.Rows, r.cfg.Rows)
	}
	cpu, peak, _ := p.Usage()
	return Measure{
		Seconds:   result.Took.Seconds(),
		Processes: map[string]ProcessMeasure{"reader": {CPU: cpu.Seconds(), PeakBytes: peak}},
	}, result, nil
}

// readResult is what a reading process tells on its standard output.
type readResult struct {
	Rows       int           `json:"rows"`
	Took       time.Duration `json:"took"`
	RoundTrips int64         `json:"round_trips"`
	CPU        float64       `json:"cpu_seconds"` // of the looks alone
}

// Print writes the report for people.
func (r SourceReport) Print(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "\n%d payslip lines of 12 columns, %s\n\n%-12s %12s %10s %18s\n", r.Rows, r.Database, "", "rows/s", "seconds", "CPU s per M rows"); err != nil {
		return err
	}
	if err := r.Reading.Direct.print(w, "plain SELECT"); err != nil {
		return err
	}
	if err := r.Reading.Whole.print(w, "chunks"); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "chunks / plain SELECT: %.2f of the rate, %.2f of the CPU\nlook while idle: %.2f ms, %.2f ms CPU, %.1f round trips\n",
		r.Reading.RateRatio, r.Reading.CPURatio, r.Idle.Milliseconds, r.Idle.CPUMillis, r.Idle.RoundTrips)
	return err
}

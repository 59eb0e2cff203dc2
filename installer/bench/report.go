package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// Report is the outcome of a benchmark.
type Report struct {
	Rows    int     `json:"rows"`
	Store   string  `json:"store"`
	Writers int     `json:"writers"`
	Phases  []Phase `json:"phases"`
}

// Phase compares the whole path with the baseline, on the same rows.
type Phase struct {
	Name   string  `json:"name"`
	Direct Measure `json:"direct"`
	Whole  Measure `json:"whole"`
	// RateRatio is rows per second of the whole path through those of the baseline: higher is better.
	RateRatio float64 `json:"rate_ratio"`
	// CPURatio is CPU per row of the whole path through that of the baseline, servers included: lower is better.
	CPURatio float64 `json:"cpu_ratio"`
}

// Measure is one way of moving the rows.
type Measure struct {
	Seconds       float64                   `json:"seconds"`
	RowsPerSecond float64                   `json:"rows_per_second"`
	CPUPerMillion float64                   `json:"cpu_seconds_per_million_rows"`
	Processes     map[string]ProcessMeasure `json:"processes"`
}

// ProcessMeasure is what one program used.
type ProcessMeasure struct {
	CPU       float64 `json:"cpu_seconds"`
	PeakBytes int64   `json:"peak_bytes"` // of the largest process of the program
}

func newPhase(name string, rows int, direct, whole Measure) Phase {
	for _, m := range []*Measure{&direct, &whole} {
		m.RowsPerSecond = float64(rows) / m.Seconds
		for _, p := range m.Processes {
			m.CPUPerMillion += p.CPU * 1e6 / float64(rows)
		}
	}
	return Phase{
		Name: name, Direct: direct, Whole: whole,
		RateRatio: whole.RowsPerSecond / direct.RowsPerSecond,
		CPURatio:  whole.CPUPerMillion / direct.CPUPerMillion,
	}
}

// Print writes the report for people.
func (r Report) Print(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "\n%d payslip lines of 12 columns, store %s, %d writing process(es)\n", r.Rows, r.Store, r.Writers); err != nil {
		return err
	}
	for _, p := range r.Phases {
		if _, err := fmt.Fprintf(w, "\n%s\n%-12s %12s %10s %18s\n", p.Name, "", "rows/s", "seconds", "CPU s per M rows"); err != nil {
			return err
		}
		for _, side := range []struct {
			name string
			m    Measure
		}{{"direct", p.Direct}, {"whole path", p.Whole}} {
			if err := side.m.print(w, side.name); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "whole path / direct: %.2f of the rate, %.2f of the CPU\n", p.RateRatio, p.CPURatio); err != nil {
			return err
		}
	}
	return nil
}

func (m Measure) print(w io.Writer, name string) error {
	if _, err := fmt.Fprintf(w, "%-12s %12.0f %10.2f %18.2f\n", name, m.RowsPerSecond, m.Seconds, m.CPUPerMillion); err != nil {
		return err
	}
	for _, program := range slices.Sorted(maps.Keys(m.Processes)) {
		p := m.Processes[program]
		if _, err := fmt.Fprintf(w, "  %-10s %31.2f s CPU, peak %d MiB\n", program, p.CPU, p.PeakBytes>>20); err != nil {
			return err
		}
	}
	return nil
}

// serverUsage reads what the database and Redis have used so far.
func (r *run) serverUsage() (map[string]usage, error) {
	out := map[string]usage{}
	for _, p := range r.servers.running() {
		u, err := processUsage(p.Pid())
		if err != nil {
			return nil, err
		}
		out[p.Name] = u
	}
	return out, nil
}

// addServers adds what the database and Redis used since before.
func (r *run) addServers(m *Measure, before map[string]usage) error {
	now, err := r.serverUsage()
	if err != nil {
		return err
	}
	for name, u := range now {
		m.Processes[name] = ProcessMeasure{CPU: (u.CPU - before[name].CPU).Seconds(), PeakBytes: u.Peak}
	}
	return nil
}

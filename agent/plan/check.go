package plan

import (
	"context"
	"fmt"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// Live is a main system's database that a plan can be held against.
type Live interface {
	source.Source
	// Inspect holds the plan that the source was opened with against the database as it is built now:
	// tables, columns, types, keys, tracking and rights.
	Inspect(ctx context.Context) ([]Finding, error)
}

// Finding is one thing about how a plan meets a database, as a sentence that says how to mend it.
type Finding struct {
	Key  string // path of keys in the plan, like kinds.employee
	Line int
	Stop bool // the kind cannot be synchronized; otherwise it is advice
	Text string
}

// String returns the finding as a line of a report.
func (f Finding) String() string {
	grade := "note"
	if f.Stop {
		grade = "stop"
	}
	return fmt.Sprintf("%s: line %d: %s: %s", grade, f.Line, f.Key, f.Text)
}

// sampleRows is how many rows of each kind Check converts.
const sampleRows = 1000

// Check holds the plan against the database it was opened on, and converts the first thousand rows of every
// kind to find values that do not fit. No finding with Stop means that the plan can be used.
// An error means that the database could not be asked.
func Check(ctx context.Context, p *Plan, live Live) ([]Finding, error) {
	findings, err := live.Inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("check plan: %w", err)
	}
	tx, err := live.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("check plan: %w", err)
	}
	defer tx.Close()
	state := tx.State()
	for _, k := range p.Kinds {
		name := k.Record.Name
		if state.Kinds[name].Err != nil {
			continue // told by Inspect
		}
		seen := newKeys(k)
		_, _, err := tx.Chunk(ctx, name, nil, sampleRows, func(r *protocol.Row) error {
			seen.add(r)
			return nil
		})
		if err != nil {
			findings = append(findings, k.finding(true, err.Error()))
		}
		if seen.twice > 0 {
			findings = append(findings, k.finding(true, fmt.Sprintf(
				"%d rows have the record key of another row; make the key fields tell every row apart", seen.twice)))
		}
	}
	for _, b := range tx.Bad() {
		k := p.Kind(b.Kind)
		findings = append(findings, k.finding(false, fmt.Sprintf("%d of the first %d rows %s: %v", b.Rows, sampleRows, leftOut(b), b.Reason)))
	}
	return findings, nil
}

func (k *Kind) finding(stop bool, text string) Finding {
	return Finding{Key: "kinds." + k.Record.Name, Line: k.Line, Stop: stop, Text: text}
}

// Package report says what an employee reports to the main system (indberetning): its states and who
// moves them, its id, and what each form must hold. The states move in [Next] and nowhere else.
//
// It knows neither HTTP nor SQL. The store keeps reports and asks Next; the web fills in forms.
package report

import (
	"log/slog"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
)

// TypeAbsence is the report type of an absence; its fields are those of [Absence.Fields].
const TypeAbsence = "absence"

// Report is what an employee reported, and how far it has come.
type Report struct {
	ID          protocol.ReportID
	Tenant      protocol.TenantID
	Stream      protocol.StreamID
	User        identity.UserID // who submitted it
	EmployeeNo  string          // whom it is about
	Type        string
	Fields      map[string]string // per type; dates as YYYY-MM-DD, decimals with a point
	State       State
	Reason      string // why the main system refused it, or what stood in the way, in its own words
	SubmittedAt time.Time
	Steps       []Step // oldest first; empty in lists
	// Expected is the submission's.
	Expected *protocol.Expected
}

// LogValue keeps what was reported out of every log.
func (r Report) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int64("tenant", int64(r.Tenant)),
		slog.Int64("stream", int64(r.Stream)),
		slog.String("report", string(r.ID)),
		slog.String("state", string(r.State)),
	)
}

// CanCancel reports whether the employee may still take the report back: nobody has fetched it.
func (r Report) CanCancel() bool {
	_, err := Next(r.State, Cancel)
	return err == nil
}

// Step is one line of a report's history.
type Step struct {
	State State
	Event Event
	At    time.Time
	Actor string // the person's name; empty when a system did it
	Note  string // the main system's reason
}

// Submission is a report about to be sent.
type Submission struct {
	Tenant     protocol.TenantID
	Stream     protocol.StreamID
	User       identity.UserID
	Actor      string // the submitting person's name, for the history
	EmployeeNo string
	Type       string
	Fields     map[string]string
	// Key is made when the form is opened. The same user submitting the same key again gets the first
	// report back: a double click or a back button makes one report.
	Key string
	At  time.Time
	// Expected is the record that the report is about, as the employee saw it; nil for a report about no record.
	Expected *protocol.Expected
}

// Result is the main system's verdict on a report, as the record kind report_result carries it.
type Result struct {
	ID        protocol.ReportID
	Outcome   string // OutcomeTaken or OutcomeRefused
	Reason    string
	DecidedAt time.Time
}

// The outcomes of a [Result].
const (
	OutcomeTaken   = "taken"   // taken into the main system's own registrations
	OutcomeRefused = "refused" // by a rule or a person of the main system; Reason says why
)

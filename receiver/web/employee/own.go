package employee

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// BalanceCard is one balance, and what the employee has reported that it does not hold yet.
type BalanceCard struct {
	store.Balance
	PendingDays  int           // weekdays reported and not yet received by payroll
	PendingHours store.Decimal // the same in hours; not valid when none
}

// ReportLine is one report, or draft, as lists show it.
type ReportLine struct {
	ID       protocol.ReportID // empty for a draft
	Href     string
	State    report.State
	At       time.Time // submitted, or last touched
	Type     store.Names
	FirstDay time.Time // zero when a draft does not say
	LastDay  time.Time
	Weekdays int
	Hours    store.Decimal // of a part of a day
	Note     string
}

// Number is the report's id as people read it out; empty for a draft.
func (l ReportLine) Number() string { return report.Number(l.ID) }

// own is what an employee has and has reported, put side by side.
type own struct {
	types      map[string]store.AbsenceType
	balances   []BalanceCard
	reports    []report.Report
	lines      []ReportLine // of reports, newest first
	draftLines []ReportLine
	ages       map[string]store.KindAge
}

func (p *Pages) own(ctx context.Context, v *ui.Visit) (own, error) {
	o := own{types: map[string]store.AbsenceType{}}
	types, err := p.records.AbsenceTypes(ctx, v.User.Tenant, v.User.Stream)
	if err != nil {
		return o, err
	}
	for _, t := range types {
		o.types[t.No] = t
	}
	if o.reports, err = p.records.Reports(ctx, me(v), maxReports); err != nil {
		return o, err
	}
	for _, r := range o.reports {
		o.lines = append(o.lines, o.line(r))
	}
	drafts, err := p.records.Drafts(ctx, v.User.Tenant, v.User.ID)
	if err != nil {
		return o, err
	}
	for _, d := range drafts {
		o.draftLines = append(o.draftLines, o.draftLine(d))
	}
	balances, err := p.records.Balances(ctx, me(v))
	if err != nil {
		return o, err
	}
	for _, b := range balances {
		o.balances = append(o.balances, o.card(b))
	}
	o.ages, err = p.records.KindAges(ctx, v.User.Tenant, v.User.Stream)
	return o, err
}

func (o own) line(r report.Report) ReportLine {
	l := ReportLine{ID: r.ID, Href: "/registrations/" + string(r.ID), State: r.State, At: r.SubmittedAt, Note: r.Fields["note"]}
	l.Type = o.typeNames(r.Fields["absence_type_no"])
	l.FirstDay, _ = report.ParseDay(r.Fields["first_day"])
	l.LastDay, _ = report.ParseDay(r.Fields["last_day"])
	l.Weekdays = report.Weekdays(l.FirstDay, l.LastDay)
	if r.Fields["unit"] == "hours" {
		l.Hours = parseDecimal(r.Fields["quantity"])
	}
	return l
}

func (o own) draftLine(d store.Draft) ReportLine {
	l := ReportLine{Href: "/absence/report/" + d.Key, State: report.Draft, At: d.UpdatedAt}
	form := formOf(d)
	l.Type = o.typeNames(form.Type)
	l.FirstDay, _ = report.ParseDay(form.FirstDay)
	if l.LastDay, _ = report.ParseDay(form.LastDay); l.LastDay.Before(l.FirstDay) {
		l.LastDay = l.FirstDay
	}
	return l
}

// typeNames returns the names of an absence type; its number when the main system no longer has it.
func (o own) typeNames(no string) store.Names {
	if t, ok := o.types[no]; ok {
		return t.Names
	}
	return store.Names{Danish: no}
}

// card sums up what was reported against the balance and has not reached payroll.
func (o own) card(b store.Balance) BalanceCard {
	card := BalanceCard{Balance: b}
	for i, r := range o.reports {
		if !r.State.Open() || o.types[r.Fields["absence_type_no"]].BalanceType != b.Type {
			continue
		}
		if hours := o.lines[i].Hours; hours.Valid {
			card.PendingHours.N += hours.N
			card.PendingHours.Scale, card.PendingHours.Valid = hours.Scale, true
		} else {
			card.PendingDays += o.lines[i].Weekdays
		}
	}
	return card
}

// hoursScale is the digits after the point of reported hours.
const hoursScale = 2

// parseDecimal reads a decimal of a report's fields, which hold what this program wrote.
func parseDecimal(s string) store.Decimal {
	whole, fraction, _ := strings.Cut(s, ".")
	for len(fraction) < hoursScale {
		fraction += "0"
	}
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	return store.Decimal{N: n, Scale: hoursScale, Valid: err == nil}
}

// formOf returns a draft's form; one that cannot be read is an empty form.
func formOf(d store.Draft) report.AbsenceForm {
	var form report.AbsenceForm
	if err := json.Unmarshal([]byte(d.Form), &form); err != nil {
		return report.AbsenceForm{}
	}
	return form
}

package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var today = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func TestCheck(t *testing.T) {
	whole := AbsenceForm{Type: "F1", FirstDay: "2026-12-28", LastDay: "2026-12-30"}
	with := func(change func(*AbsenceForm)) AbsenceForm {
		f := whole
		change(&f)
		return f
	}
	tests := map[string]struct {
		form AbsenceForm
		want []Flaw
	}{
		"whole days":                               {form: whole},
		"one day, without a last":                  {form: with(func(f *AbsenceForm) { f.LastDay = "" })},
		"part of a day":                            {form: with(func(f *AbsenceForm) { f.LastDay, f.Hours = "", "3,5" })},
		"dates as people type them":                {form: with(func(f *AbsenceForm) { f.FirstDay, f.LastDay = "28.12.2026", "30/12-2026" })},
		"nothing":                                  {form: AbsenceForm{}, want: []Flaw{{"type", "absence.error.type"}, {"first_day", "absence.error.first_missing"}}},
		"a type that may not be reported":          {form: with(func(f *AbsenceForm) { f.Type = "X9" }), want: []Flaw{{"type", "absence.error.type_unknown"}}},
		"no date":                                  {form: with(func(f *AbsenceForm) { f.FirstDay = "31.02.2026" }), want: []Flaw{{"first_day", "absence.error.date"}}},
		"a year and a day ago":                     {form: with(func(f *AbsenceForm) { f.FirstDay, f.LastDay = "2025-11-21", "" }), want: []Flaw{{"first_day", "absence.error.too_old"}}},
		"a year ago":                               {form: with(func(f *AbsenceForm) { f.FirstDay, f.LastDay = "2025-11-22", "" })},
		"more than two years ahead":                {form: with(func(f *AbsenceForm) { f.FirstDay, f.LastDay = "2028-11-23", "" }), want: []Flaw{{"first_day", "absence.error.too_far"}}},
		"the last day before the first":            {form: with(func(f *AbsenceForm) { f.LastDay = "2026-12-27" }), want: []Flaw{{"last_day", "absence.error.order"}}},
		"longer than a year":                       {form: with(func(f *AbsenceForm) { f.LastDay = "2028-01-01" }), want: []Flaw{{"last_day", "absence.error.too_long"}}},
		"hours over several days":                  {form: with(func(f *AbsenceForm) { f.Hours = "3" }), want: []Flaw{{"hours", "absence.error.hours_days"}}},
		"more hours than a day has":                {form: with(func(f *AbsenceForm) { f.LastDay, f.Hours = "", "24.01" }), want: []Flaw{{"hours", "absence.error.hours"}}},
		"no hours":                                 {form: with(func(f *AbsenceForm) { f.LastDay, f.Hours = "", "0" }), want: []Flaw{{"hours", "absence.error.hours"}}},
		"hours that are not a number":              {form: with(func(f *AbsenceForm) { f.LastDay, f.Hours = "", "1e1" }), want: []Flaw{{"hours", "absence.error.hours"}}},
		"a note of 500 characters":                 {form: with(func(f *AbsenceForm) { f.Note = strings.Repeat("å", 500) })},
		"a note of 501 characters":                 {form: with(func(f *AbsenceForm) { f.Note = strings.Repeat("å", 501) }), want: []Flaw{{"note", "absence.error.note"}}},
		"a note with NUL, which no database takes": {form: with(func(f *AbsenceForm) { f.Note = "a\x00b" }), want: []Flaw{{"note", "absence.error.note"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, flaws := tt.form.Check([]string{"F1", "S1"}, today)
			if diff := cmp.Diff(tt.want, flaws); diff != "" {
				t.Errorf("flaws differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFields(t *testing.T) {
	tests := map[string]struct {
		form AbsenceForm
		want map[string]string
	}{
		"whole days count Monday to Friday": {
			form: AbsenceForm{Type: "F1", FirstDay: "2026-12-24", LastDay: "2026-12-28", Note: " Jul "},
			want: map[string]string{"absence_type_no": "F1", "first_day": "2026-12-24", "last_day": "2026-12-28", "unit": "days", "quantity": "3", "note": "Jul"},
		},
		"hours are sent with a point": {
			form: AbsenceForm{Type: "S1", FirstDay: "20.11.2026", Hours: "3,25"},
			want: map[string]string{"absence_type_no": "S1", "first_day": "2026-11-20", "last_day": "2026-11-20", "unit": "hours", "quantity": "3.25", "note": ""},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, flaws := tt.form.Check([]string{"F1", "S1"}, today)
			if len(flaws) > 0 {
				t.Fatal(flaws)
			}
			if diff := cmp.Diff(tt.want, a.Fields()); diff != "" {
				t.Errorf("fields differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewID(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	first, later := NewID(at), NewID(at.Add(time.Millisecond))
	if first >= later {
		t.Errorf("%s was made before %s and does not sort so", first, later)
	}
	if again := NewID(at); again == first {
		t.Errorf("two reports have the id %s", first)
	}
	if got := Number("0123456789ABCDEF"); got != "0123-4567-89AB-CDEF" {
		t.Errorf("Number = %s, want 0123-4567-89AB-CDEF", got)
	}
}

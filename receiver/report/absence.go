package report

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of an absence report.
const (
	maxNoteChars  = 500
	maxAbsence    = 366 // days from the first to the last
	yearsBack     = 1
	yearsAhead    = 2
	maxDayHours   = 24
	hoursDecimals = 2
)

// AbsenceForm is what the employee typed, kept as typed until it is right.
type AbsenceForm struct {
	Type     string `json:"type"`
	FirstDay string `json:"first_day"`
	LastDay  string `json:"last_day"`
	Hours    string `json:"hours,omitempty"` // of a part of one day; empty means whole days
	Note     string `json:"note,omitempty"`
}

// Absence is a form that holds.
type Absence struct {
	Type     string    // absence_type_no of the main system
	FirstDay time.Time // midnight UTC
	LastDay  time.Time // midnight UTC; empty in the form means the first day
	Hours    string    // decimal with a point; empty means whole days
	Note     string
}

// Flaw is one thing wrong with a form: the field, and the key of the sentence that says how to mend it.
type Flaw struct{ Field, Key string }

// Check returns the absence, or everything that is wrong with the form, in the order of its fields.
// The types are those the main system lets employees report; today is the reader's date.
func (f AbsenceForm) Check(types []string, today time.Time) (Absence, []Flaw) {
	var flaws []Flaw
	add := func(field, key string) { flaws = append(flaws, Flaw{Field: field, Key: key}) }
	a := Absence{Type: f.Type, Note: strings.TrimSpace(f.Note)}
	switch {
	case f.Type == "":
		add("type", "absence.error.type")
	case !slices.Contains(types, f.Type):
		add("type", "absence.error.type_unknown")
	}
	var ok bool
	if a.FirstDay, ok = ParseDay(f.FirstDay); !ok {
		add("first_day", missingOr(f.FirstDay, "absence.error.first_missing", "absence.error.date"))
	} else if a.FirstDay.Before(today.AddDate(-yearsBack, 0, 0)) {
		add("first_day", "absence.error.too_old")
	} else if a.FirstDay.After(today.AddDate(yearsAhead, 0, 0)) {
		add("first_day", "absence.error.too_far")
	}
	firstOK := ok
	if strings.TrimSpace(f.LastDay) == "" {
		a.LastDay = a.FirstDay
	} else if a.LastDay, ok = ParseDay(f.LastDay); !ok {
		add("last_day", "absence.error.date")
	} else if firstOK && a.LastDay.Before(a.FirstDay) {
		add("last_day", "absence.error.order")
	} else if firstOK && a.LastDay.Sub(a.FirstDay) > maxAbsence*24*time.Hour {
		add("last_day", "absence.error.too_long")
	}
	if strings.TrimSpace(f.Hours) != "" {
		if a.Hours, ok = parseHours(f.Hours); !ok {
			add("hours", "absence.error.hours")
		} else if !a.LastDay.Equal(a.FirstDay) {
			add("hours", "absence.error.hours_days")
		}
	}
	if utf8.RuneCountInString(a.Note) > maxNoteChars || !utf8.ValidString(a.Note) || strings.ContainsRune(a.Note, 0) {
		add("note", "absence.error.note")
	}
	return a, flaws
}

func missingOr(typed, missing, wrong string) string {
	if strings.TrimSpace(typed) == "" {
		return missing
	}
	return wrong
}

// Fields returns the absence as the agent hands it to the main system.
func (a Absence) Fields() map[string]string {
	f := map[string]string{
		"absence_type_no": a.Type,
		"first_day":       a.FirstDay.Format(time.DateOnly),
		"last_day":        a.LastDay.Format(time.DateOnly),
		"unit":            "days",
		"quantity":        strconv.Itoa(Weekdays(a.FirstDay, a.LastDay)),
		"note":            a.Note,
	}
	if a.Hours != "" {
		f["unit"], f["quantity"] = "hours", a.Hours
	}
	return f
}

// Weekdays counts Monday to Friday from the first to the last day, both included. Public holidays are
// the main system's to know: screens say "hverdage", not "feriedage".
func Weekdays(first, last time.Time) int {
	n := 0
	for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
		if wd := d.Weekday(); wd != time.Saturday && wd != time.Sunday {
			n++
		}
	}
	return n
}

// ParseDay reads a date as a browser sends it (2026-11-30) or as people type it (30.11.2026, 30-11-2026,
// 30/11-2026, 3.1.26).
func ParseDay(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.DateOnly, "2.1.2006", "2-1-2006", "2/1-2006", "2/1/2006", "2.1.06", "2-1-06"} {
		if d, err := time.Parse(layout, s); err == nil && d.Year() > 1900 {
			return d, true
		}
	}
	return time.Time{}, false
}

// parseHours reads 3,5 and 3.5 and returns it with a point.
func parseHours(s string) (string, bool) {
	s = strings.Replace(strings.TrimSpace(s), ",", ".", 1)
	whole, fraction, _ := strings.Cut(s, ".")
	if whole == "" || len(fraction) > hoursDecimals || strings.Trim(whole+fraction, "0123456789") != "" {
		return "", false
	}
	h, err := strconv.ParseFloat(s, 64) // only for the range: the text is what is sent
	if err != nil || h <= 0 || h > maxDayHours {
		return "", false
	}
	return strings.TrimSuffix(s, "."), true
}

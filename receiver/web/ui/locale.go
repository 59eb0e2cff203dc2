package ui

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	_ "time/tzdata" // the zone of the screens must be known on every machine

	"lessor.dk/portalsync/receiver/store"
)

// Locale is how one language writes: sentences, dates, times and amounts.
type Locale struct {
	Language Language
	texts    Catalogue
	zone     *time.Location
	now      func() time.Time
}

func newLocale(l Language, zone *time.Location, now func() time.Time) (*Locale, error) {
	texts, err := LoadCatalogue(l)
	if err != nil {
		return nil, err
	}
	return &Locale{Language: l, texts: texts, zone: zone, now: now}, nil
}

// funcs is what templates may call.
func (l *Locale) funcs(static *Static) template.FuncMap {
	return template.FuncMap{
		"t":         l.texts.Text,
		"plural":    l.texts.Plural,
		"lang":      func() string { return string(l.Language) },
		"languages": Languages,
		"static":    static.URL,
		"date":      l.Date,
		"day":       l.Day,
		"days":      l.Days,
		"soon":      l.Soon,
		"daymonth":  l.dayMonth,
		"period":    l.Period,
		"moment":    l.Moment,
		"exact":     l.Exact,
		"clock":     l.Clock,
		"ago":       l.Ago,
		"span":      l.Span,
		"limit":     l.Limit,
		"code":      l.Code,
		"iso":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"isodate":   func(t time.Time) string { return t.Format(time.DateOnly) },
		"number":    l.Number,
		"amount":    l.Amount,
		"money":     l.Money,
		"count":     l.Count,
		"name":      l.Name,
		"unit":      l.Unit,
		"until":     l.Until,
		"initials":  initials,
	}
}

// Text returns the sentence of a key with its arguments filled in.
func (l *Locale) Text(key string, args ...any) string { return l.texts.Text(key, args...) }

// Has reports whether there is a sentence of a key.
func (l *Locale) Has(key string) bool { return l.texts[key] != "" }

// Plural returns the sentence of key.one or key.other with n as argument 0.
func (l *Locale) Plural(key string, n int) string { return l.texts.Plural(key, n) }

// Code returns what an agent means by a stable code, for operations. A code that only a newer agent knows is an
// error all the same.
func (l *Locale) Code(code string) string {
	if s, ok := l.texts["code."+code]; ok {
		return s
	}
	return l.Text("code.unknown")
}

// Name returns a name in the locale's language, or in Danish when the main system gives none.
func (l *Locale) Name(n store.Names) string {
	switch {
	case l.Language == Swedish && n.Swedish != "":
		return n.Swedish
	case l.Language == English && n.English != "":
		return n.English
	}
	return n.Danish
}

// Unit returns the main system's word for a unit in the locale's language, as far as it is one of the usual words.
func (l *Locale) Unit(unit string) string {
	switch strings.ToLower(strings.TrimSuffix(unit, ".")) {
	case "dag", "dage", "day", "days", "d":
		return l.Text("unit.days")
	case "time", "timer", "hour", "hours", "h", "t":
		return l.Text("unit.hours")
	case "km":
		return "km"
	case "stk", "pcs":
		return l.Text("unit.pieces")
	}
	return unit
}

// Date writes a date without a time: 27. november 2026.
func (l *Locale) Date(d time.Time) string {
	return fmt.Sprintf("%s %d", l.dayMonth(d), d.Year())
}

// Day writes a date with its weekday: fredag 27. november 2026.
func (l *Locale) Day(d time.Time) string {
	return l.weekday(d) + " " + l.Date(d)
}

// Soon writes a date with its weekday, and the year only when it is another than this one.
func (l *Locale) Soon(d time.Time) string {
	if d.Year() == l.now().In(l.zone).Year() {
		return l.weekday(d) + " " + l.dayMonth(d)
	}
	return l.Day(d)
}

func (l *Locale) dayMonth(d time.Time) string {
	month := l.Text(fmt.Sprintf("month.%d", d.Month()))
	if l.Language == Danish {
		return fmt.Sprintf("%d. %s", d.Day(), month)
	}
	return fmt.Sprintf("%d %s", d.Day(), month)
}

func (l *Locale) weekday(d time.Time) string { return l.Text(fmt.Sprintf("weekday.%d", d.Weekday())) }

// Days writes the days from first to last as short as can be: 30. november – 2. december 2026.
func (l *Locale) Days(first, last time.Time) string {
	switch {
	case first.Equal(last):
		return l.Date(first)
	case first.Year() != last.Year():
		return l.Date(first) + " – " + l.Date(last)
	case first.Month() != last.Month():
		return l.dayMonth(first) + " – " + l.Date(last)
	case l.Language == Danish:
		return fmt.Sprintf("%d.–%s", first.Day(), l.Date(last))
	}
	return fmt.Sprintf("%d–%s", first.Day(), l.Date(last))
}

// Period writes a pay period: a whole month by its name, anything else by its days.
func (l *Locale) Period(first, last time.Time) string {
	if first.Day() == 1 && last.AddDate(0, 0, 1).Equal(first.AddDate(0, 1, 0)) {
		return fmt.Sprintf("%s %d", l.Text(fmt.Sprintf("month.%d", first.Month())), first.Year())
	}
	return l.Days(first, last)
}

// Moment writes an instant as people say it: i dag 12:04, i går 12:04, 17. november 12:04.
func (l *Locale) Moment(t time.Time) string {
	at, today := t.In(l.zone), l.now().In(l.zone)
	clock := at.Format("15:04")
	switch {
	case sameDay(at, today):
		return l.Text("moment.today", clock)
	case sameDay(at, today.AddDate(0, 0, -1)):
		return l.Text("moment.yesterday", clock)
	case at.Year() == today.Year():
		return l.dayMonth(at) + " " + clock
	}
	return l.Date(at) + " " + clock
}

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}

// Exact writes an instant to the second with its zone.
func (l *Locale) Exact(t time.Time) string {
	at := t.In(l.zone)
	return l.Day(at) + " " + at.Format("15:04:05 MST") + " (" + l.zone.String() + ")"
}

// Clock writes the time of day of an instant, to the second: 12:04:59.
func (l *Locale) Clock(t time.Time) string { return t.In(l.zone).Format(time.TimeOnly) }

// Ago writes how long ago an instant was: for 3 minutter siden.
func (l *Locale) Ago(t time.Time) string {
	d := l.now().Sub(t)
	if d < 5*time.Second {
		return l.Text("ago.now")
	}
	return l.Text("ago.past", l.Span(d))
}

// Span writes a duration in its largest unit: 3 minutter.
func (l *Locale) Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return l.texts.Plural("span.seconds", int(d/time.Second))
	case d < time.Hour:
		return l.texts.Plural("span.minutes", int(d/time.Minute))
	case d < 48*time.Hour:
		return l.texts.Plural("span.hours", int(d/time.Hour))
	}
	return l.texts.Plural("span.days", int(d/(24*time.Hour)))
}

// Limit writes a duration in the largest unit of which it is a whole number: 90 sekunder.
func (l *Locale) Limit(d time.Duration) string {
	switch {
	case d%time.Minute != 0:
		return l.texts.Plural("span.seconds", int(d/time.Second))
	case d%time.Hour != 0:
		return l.texts.Plural("span.minutes", int(d/time.Minute))
	}
	if d < 48*time.Hour || d%(24*time.Hour) != 0 {
		return l.texts.Plural("span.hours", int(d/time.Hour))
	}
	return l.texts.Plural("span.days", int(d/(24*time.Hour)))
}

// Until writes how far off a date is: i dag, i morgen, om 5 dage.
func (l *Locale) Until(d time.Time) string {
	y, m, day := l.now().In(l.zone).Date()
	n := int(d.Sub(time.Date(y, m, day, 0, 0, 0, 0, time.UTC)).Hours() / 24)
	switch n {
	case 0:
		return l.Text("until.today")
	case 1:
		return l.Text("until.tomorrow")
	}
	return l.texts.Plural("until.days", n)
}

// initials returns at most two letters for the round badge beside a person's name.
func initials(name string) string {
	var out []rune
	words := strings.Fields(name)
	for i, w := range words {
		if i == 0 || i == len(words)-1 {
			out = append(out, []rune(w)[0])
		}
	}
	return strings.ToUpper(string(out))
}

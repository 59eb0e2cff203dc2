package ui

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/receiver/store"
)

// Every language has every sentence, with the same arguments.
func TestCatalogues(t *testing.T) {
	danish := load(t, Danish)
	arguments := regexp.MustCompile(`\{\d\}`)
	for _, l := range Languages() {
		c := load(t, l)
		for key, text := range danish {
			got, ok := c[key]
			if !ok || strings.TrimSpace(got) == "" {
				t.Errorf("%s lacks %s", l, key)
			}
			want, have := arguments.FindAllString(text, -1), arguments.FindAllString(got, -1)
			if strings.Join(want, "") != strings.Join(have, "") {
				t.Errorf("%s: %s has arguments %v, want %v", l, key, have, want)
			}
		}
		for key := range c {
			if _, ok := danish[key]; !ok {
				t.Errorf("%s has %s, which Danish lacks", l, key)
			}
			if twin, ok := strings.CutSuffix(key, ".one"); ok && c[twin+".other"] == "" {
				t.Errorf("%s: %s has no .other", l, key)
			}
		}
	}
}

// Every sentence is used, and every sentence asked for exists.
func TestKeysAreUsed(t *testing.T) {
	danish := load(t, Danish)
	source := sources(t)
	quoted := regexp.MustCompile(`"([a-z_0-9]+(?:\.[a-z_0-9-]+)*\.?)"`)
	named, prefixes := map[string]bool{}, map[string]bool{}
	for _, m := range quoted.FindAllStringSubmatch(source, -1) {
		named[m[1]] = true
		if strings.HasSuffix(m[1], ".") {
			prefixes[m[1]] = true
		}
	}
	for key := range danish {
		plural := strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
		if named[key] || named[plural] || started(prefixes, key) {
			continue
		}
		t.Errorf("sentence %s is not used", key)
	}
	asked := regexp.MustCompile(`(?:\bt |plural |Text\(|Plural\(|Frame\(v, )"([a-z_0-9.-]+[a-z_0-9])"`)
	for _, m := range asked.FindAllStringSubmatch(source, -1) {
		if danish[m[1]] == "" && danish[m[1]+".other"] == "" {
			t.Errorf("sentence %s is asked for and does not exist", m[1])
		}
	}
}

// started reports whether a key is put together from a prefix in the source. The error pages' keys begin
// with their status and the months' and weekdays' end with a number.
func started(prefixes map[string]bool, key string) bool {
	for p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return regexp.MustCompile(`^(month|weekday)\.\d+$`).MatchString(key)
}

func load(t *testing.T, l Language) Catalogue {
	t.Helper()
	c, err := LoadCatalogue(l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sources returns the text of every template and program file of the portal's pages and forms.
func sources(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range []string{"..", "../../report"} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			if ext := filepath.Ext(path); ext == ".go" || ext == ".html" {
				text, err := os.ReadFile(path)
				b.Write(text)
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// at is a Sunday in winter time.
var at = time.Date(2026, 11, 22, 11, 12, 0, 0, time.UTC)

func locale(t *testing.T, l Language) *Locale {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		t.Fatal(err)
	}
	loc, err := newLocale(l, zone, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestLocale(t *testing.T) {
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	dec := func(n int64, scale int) store.Decimal { return store.Decimal{N: n, Scale: scale, Valid: true} }
	tests := map[string]struct {
		write      func(*Locale) string
		da, sv, en string
	}{
		"money":                     {func(l *Locale) string { return l.Money(dec(123456, 2), "DKK") }, "1.234,56\u00a0kr.", "1\u00a0234,56\u00a0DKK", "1,234.56\u00a0DKK"},
		"money of another country":  {func(l *Locale) string { return l.Money(dec(5, 2), "SEK") }, "0,05\u00a0SEK", "0,05\u00a0SEK", "0.05\u00a0SEK"},
		"less than nothing":         {func(l *Locale) string { return l.Amount(dec(-100000000, 2)) }, "−1.000.000,00", "−1\u00a0000\u00a0000,00", "−1,000,000.00"},
		"a rate of four digits":     {func(l *Locale) string { return l.Amount(dec(3384625, 4)) }, "338,4625", "338,4625", "338.4625"},
		"a number without zeros":    {func(l *Locale) string { return l.Number(dec(184800, 4)) }, "18,48", "18,48", "18.48"},
		"a whole number":            {func(l *Locale) string { return l.Number(dec(30000, 4)) }, "3", "3", "3"},
		"a number that is missing":  {func(l *Locale) string { return l.Number(store.Decimal{}) }, "", "", ""},
		"a date":                    {func(l *Locale) string { return l.Date(day(2026, 11, 27)) }, "27. november 2026", "27 november 2026", "27 November 2026"},
		"a day":                     {func(l *Locale) string { return l.Day(day(2026, 11, 27)) }, "fredag 27. november 2026", "fredag 27 november 2026", "Friday 27 November 2026"},
		"a day of this year, soon":  {func(l *Locale) string { return l.Soon(day(2026, 11, 27)) }, "fredag 27. november", "fredag 27 november", "Friday 27 November"},
		"days of one month":         {func(l *Locale) string { return l.Days(day(2026, 12, 28), day(2026, 12, 30)) }, "28.–30. december 2026", "28–30 december 2026", "28–30 December 2026"},
		"days of two months":        {func(l *Locale) string { return l.Days(day(2026, 11, 30), day(2026, 12, 2)) }, "30. november – 2. december 2026", "30 november – 2 december 2026", "30 November – 2 December 2026"},
		"days of two years":         {func(l *Locale) string { return l.Days(day(2025, 12, 22), day(2026, 1, 2)) }, "22. december 2025 – 2. januar 2026", "22 december 2025 – 2 januari 2026", "22 December 2025 – 2 January 2026"},
		"one day":                   {func(l *Locale) string { return l.Days(day(2026, 1, 2), day(2026, 1, 2)) }, "2. januar 2026", "2 januari 2026", "2 January 2026"},
		"a whole month":             {func(l *Locale) string { return l.Period(day(2028, 2, 1), day(2028, 2, 29)) }, "februar 2028", "februari 2028", "February 2028"},
		"a period across months":    {func(l *Locale) string { return l.Period(day(2026, 10, 16), day(2026, 11, 15)) }, "16. oktober – 15. november 2026", "16 oktober – 15 november 2026", "16 October – 15 November 2026"},
		"today":                     {func(l *Locale) string { return l.Moment(at.Add(-8 * time.Minute)) }, "i dag 12:04", "i dag 12:04", "today 12:04"},
		"yesterday, by local time":  {func(l *Locale) string { return l.Moment(time.Date(2026, 11, 21, 22, 59, 0, 0, time.UTC)) }, "i går 23:59", "i går 23:59", "yesterday 23:59"},
		"this year, in summer time": {func(l *Locale) string { return l.Moment(time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)) }, "1. juli 12:00", "1 juli 12:00", "1 July 12:00"},
		"last year":                 {func(l *Locale) string { return l.Moment(time.Date(2025, 11, 17, 11, 4, 0, 0, time.UTC)) }, "17. november 2025 12:04", "17 november 2025 12:04", "17 November 2025 12:04"},
		"exactly":                   {func(l *Locale) string { return l.Exact(at) }, "søndag 22. november 2026 12:12:00 CET (Europe/Copenhagen)", "söndag 22 november 2026 12:12:00 CET (Europe/Copenhagen)", "Sunday 22 November 2026 12:12:00 CET (Europe/Copenhagen)"},
		"a minute ago":              {func(l *Locale) string { return l.Ago(at.Add(-time.Minute)) }, "for 1 minut siden", "för 1 minut sedan", "1 minute ago"},
		"hours ago":                 {func(l *Locale) string { return l.Ago(at.Add(-26 * time.Hour)) }, "for 26 timer siden", "för 26 timmar sedan", "26 hours ago"},
		"a limit of seconds":        {func(l *Locale) string { return l.Limit(90 * time.Second) }, "90 sekunder", "90 sekunder", "90 seconds"},
		"a limit of minutes":        {func(l *Locale) string { return l.Limit(90 * time.Minute) }, "90 minutter", "90 minuter", "90 minutes"},
		"a limit of a day":          {func(l *Locale) string { return l.Limit(24 * time.Hour) }, "24 timer", "24 timmar", "24 hours"},
		"a limit of days":           {func(l *Locale) string { return l.Limit(72 * time.Hour) }, "3 dage", "3 dagar", "3 days"},
		"tomorrow":                  {func(l *Locale) string { return l.Until(day(2026, 11, 23)) }, "i morgen", "i morgon", "tomorrow"},
		"in days":                   {func(l *Locale) string { return l.Until(day(2026, 11, 27)) }, "om 5 dage", "om 5 dagar", "in 5 days"},
		"a unit":                    {func(l *Locale) string { return l.Unit("Dage") }, "dage", "dagar", "days"},
		"a unit of the main system": {func(l *Locale) string { return l.Unit("vagter") }, "vagter", "vagter", "vagter"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for l, want := range map[Language]string{Danish: tt.da, Swedish: tt.sv, English: tt.en} {
				if got := tt.write(locale(t, l)); got != want {
					t.Errorf("%s: %q, want %q", l, got, want)
				}
			}
		})
	}
}

func TestAge(t *testing.T) {
	u := &UI{now: func() time.Time { return at }, limits: defaultLimits()}
	ages := map[string]store.KindAge{
		"balance": {State: "ok", At: at.Add(-time.Minute)},
		"payslip": {State: "ok", At: at.Add(-40 * time.Minute)},
		"absence": {State: "running", At: at.Add(-30 * time.Hour)},
		"place":   {State: "running"},
	}
	tests := map[string]struct {
		kinds []string
		want  Level
	}{
		"just looked at":                  {[]string{"balance"}, Fresh},
		"the older of two":                {[]string{"balance", "payslip"}, Late},
		"more than a day":                 {[]string{"absence"}, Stale},
		"still in its first load":         {[]string{"balance", "place"}, Never},
		"a kind that the plan leaves out": {[]string{"balance", "dimension"}, Fresh},
		"nothing at all":                  {[]string{"dimension"}, Never},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := u.Age(ages, tt.kinds...); got.Level != tt.want {
				t.Errorf("Age = %s, want %s", got.Level, tt.want)
			}
		})
	}
}

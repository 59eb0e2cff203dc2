package company

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// founder fills an empty database.
type founder struct {
	cfg   Config
	rows  rowWriter
	staff []*person
}

// rowWriter takes rows for tables, the values in the order of the table's columns: texts, numbers and the types of
// value.go. It may write them later, at the latest in flush, and keeps the order within a table.
type rowWriter interface {
	add(ctx context.Context, table string, row []any) error
	flush(ctx context.Context) error
}

// found fills every table.
func (f *founder) found(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		f.setUp, f.departments, f.calendar, f.hire, f.placeApprovers, f.leave, f.plan, f.pay,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return f.rows.flush(ctx)
}

// add inserts one row.
func (f *founder) add(ctx context.Context, table string, row ...any) error {
	return f.rows.add(ctx, table, row)
}

// addAll inserts rows.
func (f *founder) addAll(ctx context.Context, table string, rows [][]any) error {
	for _, row := range rows {
		if err := f.add(ctx, table, row...); err != nil {
			return err
		}
	}
	return nil
}

// random returns the chance of one person and purpose: more employees or months change nobody's past.
func (c Config) random(purpose string, no int) *rand.Rand {
	h := c.Seed
	for _, b := range []byte(purpose) {
		h = h*1099511628211 + uint64(b)
	}
	return rand.New(rand.NewPCG(h, uint64(no)))
}

// setUp adds what every company of the kind has.
func (f *founder) setUp(ctx context.Context) error {
	for table, rows := range map[string][][]any{
		"Vagt": {
			{"D", "Dag", clock("07:30"), clock("15:30")}, {"A", "Aften", clock("15:00"), clock("23:00")}, {"N", "Nat", clock("23:00"), clock("07:00")},
		},
		"Saldotype": {
			{ferie, "Ferie", "D", 1, "Semester", "Holiday"},
			{feriefri, "Feriefridage", "D", 2, "Extra lediga dagar", "Extra days off"},
			{flex, "Flex", "T", 3, "Flex", "Flexitime"},
			{"BS", "Børns sygedag", "D", 4, "Vård av barn", "Child's sick days"},
		},
		"Fravaersart": {
			{"F", "Ferie", "D", true, ferie, 1, "Semester", "Holiday"},
			{"FF", "Feriefridag", "D", true, feriefri, 2, "Extra ledig dag", "Extra day off"},
			{"AF", "Afspadsering", "T", true, flex, 3, "Kompledighet", "Time off in lieu"},
			{"S", "Sygdom", "D", true, nil, 4, "Sjukdom", "Illness"},
			{"B", "Barns sygedag", "D", true, "BS", 5, "Vård av barn", "Child's sick day"},
			{"BL", "Barsel", "D", false, nil, 6, "Föräldraledighet", "Parental leave"},
		},
		"Registreringstype": {
			{"FRA", "Fravær", "absence", "D", "Frånvaro", "Absence"},
			{"KØR", "Kørsel", "mileage", "km", "Körning", "Mileage"},
			{"LD", "Løndele", "wage-item", "kr", "Lönetillägg", "Wage items"},
			{"TID", "Komme/gå", "time", "T", "Tidsstämpling", "Clock in and out"},
		},
		"Registreringsgruppe": {
			{"FUNK", "FRA", "Funktionærer"}, {"FUNK", "KØR", "Funktionærer"}, {"FUNK", "LD", "Funktionærer"},
			{"PROD", "FRA", "Produktion"}, {"PROD", "TID", "Produktion"},
		},
		"Dimension": {
			{"100", "Pumper", "Projekt"}, {"110", "Ventiler", "Projekt"}, {"120", "Service", "Projekt"},
			{"900", "Intern tid", "Projekt"},
		},
		"Sted": {
			{"1", "Hovedkontor", "Fabriksgade 1", "0001", "Nordlyng"},
			{"2", "Lager Sivkøbing", "Stationsgade 44", "0002", "Sivkøbing"},
		},
	} {
		if err := f.addAll(ctx, table, rows); err != nil {
			return err
		}
	}
	return nil
}

// The balances that absences draw on.
const (
	ferie    = "FE"
	feriefri = "FF"
	flex     = "FL"
)

// department is where people work. Its leader is the first person placed in it.
type department struct {
	no, name, area string
	shifts         bool // paid by the hour, in shifts
	titles         []string
	share          int // of a hundred people
}

var departmentPlan = []department{
	{"10", "Direktion", "Ledelse", false, []string{"Direktør", "Direktionsassistent"}, 2},
	{"20", "Økonomi", "Administration", false, []string{"Økonomichef", "Bogholder", "Controller"}, 5},
	{"25", "Løn og personale", "Administration", false, []string{"Lønchef", "Lønkonsulent"}, 3},
	{"30", "It", "Administration", false, []string{"It-chef", "Systemadministrator", "Udvikler"}, 5},
	{"40", "Salg", "Marked", false, []string{"Salgschef", "Sælger", "Salgsassistent"}, 9},
	{"45", "Kundeservice", "Marked", false, []string{"Kundechef", "Kundekonsulent"}, 7},
	{"50", "Konstruktion", "Teknik", false, []string{"Udviklingschef", "Ingeniør", "Teknisk assistent"}, 10},
	{"60", "Støberi", "Produktion", true, []string{"Produktionsleder", "Støber"}, 14},
	{"62", "Maskinværksted", "Produktion", true, []string{"Værkfører", "Maskinarbejder", "Smed"}, 18},
	{"64", "Montage", "Produktion", true, []string{"Værkfører", "Montør"}, 15},
	{"70", "Lager", "Logistik", true, []string{"Lagerchef", "Lagermedarbejder", "Chauffør"}, 9},
	{"80", "Vedligehold", "Teknik", false, []string{"Vedligeholdschef", "Elektriker", "Servicetekniker"}, 3},
}

func (f *founder) departments(ctx context.Context) error {
	for i, d := range departmentPlan {
		var parent any
		if i > 0 {
			parent = departmentPlan[0].no
		}
		if err := f.add(ctx, "Afdeling", d.no, d.name, d.area, parent); err != nil {
			return err
		}
	}
	return nil
}

// calendar adds the pay periods with a payslip and twelve to come, and the periods for registrations.
func (f *founder) calendar(ctx context.Context) error {
	first := f.lastPaid().AddDate(0, 1-f.cfg.Months, 0)
	for m := range f.cfg.Months + 12 {
		p := periodOf(first.AddDate(0, m, 0))
		if err := f.add(ctx, "Loenkalender", p.no(), p.title(), p.from, p.to, p.payDate, p.due); err != nil {
			return err
		}
		if m >= f.cfg.Months-2 && m < f.cfg.Months+3 {
			if err := f.add(ctx, "Registreringsperiode", p.no(), p.from, p.to, p.due, m >= f.cfg.Months); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastPaid is the first day of the latest month whose pay date has come.
func (f *founder) lastPaid() time.Time {
	p := periodOf(date(f.cfg.Today.Year(), f.cfg.Today.Month(), 1))
	if p.payDate.After(f.cfg.Today) {
		p = periodOf(p.from.AddDate(0, -1, 0))
	}
	return p.from
}

// period is one month's pay.
type period struct{ from, to, payDate, due time.Time }

// periodOf returns the period of the month that begins at first. Pay is at disposal on the last weekday.
func periodOf(first time.Time) period {
	p := period{from: first, to: first.AddDate(0, 1, -1)}
	p.payDate = p.to
	for p.payDate.Weekday() == time.Saturday || p.payDate.Weekday() == time.Sunday {
		p.payDate = p.payDate.AddDate(0, 0, -1)
	}
	p.due = p.payDate.AddDate(0, 0, -10)
	return p
}

var months = [...]string{"januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september",
	"oktober", "november", "december"}

func (p period) no() string { return p.from.Format("2006-01") }

func (p period) title() string {
	return fmt.Sprintf("Løn %s %d", months[p.from.Month()-1], p.from.Year())
}

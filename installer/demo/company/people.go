package company

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// firstNo is the lowest employee number; they go up without gaps.
const firstNo = 1001

// person is one employee as payroll sees them.
type person struct {
	no         int
	name       string
	department *department
	leader     *person // nil at the top
	title      string
	hired      time.Time
	left       time.Time // zero while employed
	hourly     bool
	rate       int64 // øre a month or an hour, in the first month of payslips
	taxPercent int64
	allowance  int64 // øre of pay without tax a month
	extra      [3]bool
	address    string
}

// employedIn reports whether the person is paid for a period.
func (p *person) employedIn(m period) bool {
	return !p.hired.After(m.to) && (p.left.IsZero() || !p.left.Before(m.from))
}

// rateIn is the rate in a year: raises come every January.
func (p *person) rateIn(year, firstYear int) int64 {
	rate := p.rate
	for range max(0, year-firstYear) {
		rate += rate * 29 / 1000
	}
	return rate / 5 * 5
}

func (f *founder) hire(ctx context.Context) error {
	places := f.seats()
	leaders := map[*department]*person{}
	for i := range f.cfg.Employees {
		d := places[i]
		p := f.person(firstNo+i, d, leaders[d] == nil)
		if leaders[d] == nil {
			leaders[d] = p
			if top := leaders[&departmentPlan[0]]; top != p {
				p.leader = top
			}
		} else {
			p.leader = leaders[d]
		}
		f.staff = append(f.staff, p)
		if err := f.addPerson(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// seats distributes the employees: one leader to each department, then by its share.
func (f *founder) seats() []*department {
	var seats []*department
	for i := range departmentPlan {
		seats = append(seats, &departmentPlan[i])
	}
	r := f.cfg.random("seats", 0)
	for len(seats) < f.cfg.Employees {
		n := r.IntN(100)
		for i := range departmentPlan {
			if n -= departmentPlan[i].share; n < 0 {
				seats = append(seats, &departmentPlan[i])
				break
			}
		}
	}
	return seats[:f.cfg.Employees]
}

func (f *founder) person(no int, d *department, leads bool) *person {
	r := f.cfg.random("person", no)
	p := &person{no: no, department: d}
	p.settle(f.cfg)
	p.hired = f.cfg.Today.AddDate(0, 0, -30-r.IntN(7000))
	p.hired = date(p.hired.Year(), p.hired.Month(), 1)
	p.title = d.titles[0]
	if !leads {
		p.title = d.titles[min(1+r.IntN(2), len(d.titles)-1)]
		if r.IntN(25) == 0 && p.hired.Before(f.cfg.Today.AddDate(-2, 0, 0)) {
			p.left = f.cfg.Today.AddDate(0, -r.IntN(12), 0)
			p.left = date(p.left.Year(), p.left.Month(), 0) // the last day of the month before
		}
	}
	switch p.hourly = d.shifts && !leads; {
	case p.hourly:
		p.rate = 15_500 + r.Int64N(60)*100
	case leads:
		p.rate = 5_200_000 + r.Int64N(60)*50_000
	default:
		p.rate = 3_100_000 + r.Int64N(40)*40_000
	}
	return p
}

// settle sets what payroll knows of a person and the database does not hold.
func (p *person) settle(cfg Config) {
	r := cfg.random("tax", p.no)
	p.taxPercent, p.allowance = 36+r.Int64N(4), 480_000+r.Int64N(40)*5_000
	for i := range p.extra {
		p.extra[i] = r.IntN(3) == 0
	}
}

func (f *founder) addPerson(ctx context.Context, p *person) error {
	r := f.cfg.random("papers", p.no)
	given, family := pick(r, givenNames), surname(r)
	p.name = given + " " + family
	town := pick(r, towns)
	street := fmt.Sprintf("%s %d", pick(r, streets), 1+r.IntN(140))
	p.address = street + ", " + town[0] + " " + town[1]
	born := p.hired.AddDate(-19-r.IntN(30), 0, -r.IntN(365))
	status, left := "A", any(nil)
	if !p.left.IsZero() {
		status, left = "F", p.left
	}
	shift := "D"
	if p.hourly {
		shift = pick(r, []string{"D", "D", "A", "N"})
	}
	if err := f.add(ctx, "Adresse", p.no, street, town[0], town[1]); err != nil {
		return err
	}
	if err := f.add(ctx, "Medarbejder", p.no, given, family, mailOf(given, family, p.no), phone(r), p.no, p.department.no,
		p.title, p.hired, left, born, status, language(r), cpr(r, born), "0000",
		fmt.Sprintf("%010d", r.Int64N(1e10))); err != nil {
		return err
	}
	hours := hundredths(3700)
	if r.IntN(12) == 0 {
		hours = 3000
	}
	if err := f.add(ctx, "Ansaettelse", p.no, p.no, p.department.no, p.hired, left, p.title, shift, hours); err != nil {
		return err
	}
	return f.addRates(ctx, p)
}

func (f *founder) addRates(ctx context.Context, p *person) error {
	unit := "M"
	if p.hourly {
		unit = "T"
	}
	first := f.firstYear()
	for year := first; year <= f.cfg.Today.Year(); year++ {
		from := date(year, time.January, 1)
		if from.Before(p.hired) {
			from = p.hired
		}
		if from.Year() != year || !p.left.IsZero() && p.left.Before(from) {
			continue
		}
		if err := f.add(ctx, "Loensats", p.no, from, hundredths(p.rateIn(year, first)), unit); err != nil {
			return err
		}
	}
	return nil
}

// firstYear is the year of the first payslip.
func (f *founder) firstYear() int { return f.lastPaid().AddDate(0, 1-f.cfg.Months, 0).Year() }

func language(r *rand.Rand) string {
	switch n := r.IntN(20); {
	case n == 0:
		return "en"
	case n == 1:
		return "sv"
	default:
		return "da"
	}
}

// placeApprovers makes each leader approve their people and the managing director the leaders.
func (f *founder) placeApprovers(ctx context.Context) error {
	for _, p := range f.staff {
		if p.leader == nil {
			continue
		}
		if err := f.add(ctx, "Godkender", p.no, p.leader.no, p.hired, nil); err != nil {
			return err
		}
	}
	return nil
}

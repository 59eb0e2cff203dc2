package company

import (
	"context"
	"time"
)

// Danish deductions of a month, in øre and percent.
const (
	atpOwn         = 9_900
	atpCompany     = 19_800
	amPercent      = 8
	pensionOwn     = 4 // percent
	pensionCompany = 8
	lunch          = 42_500
	staffClub      = 5_000
	fullMonth      = 16_033 // hours of a month times 100
)

// Sections of a payslip.
const (
	sectionPay       = "Løn"
	sectionDeduction = "Træk"
	sectionInfo      = "Oplysning" // not part of what is paid out
)

// line is one line of a payslip; amounts in øre, quantities in hundredths.
type line struct {
	code, text string
	quantity   int64
	unit       string
	rate       int64
	amount     int64
	section    string
	account    string
}

// payslip is one month's pay of one person, in øre.
type payslip struct {
	no              int64
	who             *person
	period          period
	lines           []line
	gross, tax, net int64
}

// payslipNo is unique for person and month.
func payslipNo(p *person, m period) int64 {
	return int64(p.no)*10_000 + int64(m.from.Year()-2000)*100 + int64(m.from.Month())
}

// payFor works out a month's pay, rate being the person's in that month.
func (c Config) payFor(p *person, m period, rate int64) payslip {
	s := payslip{no: payslipNo(p, m), who: p, period: m}
	r := c.random("pay"+m.no(), p.no)
	if p.hourly {
		hours := int64(fullMonth - 740*r.IntN(3))
		s.earn(line{code: "1020", text: "Timeløn", quantity: hours, unit: "timer", rate: rate, account: "2210"})
		s.earn(line{code: "1300", text: "Skifteholdstillæg", quantity: 5_000 + 100*r.Int64N(60), unit: "timer", rate: 2_450, account: "2215"})
		if r.IntN(2) == 0 {
			s.earn(line{code: "1100", text: "Overarbejde 50 %", quantity: 100 + 25*r.Int64N(40), unit: "timer", rate: rate * 3 / 2, account: "2212"})
		}
		if r.IntN(6) == 0 {
			s.earn(line{code: "1110", text: "Overarbejde 100 %", quantity: 100 + 25*r.Int64N(16), unit: "timer", rate: rate * 2, account: "2212"})
		}
	} else {
		s.earn(line{code: "1010", text: "Månedsløn", quantity: 100, unit: "md.", rate: rate, account: "2210"})
	}
	if p.extra[0] {
		s.earn(line{code: "1200", text: "Anciennitetstillæg", quantity: 100, unit: "md.", rate: 85_000, account: "2214"})
	}
	if p.extra[1] {
		s.earn(line{code: "1210", text: "Funktionstillæg", quantity: 100, unit: "md.", rate: 140_000, account: "2214"})
	}
	if p.department.area == "Marked" {
		s.earn(line{code: "1250", text: "Provision", amount: 10_000 * r.Int64N(60), account: "2216"})
	}
	if month := m.from.Month(); month == time.May || month == time.August {
		s.earn(line{code: "1500", text: "Ferietillæg 1 %", amount: s.gross * 6 / 100, account: "2240"})
	}
	s.deduct(r.Int64N(300), p)
	return s
}

// earn adds a pay line; an amount of zero is quantity times rate.
func (s *payslip) earn(l line) {
	if l.amount == 0 {
		l.amount = l.quantity * l.rate / 100
	}
	l.section = sectionPay
	s.gross += l.amount
	s.lines = append(s.lines, l)
}

// deduct adds pension, ATP, labour market contribution (AM-bidrag), tax and the rest, and the net pay.
func (s *payslip) deduct(kilometres int64, p *person) {
	own := s.gross * pensionOwn / 100
	am := (s.gross - own - atpOwn) * amPercent / 100 / 100 * 100 // whole kroner
	taxable := s.gross - own - atpOwn - am - p.allowance
	tax := max(0, taxable*p.taxPercent/100/100*100)
	s.tax = am + tax

	take := func(code, text, account string, rate, amount int64) {
		s.lines = append(s.lines, line{code: code, text: text, rate: rate, amount: -amount, section: sectionDeduction, account: account})
		s.net -= amount
	}
	s.net = s.gross
	take("2010", "Pension, eget bidrag", "6831", pensionOwn*100, own)
	take("3010", "ATP, eget bidrag", "6832", 0, atpOwn)
	take("4010", "AM-bidrag", "6833", amPercent*100, am)
	take("4020", "A-skat", "6834", p.taxPercent*100, tax)
	take("5010", "Frokostordning", "6840", 0, lunch)
	if p.extra[2] {
		take("5020", "Personaleforening", "6841", 0, staffClub)
	}
	if s.period.from.Month()%3 == 0 && kilometres > 0 {
		mileage := line{code: "1400", text: "Kørselsgodtgørelse, skattefri", quantity: kilometres * 100, unit: "km", rate: 379, section: sectionPay, account: "2770"}
		mileage.amount = mileage.quantity * mileage.rate / 100
		s.net += mileage.amount
		s.lines = append(s.lines, mileage)
	}
	s.inform("2020", "Pension, firmabidrag", s.gross*pensionCompany/100, pensionCompany*100)
	s.inform("3020", "ATP, firmabidrag", atpCompany, 0)
	s.inform("6010", "Ferieberettiget løn", s.gross, 0)
	s.lines = append(s.lines, line{code: "6020", text: "Optjent ferie", quantity: 208, unit: "dage", section: sectionInfo})
	s.inform("9010", "Til disposition "+s.period.payDate.Format("02.01.2006"), s.net, 0)
}

func (s *payslip) inform(code, text string, amount, rate int64) {
	s.lines = append(s.lines, line{code: code, text: text, amount: amount, rate: rate, section: sectionInfo})
}

// pay adds the payslips of all months, person by person.
func (f *founder) pay(ctx context.Context) error {
	last := f.lastPaid()
	first := last.AddDate(0, 1-f.cfg.Months, 0)
	sums := sums{}
	for _, p := range f.staff {
		clear(sums)
		for m := range f.cfg.Months {
			when := periodOf(first.AddDate(0, m, 0))
			if !p.employedIn(when) {
				continue
			}
			if when.from.Month() == time.January {
				clear(sums)
			}
			s := f.cfg.payFor(p, when, p.rateIn(when.from.Year(), first.Year()))
			if err := f.addPayslip(ctx, &s, sums, m >= f.cfg.Months-f.cfg.Documents); err != nil {
				return err
			}
		}
	}
	return nil
}

// sums holds the year to date in øre by wage code.
type sums map[string]int64

func (f *founder) addPayslip(ctx context.Context, s *payslip, sums sums, withDocument bool) error {
	var document any
	if withDocument {
		content, err := render(s)
		if err != nil {
			return err
		}
		document = documentNo(s.no)
		if err := f.add(ctx, "Bilag", document, s.who.no, s.period.title(), "application/pdf", s.period.payDate, len(content), content); err != nil {
			return err
		}
	}
	if err := f.add(ctx, "Loenseddel", s.no, s.who.no, s.period.from, s.period.to, s.period.payDate,
		hundredths(s.gross), hundredths(s.tax), hundredths(s.net), s.period.title(), document); err != nil {
		return err
	}
	for i, l := range s.lines {
		sums[l.code] += l.amount
		if err := f.add(ctx, "Loenlinje", l.row(s, i+1, sums[l.code])...); err != nil {
			return err
		}
	}
	return nil
}

// row is the line as the database holds it.
func (l line) row(s *payslip, no int, yearToDate int64) []any {
	return []any{s.no, no, s.who.no, l.code, l.text, orNull(l.quantity), textOrNull(l.unit), orNull(l.rate),
		hundredths(l.amount), hundredths(yearToDate), l.section, textOrNull(l.account)}
}

func orNull(n int64) any {
	if n == 0 {
		return nil
	}
	return hundredths(n)
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

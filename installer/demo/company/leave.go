package company

import (
	"context"
	"fmt"
	"time"
)

// leave adds balances and two years of absences with some to come.
func (f *founder) leave(ctx context.Context) error {
	asOf := date(f.cfg.Today.Year(), f.cfg.Today.Month(), 0)
	no := 0
	for _, p := range f.staff {
		r := f.cfg.random("leave", p.no)
		used := map[string]int64{}
		for range 4 + r.IntN(10) {
			kind := pick(r, []string{"F", "F", "FF", "S", "S", "B", "AF"})
			first := weekday(f.cfg.Today.AddDate(0, 0, 60-r.IntN(700)))
			days := 1
			if kind == "F" {
				days += r.IntN(10)
			}
			status := "G"
			if first.After(f.cfg.Today) && r.IntN(2) == 0 {
				status = "A"
			}
			last := weekday(first.AddDate(0, 0, days-1))
			quantity, unit := int64(weekdays(first, last))*100, "D"
			if kind == "AF" {
				quantity, unit = 740, "T"
			}
			if first.Before(p.hired) || !p.left.IsZero() && last.After(p.left) {
				continue
			}
			no++
			if err := f.add(ctx, "Fravaer", no, p.no, kind, first, last, hundredths(quantity), unit, status, nil, nil); err != nil {
				return err
			}
			used[kind] += quantity
		}
		for _, b := range []struct {
			kind         string
			earned, used int64
		}{
			{ferie, 2500, used["F"] % 2500}, {feriefri, 500, used["FF"] % 500},
			{flex, 100 * r.Int64N(60), used["AF"] % 100}, {"BS", 200, used["B"] % 300},
		} {
			if err := f.add(ctx, "Saldo", p.no, b.kind, hundredths(b.earned-b.used), hundredths(b.earned), hundredths(b.used), asOf); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan adds who works when, four weeks back and four ahead, and the hours clocked in production.
func (f *founder) plan(ctx context.Context) error {
	clocked := 0
	for _, p := range f.staff {
		if !p.left.IsZero() {
			continue
		}
		r := f.cfg.random("plan", p.no)
		for d := -28; d < 28; d++ {
			when := f.cfg.Today.AddDate(0, 0, d)
			if when.Weekday() == time.Saturday || when.Weekday() == time.Sunday || when.Before(p.hired) {
				continue
			}
			if err := f.add(ctx, "Vagtplan", p.no, when, clock("07:30"), clock("15:30"), hundredths(50), "D"); err != nil {
				return err
			}
			if !p.hourly || d >= 0 {
				continue
			}
			clocked++
			late := r.IntN(4) * 15
			if err := f.add(ctx, "Tidsregistrering", clocked, p.no, when, clock("07:30"), clock(fmt.Sprintf("15:%02d", late)),
				hundredths(700+late*100/60), "1020", pick(r, []string{"100", "110", "120", "900"})); err != nil {
				return err
			}
		}
	}
	return nil
}

// weekday moves a weekend to the Monday after it.
func weekday(t time.Time) time.Time {
	for t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

// weekdays counts Monday to Friday from the first to the last day, both included.
func weekdays(first, last time.Time) int {
	n := 0
	for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
		if d.Weekday() != time.Saturday && d.Weekday() != time.Sunday {
			n++
		}
	}
	return n
}

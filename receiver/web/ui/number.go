package ui

import (
	"strconv"
	"strings"

	"lessor.dk/portalsync/receiver/store"
)

const noBreakSpace = "\u00a0"

// Number writes a decimal without needless zeros: 18,48 – 3 – 0,5. A missing one is empty.
func (l *Locale) Number(d store.Decimal) string {
	if !d.Valid {
		return ""
	}
	whole, fraction := l.split(d)
	if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
		return whole
	}
	return whole + l.point() + fraction
}

// Amount writes a decimal with at least two digits after the point: 1.234,50. A missing one is empty.
func (l *Locale) Amount(d store.Decimal) string {
	if !d.Valid {
		return ""
	}
	whole, fraction := l.split(d)
	fraction = strings.TrimRight(fraction, "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return whole + l.point() + fraction
}

// Money writes an amount with its currency: 1.234,56 kr.
func (l *Locale) Money(d store.Decimal, currency string) string {
	if !d.Valid {
		return ""
	}
	if currency == "DKK" && l.Language == Danish {
		currency = "kr."
	}
	return l.Amount(d) + noBreakSpace + currency
}

// Count writes a whole number with its thousands apart.
func (l *Locale) Count(n int64) string {
	return l.Number(store.Decimal{N: n, Valid: true})
}

// Counted returns the sentence of key.one or key.other with n, thousands apart, as argument 0.
func (l *Locale) Counted(key string, n int64) string {
	if n == 1 {
		return l.Text(key+".one", l.Count(n))
	}
	return l.Text(key+".other", l.Count(n))
}

// split returns the signed whole part with thousands apart, and the digits after the point.
func (l *Locale) split(d store.Decimal) (whole, fraction string) {
	digits := strconv.FormatInt(d.N, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "\u2212", digits[1:]
	}
	for len(digits) <= d.Scale {
		digits = "0" + digits
	}
	whole, fraction = digits[:len(digits)-d.Scale], digits[len(digits)-d.Scale:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + l.thousands() + whole[i:]
	}
	return sign + whole, fraction
}

func (l *Locale) point() string {
	if l.Language == English {
		return "."
	}
	return ","
}

func (l *Locale) thousands() string {
	switch l.Language {
	case Danish:
		return "."
	case Swedish:
		return noBreakSpace
	case English:
		return ","
	}
	return ""
}

package company

import (
	"fmt"
	"time"
)

// The types in which rows are made, beside string, int, bool, []byte and time.Time, which is a date.
// Each database spells them in its own way.
type (
	hundredths int64     // a number of two decimals: kroner, hours, days
	clock      string    // a time of day, hh:mm
	documentNo int64     // a document's number
	moment     time.Time // an instant
)

// day spells a date as databases do.
func day(t time.Time) string { return t.Format(time.DateOnly) }

// date returns midnight UTC of a date; months and days may be out of range as in time.Date.
func date(year int, month time.Month, dom int) time.Time {
	return time.Date(year, month, dom, 0, 0, 0, 0, time.UTC)
}

// dayText reads a date that one database holds as a date and another as a text. A missing date is "".
type dayText string

// Scan implements [database/sql.Scanner].
func (d *dayText) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*d = ""
	case string:
		*d = dayText(v)
	case time.Time:
		*d = dayText(day(v))
	default:
		return fmt.Errorf("a date is held as %T", value)
	}
	return nil
}

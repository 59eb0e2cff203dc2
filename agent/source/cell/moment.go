package cell

import (
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// A tick is 100 ns, as in the record types Time and Instant.
const (
	ticksPerSecond = 10_000_000
	secondsPerDay  = 86400
	nanosPerTick   = 100
	fractionDigits = 7
)

// parseDate reads YYYY-MM-DD, which a time of day may follow if it is midnight.
func parseDate(s string) (int64, error) {
	day, rest, ok := readDate(s)
	if !ok {
		return 0, ErrDate
	}
	if rest == "" {
		return day, nil
	}
	if rest[0] != ' ' && rest[0] != 'T' {
		return 0, ErrDate
	}
	ticks, rest, ok := readTime(rest[1:])
	if !ok || rest != "" {
		return 0, ErrDate
	}
	if ticks != 0 {
		return 0, ErrMidnight
	}
	return day, nil
}

func parseTime(s string) (int64, error) {
	ticks, rest, ok := readTime(s)
	if !ok || rest != "" {
		return 0, ErrTime
	}
	return ticks, nil
}

// parseInstant reads a date with or without time of day and offset.
func parseInstant(s string, zone *time.Location) (int64, error) {
	day, rest, ok := readDate(s)
	if !ok {
		return 0, ErrInstant
	}
	var ticks int64
	if rest != "" {
		if rest[0] != ' ' && rest[0] != 'T' {
			return 0, ErrInstant
		}
		if ticks, rest, ok = readTime(rest[1:]); !ok {
			return 0, ErrInstant
		}
	}
	local := day*secondsPerDay + ticks/ticksPerSecond
	offset, ok := readOffset(rest)
	if !ok {
		return 0, ErrInstant
	}
	if rest == "" {
		offset = localOffset(local, zone)
	}
	return (local-offset)*ticksPerSecond + ticks%ticksPerSecond, nil
}

// wallClock makes the cell of a time that a clock on a wall showed.
func wallClock(dst *protocol.Value, t time.Time, to record.Type, zone *time.Location) error {
	year, month, day := t.Date()
	days := daysFrom(year, int(month), day)
	hour, minute, second := t.Clock()
	ticks := int64(hour*3600+minute*60+second)*ticksPerSecond + int64(t.Nanosecond()/nanosPerTick)
	*dst = protocol.Value{Kind: protocol.Int}
	switch to {
	case record.Date:
		if ticks != 0 {
			return ErrMidnight
		}
		dst.N = days
	case record.Time:
		dst.N = ticks
	case record.Instant:
		local := days*secondsPerDay + ticks/ticksPerSecond
		dst.N = (local-localOffset(local, zone))*ticksPerSecond + ticks%ticksPerSecond
	case record.Text, record.Int, record.Decimal, record.Bool, record.Bytes, record.Document:
		return ErrKind
	}
	return nil
}

// instant makes the cell of a moment that carries its offset. A day or a time of day would depend on whose it is.
func instant(dst *protocol.Value, t time.Time, to record.Type) error {
	if to != record.Instant {
		return ErrKind
	}
	*dst = protocol.Value{Kind: protocol.Int, N: t.Unix()*ticksPerSecond + int64(t.Nanosecond()/nanosPerTick)}
	return nil
}

// localOffset returns the seconds east of UTC that the package comment says for a local time,
// given as if it were UTC. Clocks change at most once within a day on either side.
func localOffset(local int64, zone *time.Location) int64 {
	before := offsetAt(local-secondsPerDay, zone)
	if offsetAt(local-before, zone) == before {
		return before
	}
	after := offsetAt(local+secondsPerDay, zone)
	if offsetAt(local-after, zone) == after {
		return after
	}
	return before
}

func offsetAt(unix int64, zone *time.Location) int64 {
	_, offset := time.Unix(unix, 0).In(zone).Zone()
	return int64(offset)
}

// readDate reads YYYY-MM-DD at the start of s as days since 1970-01-01.
func readDate(s string) (day int64, rest string, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, "", false
	}
	year, ok1 := number(s[:4])
	month, ok2 := number(s[5:7])
	dom, ok3 := number(s[8:10])
	if !ok1 || !ok2 || !ok3 || year < 1 || month < 1 || month > 12 || dom < 1 || dom > daysIn(year, month) {
		return 0, "", false
	}
	return daysFrom(year, month, dom), s[10:], true
}

// readTime reads HH:MM[:SS[.fffffff]] at the start of s.
func readTime(s string) (ticks int64, rest string, ok bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, "", false
	}
	hour, ok1 := number(s[:2])
	minute, ok2 := number(s[3:5])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, "", false
	}
	seconds := hour*3600 + minute*60
	s = s[5:]
	if s == "" || s[0] != ':' {
		return int64(seconds) * ticksPerSecond, s, true
	}
	if len(s) < 3 {
		return 0, "", false
	}
	second, ok := number(s[1:3])
	if !ok || second > 59 {
		return 0, "", false
	}
	ticks = int64(seconds+second) * ticksPerSecond
	if s = s[3:]; s == "" || s[0] != '.' {
		return ticks, s, true
	}
	fraction, rest, ok := readFraction(s[1:])
	return ticks + fraction, rest, ok
}

// readFraction reads the digits of a second. More than seven are allowed only if they are zeros.
func readFraction(s string) (ticks int64, rest string, ok bool) {
	n := 0
	for ; n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ {
		if n < fractionDigits {
			ticks = ticks*10 + int64(s[n]-'0')
		} else if s[n] != '0' {
			return 0, "", false
		}
	}
	for i := n; i < fractionDigits; i++ {
		ticks *= 10
	}
	return ticks, s[n:], n > 0
}

// readOffset reads all of s as nothing, Z or ±HH:MM, in seconds east of UTC.
func readOffset(s string) (seconds int64, ok bool) {
	if s == "" || s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	hour, ok1 := number(s[1:3])
	minute, ok2 := number(s[4:6])
	if !ok1 || !ok2 || hour > 14 || minute > 59 {
		return 0, false
	}
	seconds = int64(hour*3600 + minute*60)
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

func number(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysFrom counts days since 1970-01-01 in the proleptic Gregorian calendar, without the cost of a
// time.Time: years begin in March, so that the leap day is the last of its year.
func daysFrom(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era, month := year/400, month-3
	yearOfEra := year % 400
	dayOfYear := (153*month+2)/5 + day - 1
	return int64(era*146097+yearOfEra*365+yearOfEra/4-yearOfEra/100+dayOfYear) - 719468
}

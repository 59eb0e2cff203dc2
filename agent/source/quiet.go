package source

import (
	"fmt"
	"time"
)

// Window is a time of day, as durations since midnight of a wall clock: From belongs to it, To does not. To may lie on
// the next day, which it does when it is not after From.
type Window struct{ From, To time.Duration }

// String returns the window as plans spell it.
func (w Window) String() string { return clock(w.From) + "-" + clock(w.To) }

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// Quiet is when the main system wants to be left alone. The zero Quiet is never.
type Quiet struct {
	Zone    *time.Location // of the windows' clock; nil is UTC
	Windows []Window
}

// Until returns when the quiet that a moment falls into ends, windows that follow each other without a gap taken as one,
// or the zero time outside all of them. The clock decides, so a night on which it is put back has an hour more of quiet and
// one on which it is put forward an hour less. Windows that together cover the day have no end: the returned time is
// then a day ahead.
func (q Quiet) Until(now time.Time) time.Time {
	var until time.Time
	for at, limit := now, now.AddDate(0, 0, 1); at.Before(limit); at = until {
		end := q.end(at)
		if end.IsZero() {
			return until
		}
		until = end
	}
	return until
}

// end returns the latest end of the windows that a moment falls into.
func (q Quiet) end(now time.Time) time.Time {
	zone := q.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := now.In(zone)
	hour, minute, second := local.Clock()
	clock := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	var latest time.Time
	for _, w := range q.Windows {
		days := 0
		switch overnight := w.To <= w.From; {
		case !overnight && (clock < w.From || clock >= w.To), overnight && clock < w.From && clock >= w.To:
			continue
		case overnight && clock >= w.From:
			days = 1
		}
		year, month, day := local.Date()
		end := time.Date(year, month, day+days, int(w.To.Hours()), int(w.To.Minutes())%60, 0, 0, zone)
		if again := end.Add(time.Hour); !end.After(now) { // the hour that the clock shows twice
			end = again
		} else if first := end.Add(-time.Hour); first.After(now) && first.In(zone).Format(time.TimeOnly) == end.Format(time.TimeOnly) {
			end = first
		}
		if end.After(latest) {
			latest = end
		}
	}
	return latest
}

package ui

import (
	"cmp"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// Limits say when an agent or what it brought counts as old. Zero values have defaults.
type Limits struct {
	Offline time.Duration // an agent silent for longer is offline; 0 means 90 s: three missed check-ins
	Late    time.Duration // an agent is late when a change waits for longer; 0 means 2 minutes
	// DataLate and DataStale are ages from which data is shown as possibly outdated, and with a warning; 0 means
	// 30 minutes and 24 hours. An offline main system is not an error: pages say how old they are.
	DataLate, DataStale time.Duration
}

// Or returns the limits with those of d where there are none.
func (l Limits) Or(d Limits) Limits {
	return Limits{
		Offline: cmp.Or(l.Offline, d.Offline), Late: cmp.Or(l.Late, d.Late),
		DataLate: cmp.Or(l.DataLate, d.DataLate), DataStale: cmp.Or(l.DataStale, d.DataStale),
	}
}

func defaultLimits() Limits {
	return Limits{Offline: 90 * time.Second, Late: 2 * time.Minute, DataLate: 30 * time.Minute, DataStale: 24 * time.Hour}
}

// Level says how the age of data is shown.
type Level string

// The levels.
const (
	Fresh Level = "fresh" // grey text
	Late  Level = "late"  // "numbers may have changed since"
	Stale Level = "stale" // the same, as a notice
	Never Level = "never" // nothing has been received yet
)

// Freshness is the age of one kind of data, shown with it.
type Freshness struct {
	Level Level
	At    time.Time
}

// Age returns the freshness of what a page shows: the oldest of the kinds that the stream has.
func (u *UI) Age(ages map[string]store.KindAge, kinds ...string) Freshness {
	f := Freshness{Level: Never}
	for _, kind := range kinds {
		k, ok := ages[kind]
		if !ok || (k.At.IsZero() && k.State == protocol.KindSuspended) {
			continue
		}
		if k.At.IsZero() {
			return Freshness{Level: Never}
		}
		if f.At.IsZero() || k.At.Before(f.At) {
			f.At = k.At
		}
	}
	if f.At.IsZero() {
		return f
	}
	switch age := u.now().Sub(f.At); {
	case age > u.limits.DataStale:
		f.Level = Stale
	case age > u.limits.DataLate:
		f.Level = Late
	default:
		f.Level = Fresh
	}
	return f
}

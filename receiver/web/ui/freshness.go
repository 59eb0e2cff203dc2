package ui

import (
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// Limits of the levels of freshness. An offline main system is not an error: pages say how old they are.
const (
	lateAfter  = 30 * time.Minute
	staleAfter = 24 * time.Hour
)

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
	case age > staleAfter:
		f.Level = Stale
	case age > lateAfter:
		f.Level = Late
	default:
		f.Level = Fresh
	}
	return f
}

package operations

import (
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Cause is why a stream or a record kind waits, in the reader's language. The zero value is of what does not wait.
type Cause struct {
	Code string // stable; empty for what a program before there were codes wrote
	Text string // what happened
	Do   string // what a person can do about it
	Note string // in English: what no code says
}

func causeOf(c store.Cause, l *ui.Locale) Cause {
	out := Cause{Code: string(c.Code), Note: c.Note}
	switch c.Code {
	case "":
		return out
	case store.CauseDeletes, store.CauseEmpties, store.CauseGone:
		out.Text = l.Counted("cause."+out.Code, c.Rows)
	case store.CauseTimeline, store.CauseUnreadable:
		out.Text = l.Text("cause."+out.Code, int64(c.Seq))
	case store.CausePositions:
		out.Text = l.Text("cause."+out.Code, int64(c.Seq), int64(c.From), int64(c.To), int64(c.At))
	case store.CauseUnplanned, store.CauseTwoAgents, store.CausePerson:
		out.Text = l.Text("cause." + out.Code)
	default:
		out.Text, out.Do = l.Text("cause.unknown"), l.Text("cause.do.unknown")
		return out
	}
	out.Do = l.Text("cause.do." + out.Code)
	switch {
	case c.Refused:
		out.Text, out.Do = l.Text("cause.refused", out.Text), l.Text("cause.do.refused")
	case c.Sweep > 0:
		out.Do = l.Counted("cause.sweep", c.Sweep) + " " + out.Do
	}
	return out
}

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

// causeOfKind is the cause of a record kind, with how many of its rows are kept as they are because of it.
func causeOfKind(k store.FleetKind, l *ui.Locale) Cause {
	out := causeOf(k.Cause, l)
	if k.Kept > 0 {
		out.Do = l.Counted("cause.kept", k.Kept) + " " + out.Do
	}
	return out
}

// causeOf makes sentences of a cause's code and figures. A code that only a newer program knows is told as such.
func causeOf(c store.Cause, l *ui.Locale) Cause {
	out := Cause{Code: string(c.Code), Note: c.Note}
	key, do := "cause."+out.Code, "cause.do."+out.Code
	switch {
	case c.Code == "":
		return out
	case l.Has(key + ".other"):
		out.Text = l.Counted(key, c.Rows)
	case l.Has(key):
		out.Text = l.Text(key, int64(c.Seq), int64(c.From), int64(c.To), int64(c.At))
	default:
		out.Text, do = l.Text("cause.unknown"), "cause.do.unknown"
	}
	out.Do = l.Text(do)
	switch {
	case c.Refused:
		out.Text, out.Do = l.Text("cause.refused", out.Text), l.Text("cause.do.refused")
	case c.Sweep > 0:
		out.Do = l.Counted("cause.sweep", c.Sweep) + " " + out.Do
	}
	return out
}

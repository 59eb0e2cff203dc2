package operations

import (
	"cmp"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// State is how an agent is. The portal works it out from its own last contact first: what the agent says of
// itself counts only while it is heard.
type State string

// The states, in the order they are looked for.
const (
	Disabled State = "disabled" // a person stopped the agent or the customer
	Never    State = "never"    // enrolled, and never heard of
	Offline  State = "offline"  // missed three check-ins
	Blocked  State = "blocked"  // the stream takes no batches
	Failing  State = "failing"  // the agent's last run failed
	Late     State = "late"     // a change has waited too long
	Waiting  State = "waiting"  // a record kind waits for a person
	Loading  State = "loading"  // record kinds are being read in full
	Healthy  State = "healthy"
)

// States lists every state, worst first. What a person has stopped is nobody's worry.
func States() []State {
	return []State{Offline, Blocked, Failing, Late, Waiting, Never, Loading, Healthy, Disabled}
}

// What is told of a way that is in order again: troubles of a minute and more, for an hour; and a clock that is off by
// more than a minute.
const (
	tellFrom  = time.Minute
	tellFor   = time.Hour
	tellClock = time.Minute
)

// What an agent says of itself when its main system cannot be read, when the portal said no, and when the main system's
// vendor upgrades it.
const (
	agentFailing   = "failing"
	agentWaiting   = "waiting"
	agentUpgrading = "upgrading"
)

// longestUpgrade is how long a vendor works on a main system before somebody forgot to say that it is done.
const longestUpgrade = 24 * time.Hour

// Health is an agent's state and the sentence about its cause.
type Health struct {
	State  State
	Cause  string        // in the reader's language
	Code   string        // stable code behind the cause, or of the agent's last error; empty when there is none
	Detail string        // what the agent or the writer says of it, in English
	Lag    time.Duration // age of the oldest change not yet in the portal; 0 when there is none
}

// verdict is how an agent is, and how to say it: a page of thousands says it of those that it shows.
type verdict struct {
	Health
	say func(*ui.Locale) string
}

// health works out how an agent is at a time.
func health(a *store.FleetAgent, now time.Time, limits ui.Limits, l *ui.Locale) Health {
	v := judge(a, now, limits)
	v.Cause = v.say(l)
	return v.Health
}

func judge(a *store.FleetAgent, now time.Time, limits ui.Limits) verdict {
	v := verdict{Health: Health{Code: a.Status.Code, Detail: a.Status.Error}}
	if a.Status.Unsent != 0 {
		v.Lag = max(0, now.Sub(time.UnixMilli(a.Status.Unsent)))
	}
	set := func(s State, say func(*ui.Locale) string) verdict {
		v.State, v.say = s, say
		return v
	}
	switch way := a.Status.LastTrouble; {
	case a.TenantSuspended:
		return set(Disabled, text("health.tenant_suspended"))
	case a.State != store.AgentActive:
		return set(Disabled, text("health.agent."+string(a.State)))
	case a.LastContact.IsZero():
		return set(Never, func(l *ui.Locale) string { return l.Text("health.never", l.Ago(a.EnrolledAt)) })
	case now.Sub(a.LastContact) > limits.Offline:
		return set(Offline, func(l *ui.Locale) string { return l.Text("health.offline", l.Span(now.Sub(a.LastContact))) })
	case a.Stream.Status != store.StreamOK:
		v.Code, v.Detail = string(a.Stream.Cause.Code), a.Stream.Cause.Note
		return set(Blocked, func(l *ui.Locale) string {
			return cmp.Or(causeOf(a.Stream.Cause, l).Text, l.Text("health.stream."+string(a.Stream.Status)))
		})
	case a.Status.State == agentUpgrading:
		begun, state := time.UnixMilli(a.Status.Since), Waiting
		if now.Sub(begun) > longestUpgrade {
			state = Failing
		}
		return set(state, func(l *ui.Locale) string { return l.Text("health.upgrading", l.Ago(begun)) })
	case a.Status.State == agentFailing,
		a.Status.State == agentWaiting && now.Sub(time.UnixMilli(a.Status.Since)) > limits.Late:
		return set(Failing, code(a.Status.Code))
	case lasts(way, now, limits.Late):
		v.Code, v.Detail = way.Code, way.Sentence
		return set(Failing, func(l *ui.Locale) string { return l.Text("health.way", l.Code(way.Code)) })
	case reportsLast(a.Status.ReportsWait, now, limits.Late):
		wait, state := a.Status.ReportsWait, Failing
		if wait.Code == reportLater {
			state = Waiting
		}
		v.Code, v.Detail = wait.Code, wait.Sentence
		return set(state, func(l *ui.Locale) string {
			return l.Counted("health.reports", int64(wait.Waiting)) + " " + l.Code(wait.Code)
		})
	case v.Lag > limits.Late && a.Loading == 0:
		return set(Late, func(l *ui.Locale) string { return l.Text("health.late", l.Span(v.Lag)) })
	case a.Held > 0:
		return set(Waiting, counted("health.held", int64(a.Held)))
	case a.Suspended > 0:
		return set(Waiting, counted("health.suspended", int64(a.Suspended)))
	case a.Status.Code != "" && a.Status.State != agentWaiting: // rows or a kind stay at home
		return set(Waiting, code(a.Status.Code))
	case a.Loading > 0:
		return set(Loading, counted("health.loading", int64(a.Loading)))
	}
	v.State = Healthy
	return v.healthy(a, now)
}

// healthy adds what is worth telling of an agent that is in order.
func (v verdict) healthy(a *store.FleetAgent, now time.Time) verdict {
	off := time.Duration(a.Status.ClockOff) * time.Millisecond
	switch way := a.Status.LastTrouble; {
	case off.Abs() > tellClock:
		v.Code = "clock"
		v.say = func(l *ui.Locale) string { return clock(off, l, "health.clock_slow", "health.clock_fast") }
	case a.Letters > 0:
		v.say = counted("health.letters", a.Letters)
	case recovered(way, now):
		from, until := time.UnixMilli(way.From), time.UnixMilli(way.Until)
		v.Code, v.Detail = way.Code, way.Sentence
		v.say = func(l *ui.Locale) string {
			return l.Text("health.recovered", l.Moment(until), l.Span(until.Sub(from)), l.Code(way.Code))
		}
	case len(a.Status.Quiet) > 0:
		v.say = func(l *ui.Locale) string {
			return l.Text("health.quiet", l.Moment(time.UnixMilli(a.Status.Quiet[0].Until)))
		}
	default:
		v.say = text("health.ok")
	}
	return v
}

func text(key string) func(*ui.Locale) string {
	return func(l *ui.Locale) string { return l.Text(key) }
}

func code(code string) func(*ui.Locale) string {
	return func(l *ui.Locale) string { return l.Code(code) }
}

func counted(key string, n int64) func(*ui.Locale) string {
	return func(l *ui.Locale) string { return l.Counted(key, n) }
}

// clock is the sentence about a clock to which the agent adds off.
func clock(off time.Duration, l *ui.Locale, slow, fast string) string {
	if off < 0 {
		slow = fast
	}
	return l.Text(slow, l.Span(off.Abs()))
}

// nothingToDo reports whether a trouble is the portal's own doing: it asked the agent to wait.
func nothingToDo(code string) bool { return code == "busy" }

// lasts reports whether requests of an agent that is heard do not get through, and have not for longer than limit.
func lasts(way *protocol.Trouble, now time.Time, limit time.Duration) bool {
	return way != nil && way.Until == 0 && !nothingToDo(way.Code) && now.Sub(time.UnixMilli(way.From)) > limit
}

// reportLater is what an agent says of reports that the main system takes another time, as it should be.
const reportLater = "report-later"

// reportsLast reports whether reports have not got into the main system for longer than limit.
func reportsLast(wait *protocol.ReportsWait, now time.Time, limit time.Duration) bool {
	return wait != nil && wait.Waiting > 0 && now.Sub(time.UnixMilli(wait.Since)) > limit
}

// recovered reports whether a trouble is over that people may still ask about.
func recovered(way *protocol.Trouble, now time.Time) bool {
	return way != nil && way.Until != 0 && !nothingToDo(way.Code) &&
		way.Until-way.From >= tellFrom.Milliseconds() && now.Sub(time.UnixMilli(way.Until)) < tellFor
}

package operations

import (
	"time"

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

// States lists every state, worst first.
func States() []State {
	return []State{Disabled, Never, Offline, Blocked, Failing, Late, Waiting, Loading, Healthy}
}

// lateAfter is how long a change may wait before its agent is late.
const lateAfter = 2 * time.Minute

// Health is an agent's state and the sentence about its cause.
type Health struct {
	State State
	Cause string
	Lag   time.Duration // age of the oldest change not yet in the portal; 0 when there is none
}

// health works out how an agent is at a time.
func health(a store.FleetAgent, now time.Time, offline time.Duration, l *ui.Locale) Health {
	var h Health
	if a.Status.Unsent != 0 {
		h.Lag = max(0, now.Sub(time.UnixMilli(a.Status.Unsent)))
	}
	set := func(s State, key string, args ...any) Health {
		h.State, h.Cause = s, l.Text(key, args...)
		return h
	}
	count := func(s State, key string, n int) Health {
		h.State, h.Cause = s, l.Plural(key, n)
		return h
	}
	switch {
	case a.TenantSuspended:
		return set(Disabled, "health.tenant_suspended")
	case a.State != store.AgentActive:
		return set(Disabled, "health.agent."+string(a.State))
	case a.LastContact.IsZero():
		return set(Never, "health.never", l.Ago(a.EnrolledAt))
	case now.Sub(a.LastContact) > offline:
		return set(Offline, "health.offline", l.Span(now.Sub(a.LastContact)))
	case a.Stream.Status != store.StreamOK:
		return set(Blocked, "health.stream."+string(a.Stream.Status), a.Stream.Cause)
	case a.Status.State == "failing":
		return set(Failing, "health.failing", a.Status.Error)
	case h.Lag > lateAfter && a.Loading == 0:
		return set(Late, "health.late", l.Span(h.Lag))
	case a.Held > 0:
		return count(Waiting, "health.held", a.Held)
	case a.Suspended > 0:
		return count(Waiting, "health.suspended", a.Suspended)
	case a.Loading > 0:
		return count(Loading, "health.loading", a.Loading)
	case a.Letters > 0:
		return count(Healthy, "health.letters", int(a.Letters))
	}
	return set(Healthy, "health.ok")
}

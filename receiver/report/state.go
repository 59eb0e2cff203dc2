package report

import "fmt"

// State is how far a report has come.
type State string

// The states, with the words of the Danish screens.
const (
	Draft     State = "draft"     // Kladde
	Sent      State = "sent"      // Sendt
	Approved  State = "approved"  // Godkendt
	Fetching  State = "fetching"  // Hentes af lønsystemet: handed to the agent, not yet acknowledged
	Received  State = "received"  // Modtaget i løn: a row of the main system
	Refused   State = "refused"   // Afvist af lønsystemet
	Cancelled State = "cancelled" // Annulleret
	Conflict  State = "conflict"  // Ændret i lønsystemet: the record was not as the report expected, nothing was written
)

// States lists every state in the order a report meets them.
func States() []State {
	return []State{Draft, Sent, Approved, Fetching, Received, Refused, Cancelled, Conflict}
}

// Open reports whether something is still to happen to a report in this state.
func (s State) Open() bool {
	switch s {
	case Draft, Sent, Approved, Fetching:
		return true
	case Received, Refused, Cancelled, Conflict:
		return false
	}
	return false
}

// Event is what moves a report.
type Event string

// The events.
const (
	Submit   Event = "submit"    // the employee sends it
	Approve  Event = "approve"   // an approver approves it
	HandOver Event = "hand-over" // the portal gives it to the agent
	Store    Event = "store"     // the agent acknowledges the row in the main system
	TurnDown Event = "turn-down" // the agent acknowledges that the main system will never take it
	Clash    Event = "clash"     // the agent acknowledges that the record is not as the report expects
	Take     Event = "take"      // the main system's verdict: taken
	Refuse   Event = "refuse"    // the main system's verdict: refused
	Cancel   Event = "cancel"    // the employee takes it back
)

// Events lists every event.
func Events() []Event {
	return []Event{Submit, Approve, HandOver, Store, TurnDown, Clash, Take, Refuse, Cancel}
}

// TransitionError says that an event cannot happen to a report in a state.
type TransitionError struct {
	State State
	Event Event
}

func (e *TransitionError) Error() string {
	return fmt.Sprintf("a report that is %s cannot meet %s", e.State, e.Event)
}

// Next returns the state after an event. It is the only place that decides so. A state that does not
// change is no error: acknowledgements and verdicts arrive more than once and in either order.
func Next(s State, e Event) (State, error) {
	switch e {
	case Submit:
		return from(s, e, Sent, Draft)
	case Approve:
		return from(s, e, Approved, Sent)
	case HandOver:
		// Received too: after the main database was restored the row is not there any more.
		return from(s, e, Fetching, Sent, Approved, Fetching, Received)
	case Store:
		if s == Refused { // the verdict overtook the acknowledgement
			return s, nil
		}
		return from(s, e, Received, Fetching, Received)
	case TurnDown:
		return from(s, e, Refused, Fetching, Refused)
	case Clash:
		return from(s, e, Conflict, Fetching, Conflict)
	case Take:
		return from(s, e, Received, Sent, Approved, Fetching, Received, Refused)
	case Refuse:
		return from(s, e, Refused, Sent, Approved, Fetching, Received, Refused)
	case Cancel:
		return from(s, e, Cancelled, Sent, Approved)
	}
	return s, &TransitionError{State: s, Event: e}
}

// from allows the event in the listed states.
func from(s State, e Event, to State, allowed ...State) (State, error) {
	for _, a := range allowed {
		if a == s {
			return to, nil
		}
	}
	return s, &TransitionError{State: s, Event: e}
}

// EventOf returns the event of a verdict's outcome; ok is false for an outcome this program does not know.
func EventOf(outcome string) (e Event, ok bool) {
	switch outcome {
	case OutcomeTaken:
		return Take, true
	case OutcomeRefused:
		return Refuse, true
	}
	return "", false
}

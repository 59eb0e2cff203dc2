package report

import (
	"errors"
	"testing"
)

// Every event in every state. What is not listed is refused.
func TestNext(t *testing.T) {
	allowed := map[Event]map[State]State{
		Submit:   {Draft: Sent},
		Approve:  {Sent: Approved},
		HandOver: {Sent: Fetching, Approved: Fetching, Fetching: Fetching, Received: Fetching},
		Store:    {Fetching: Received, Received: Received, Refused: Refused},
		TurnDown: {Fetching: Refused, Refused: Refused},
		Clash:    {Fetching: Conflict, Conflict: Conflict},
		Take:     {Sent: Received, Approved: Received, Fetching: Received, Received: Received, Refused: Received},
		Refuse:   {Sent: Refused, Approved: Refused, Fetching: Refused, Received: Refused, Refused: Refused},
		Cancel:   {Sent: Cancelled, Approved: Cancelled},
	}
	if len(allowed) != len(Events()) {
		t.Fatalf("the table has %d events, want %d", len(allowed), len(Events()))
	}
	for _, e := range Events() {
		for _, s := range States() {
			t.Run(string(s)+" meets "+string(e), func(t *testing.T) {
				got, err := Next(s, e)
				want, ok := allowed[e][s]
				if !ok {
					want = s
				}
				var refused *TransitionError
				if got != want || errors.As(err, &refused) == ok {
					t.Errorf("Next = %s, %v, want %s, allowed %t", got, err, want, ok)
				}
			})
		}
	}
}

func TestNextRefusesAnUnknownEvent(t *testing.T) {
	if s, err := Next(Sent, "lose"); err == nil || s != Sent {
		t.Errorf("Next = %s, %v, want sent and an error", s, err)
	}
}

func TestEventOf(t *testing.T) {
	for outcome, want := range map[string]Event{OutcomeTaken: Take, OutcomeRefused: Refuse, "perhaps": ""} {
		if e, ok := EventOf(outcome); e != want || ok != (want != "") {
			t.Errorf("EventOf(%q) = %q, %t, want %q", outcome, e, ok, want)
		}
	}
}

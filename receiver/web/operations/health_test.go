package operations

import (
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

func TestHealth(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u, err := ui.New(nil, ui.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	ago := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
	fails := func(a *store.FleetAgent, code string) {
		a.Status.State, a.Status.Code, a.Status.Error = "failing", code, "No."
	}
	way := func(code string, from, until time.Duration) *protocol.Trouble {
		w := &protocol.Trouble{Code: code, Sentence: "No.", From: ago(from)}
		if until != 0 {
			w.Until = ago(until)
		}
		return w
	}
	tests := map[string]struct {
		change func(*store.FleetAgent)
		want   State
		cause  string
	}{
		"in order":                 {func(*store.FleetAgent) {}, Healthy, "Up to date."},
		"with a dead letter":       {func(a *store.FleetAgent) { a.Letters = 1 }, Healthy, "Up to date. 1 row could not be applied and lies in dead letters."},
		"behind, but not for long": {func(a *store.FleetAgent) { a.Status.Unsent = ago(time.Minute) }, Healthy, "Up to date."},
		"behind for long":          {func(a *store.FleetAgent) { a.Status.Unsent = ago(5 * time.Minute) }, Late, "The oldest change has waited for 5 minutes."},
		"behind because it loads":  {func(a *store.FleetAgent) { a.Status.Unsent, a.Loading = ago(5*time.Minute), 3 }, Loading, "3 record kinds are being read in full."},
		"a sweep is held":          {func(a *store.FleetAgent) { a.Held = 1 }, Waiting, "1 record kind would lose many rows or fields and waits for a decision."},
		"a kind is suspended":      {func(a *store.FleetAgent) { a.Suspended = 2 }, Waiting, "2 record kinds are suspended until they are released."},
		"it says that it fails":    {func(a *store.FleetAgent) { fails(a, "source-error") }, Failing, "The main system's database answers with an error. The agent tries again."},
		"the portal said no, just now": {func(a *store.FleetAgent) {
			a.Status.State, a.Status.Code, a.Status.Since = "waiting", "full", ago(time.Minute)
		}, Healthy, "Up to date."},
		"the portal says no for long": {func(a *store.FleetAgent) {
			a.Status.State, a.Status.Code, a.Status.Since = "waiting", "too-large", ago(time.Hour)
		}, Failing, "A row or a document is too large to be sent. It must be made smaller in the main system."},
		"its main system is being upgraded": {func(a *store.FleetAgent) {
			a.Status.State, a.Status.Code, a.Status.Since = "upgrading", "upgrade", ago(3*time.Hour)
		}, Waiting, "The main system is being upgraded, begun 3 hours ago. It is followed again when the upgrade is reported ended with agent upgrade end."},
		"nobody ended the upgrade": {func(a *store.FleetAgent) {
			a.Status.State, a.Status.Code, a.Status.Since = "upgrading", "upgrade", ago(50*time.Hour)
		}, Failing, "The main system is being upgraded, begun 2 days ago. It is followed again when the upgrade is reported ended with agent upgrade end."},
		"rows stay at home":                            {func(a *store.FleetAgent) { a.Status.Code = "bad-rows" }, Waiting, "Some rows in the main system have values that cannot be sent. They are corrected in the main system. Everything else arrives."},
		"a code of a newer agent":                      {func(a *store.FleetAgent) { fails(a, "moon-phase") }, Failing, "The agent reports an error."},
		"only check-ins get through":                   {func(a *store.FleetAgent) { a.Status.LastTrouble = way("altered", time.Hour, 0) }, Failing, "The agent gets through to the portal only in part. What the agent sends does not arrive unchanged. The address must be exempted from inspection in the customer's network."},
		"something does not get through, but not long": {func(a *store.FleetAgent) { a.Status.LastTrouble = way("altered", time.Minute, 0) }, Healthy, "Up to date."},
		"the portal has it wait":                       {func(a *store.FleetAgent) { a.Status.LastTrouble = way("busy", time.Hour, 0) }, Healthy, "Up to date."},
		"through again after an outage":                {func(a *store.FleetAgent) { a.Status.LastTrouble = way("dns", 40*time.Minute, 10*time.Minute) }, Healthy, "Up to date again since today 12:50, after 30 minutes without getting through. The portal's name cannot be looked up at the customer. Check DNS on the agent's computer."},
		"reports do not get in": {func(a *store.FleetAgent) {
			a.Status.ReportsWait = &protocol.ReportsWait{Code: "report-not-taken", Sentence: "No.", Waiting: 3, Since: ago(time.Hour)}
		}, Failing, "3 registrations do not get into the main system. The main system's database answers with an error when a registration is to go in. The customer must look at the inbox's table or procedure and its rights."},
		"reports do not get in, just now": {func(a *store.FleetAgent) {
			a.Status.ReportsWait = &protocol.ReportsWait{Code: "source-busy", Sentence: "No.", Waiting: 1, Since: ago(time.Minute)}
		}, Healthy, "Up to date."},
		"the main system takes reports later": {func(a *store.FleetAgent) {
			a.Status.ReportsWait = &protocol.ReportsWait{Code: "report-later", Sentence: "No.", Waiting: 1, Since: ago(time.Hour)}
		}, Waiting, "1 registration does not get into the main system. The main system takes registrations another time. The agent tries again by itself."},
		"through again after seconds": {func(a *store.FleetAgent) {
			a.Status.LastTrouble = way("dns", 10*time.Minute+30*time.Second, 10*time.Minute)
		}, Healthy, "Up to date."},
		"an outage of yesterday":         {func(a *store.FleetAgent) { a.Status.LastTrouble = way("dns", 26*time.Hour, 25*time.Hour) }, Healthy, "Up to date."},
		"a clock an hour behind":         {func(a *store.FleetAgent) { a.Status.ClockOff = time.Hour.Milliseconds() }, Healthy, "Up to date. The agent's clock is 1 hour slow; the agent corrects for it, but the clock should be set."},
		"a clock an hour ahead":          {func(a *store.FleetAgent) { a.Status.ClockOff = -time.Hour.Milliseconds() }, Healthy, "Up to date. The agent's clock is 1 hour fast; the agent corrects for it, but the clock should be set."},
		"a clock that was set meanwhile": {func(a *store.FleetAgent) { a.Status.ClockOff = 1200 }, Healthy, "Up to date."},
		"the stream is held": {func(a *store.FleetAgent) {
			a.Stream.Status, a.Stream.Cause = store.StreamHeld, store.Cause{Code: store.CausePositions, Seq: 7, From: 12, To: 19, At: 9}
		}, Blocked, "Batch 7 goes from position 12 to 19, but the portal is at 9."},
		"the stream was held by a program before there were codes": {func(a *store.FleetAgent) {
			a.Stream.Status, a.Stream.Cause = store.StreamHeld, store.Cause{Note: "wrong lineage"}
		}, Blocked, "The stream is held because what the agent sent does not fit what the portal has. It goes on when the agent opens it anew."},
		"in the plan's quiet hours": {func(a *store.FleetAgent) {
			a.Status.SourceAt, a.Status.Quiet = ago(2*time.Hour), []protocol.QuietKind{{Kind: "employee", Until: now.Add(time.Hour).UnixMilli()}}
		}, Healthy, "What was read is in the portal. The customer's plan leaves the main system alone until today 14:00."},
		"silent for long, whatever it said last":         {func(a *store.FleetAgent) { a.LastContact = now.Add(-2 * time.Minute); a.Status.State = "failing" }, Offline, "Has not called for 2 minutes. Check the machine, the service and the network at the customer."},
		"silent, but only for two check-ins":             {func(a *store.FleetAgent) { a.LastContact = now.Add(-80 * time.Second) }, Healthy, "Up to date."},
		"never heard of":                                 {func(a *store.FleetAgent) { a.LastContact = time.Time{} }, Never, "Enrolled 3 days ago, and has never called."},
		"revoked, and silent since":                      {func(a *store.FleetAgent) { a.State, a.LastContact = store.AgentRevoked, now.Add(-time.Hour) }, Disabled, "The agent's key was revoked. It must enrol again."},
		"the customer is suspended, before all the rest": {func(a *store.FleetAgent) { a.TenantSuspended, a.State = true, store.AgentRevoked }, Disabled, "The customer is suspended by LESSOR."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := store.FleetAgent{State: store.AgentActive, EnrolledAt: now.Add(-72 * time.Hour), LastContact: now.Add(-9 * time.Second),
				Status: protocol.AgentStatus{State: "following"}, Stream: store.Stream{Status: store.StreamOK}}
			tt.change(&a)
			if got := health(&a, now, u.Limits(), u.Locale(ui.English)); got.State != tt.want || got.Cause != tt.cause {
				t.Errorf("health = %s, %q, want %s, %q", got.State, got.Cause, tt.want, tt.cause)
			}
		})
	}
}

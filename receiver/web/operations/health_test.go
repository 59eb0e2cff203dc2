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
	tests := map[string]struct {
		change func(*store.FleetAgent)
		want   State
		cause  string
	}{
		"in order":                                       {func(*store.FleetAgent) {}, Healthy, "Up to date."},
		"with a dead letter":                             {func(a *store.FleetAgent) { a.Letters = 1 }, Healthy, "Up to date. 1 row could not be applied and lies in dead letters."},
		"behind, but not for long":                       {func(a *store.FleetAgent) { a.Status.Unsent = ago(time.Minute) }, Healthy, "Up to date."},
		"behind for long":                                {func(a *store.FleetAgent) { a.Status.Unsent = ago(5 * time.Minute) }, Late, "The oldest change has waited for 5 minutes."},
		"behind because it loads":                        {func(a *store.FleetAgent) { a.Status.Unsent, a.Loading = ago(5*time.Minute), 3 }, Loading, "3 record kinds are being read in full."},
		"a sweep is held":                                {func(a *store.FleetAgent) { a.Held = 1 }, Waiting, "1 record kind would lose many rows and waits for a decision."},
		"a kind is suspended":                            {func(a *store.FleetAgent) { a.Suspended = 2 }, Waiting, "2 record kinds are suspended until they are released."},
		"it says that it fails":                          {func(a *store.FleetAgent) { a.Status.State, a.Status.Error = "failing", "No database." }, Failing, "The agent's last run failed: No database."},
		"the stream is held":                             {func(a *store.FleetAgent) { a.Stream.Status, a.Stream.Cause = store.StreamHeld, "wrong lineage" }, Blocked, "The stream is held: wrong lineage"},
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
			if got := health(a, now, defaultOffline, u.Locale(ui.English)); got.State != tt.want || got.Cause != tt.cause {
				t.Errorf("health = %s, %q, want %s, %q", got.State, got.Cause, tt.want, tt.cause)
			}
		})
	}
}

package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
)

// submitted reports a day of holiday for employee 10, as user 1.
func submitted(t *testing.T, c *Company, key string, at time.Time) protocol.ReportID {
	t.Helper()
	r, _, err := c.Store.SubmitReport(t.Context(), submission(c, key, at))
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func submission(c *Company, key string, at time.Time) report.Submission {
	return report.Submission{Tenant: c.Tenant, Stream: c.Stream, User: 1, Actor: "Anna Holm", EmployeeNo: "10", Type: report.TypeAbsence,
		Fields: map[string]string{"absence_type_no": "F1", "first_day": "2026-12-28"}, Key: key, At: at}
}

func (c *Company) pending(t *testing.T) []protocol.ReportID {
	t.Helper()
	reports, err := c.Store.PendingReports(t.Context(), c.Tenant, c.Stream, 10)
	if err != nil {
		t.Fatal(err)
	}
	var ids []protocol.ReportID
	for _, r := range reports {
		ids = append(ids, r.ID)
	}
	return ids
}

func (c *Company) ack(t *testing.T, id protocol.ReportID, outcome string, lineage protocol.Lineage) {
	t.Helper()
	err := c.Store.AckReports(t.Context(), c.Tenant, c.Stream, []protocol.Ack{{ID: id, Outcome: outcome, Reason: "why", Lineage: lineage, Position: 9000}})
	if err != nil {
		t.Fatal(err)
	}
}

func (c *Company) decided(t *testing.T, id protocol.ReportID, outcome string) {
	t.Helper()
	c.In(t, func(tx *store.StreamTx) error {
		return tx.ApplyResult(t.Context(), report.Result{ID: id, Outcome: outcome, Reason: "because", DecidedAt: start.Add(time.Hour)})
	})
}

func (c *Company) history(t *testing.T, id protocol.ReportID) []report.Event {
	t.Helper()
	r, err := c.Store.Report(t.Context(), c.anna(), id)
	if err != nil {
		t.Fatal(err)
	}
	var events []report.Event
	for _, s := range r.Steps {
		events = append(events, s.Event)
	}
	if last := r.Steps[len(r.Steps)-1]; last.State != r.State {
		t.Errorf("the last step says %s, the report %s", last.State, r.State)
	}
	return events
}

func reports(t *testing.T, o Opened) {
	t.Helper()
	wantHistory := func(t *testing.T, c *Company, id protocol.ReportID, want ...report.Event) {
		t.Helper()
		if diff := cmp.Diff(want, c.history(t, id)); diff != "" {
			t.Errorf("history differs (-want +got):\n%s", diff)
		}
	}
	wantPending := func(t *testing.T, c *Company, want ...protocol.ReportID) {
		t.Helper()
		if diff := cmp.Diff(want, c.pending(t)); diff != "" {
			t.Errorf("pending differs (-want +got):\n%s", diff)
		}
	}
	t.Run("one key makes one report, and ends its draft", func(t *testing.T) {
		c := company(t, o, "one")
		draft := store.Draft{Key: "k", Type: report.TypeAbsence, Form: "{}", UpdatedAt: start}
		if err := c.Store.SaveDraft(t.Context(), c.Tenant, 1, draft); err != nil {
			t.Fatal(err)
		}
		a, first, err := c.Store.SubmitReport(t.Context(), submission(c, "k", start))
		if err != nil || !first {
			t.Fatalf("first = %t (err %v)", first, err)
		}
		b, again, err := c.Store.SubmitReport(t.Context(), submission(c, "k", start.Add(time.Hour)))
		if err != nil || again || a.ID != b.ID || !b.SubmittedAt.Equal(start) {
			t.Errorf("again: %s, first %t (err %v), want %s", b.ID, again, err, a.ID)
		}
		if drafts, err := c.Store.Drafts(t.Context(), c.Tenant, 1); err != nil || len(drafts) != 0 {
			t.Errorf("drafts = %d (err %v), want none", len(drafts), err)
		}
		wantHistory(t, c, a.ID, report.Submit)
	})
	t.Run("a report is handed over until it is acknowledged", func(t *testing.T) {
		c := company(t, o, "one")
		first, second := submitted(t, c, "k1", start), submitted(t, c, "k2", start.Add(time.Minute))
		wantPending(t, c, first, second)
		wantPending(t, c, first, second)
		c.ack(t, first, protocol.AckStored, "line-1")
		c.ack(t, first, protocol.AckStored, "line-1")
		wantPending(t, c, second)
		wantHistory(t, c, first, report.Submit, report.HandOver, report.Store)
		wantHistory(t, c, second, report.Submit, report.HandOver)
	})
	t.Run("no more than the limit is handed over", func(t *testing.T) {
		c := company(t, o, "one")
		first := submitted(t, c, "k1", start)
		submitted(t, c, "k2", start.Add(time.Minute))
		got, err := c.Store.PendingReports(t.Context(), c.Tenant, c.Stream, 1)
		if err != nil || len(got) != 1 || got[0].ID != first || got[0].Fields["first_day"] != "2026-12-28" || got[0].SubmittedAt != start.UnixMilli() {
			t.Errorf("pending = %+v (err %v), want the oldest", got, err)
		}
	})
	t.Run("the main system's verdict settles it, before or after the acknowledgement", func(t *testing.T) {
		c := company(t, o, "one")
		taken, refused := submitted(t, c, "k1", start), submitted(t, c, "k2", start.Add(time.Minute))
		c.pending(t)
		c.ack(t, taken, protocol.AckStored, "line-1")
		c.decided(t, taken, report.OutcomeTaken)
		c.decided(t, taken, report.OutcomeTaken)
		c.decided(t, refused, report.OutcomeRefused)
		c.ack(t, refused, protocol.AckStored, "line-1")
		wantHistory(t, c, taken, report.Submit, report.HandOver, report.Store, report.Take)
		wantHistory(t, c, refused, report.Submit, report.HandOver, report.Refuse)
		if r, err := c.Store.Report(t.Context(), c.anna(), refused); err != nil || r.Reason != "because" {
			t.Errorf("reason = %q (err %v), want because", r.Reason, err)
		}
		wantPending(t, c)
	})
	t.Run("a record that was changed meanwhile ends the report, which carried it to the agent as it was seen", func(t *testing.T) {
		c := company(t, o, "one")
		sub := submission(c, "k", start)
		sub.Expected = &protocol.Expected{Kind: "employee", Key: []byte{1, 2}, RowHash: 1<<64 - 1}
		r, _, err := c.Store.SubmitReport(t.Context(), sub)
		if err != nil || !cmp.Equal(r.Expected, sub.Expected) {
			t.Fatalf("expected = %+v (err %v)", r.Expected, err)
		}
		offered, err := c.Store.PendingReports(t.Context(), c.Tenant, c.Stream, 10)
		if err != nil || len(offered) != 1 || !cmp.Equal(offered[0].Expected, sub.Expected) {
			t.Fatalf("offered %+v (err %v), want what was expected", offered, err)
		}
		c.ack(t, r.ID, protocol.AckConflict, "line-1")
		c.ack(t, r.ID, protocol.AckConflict, "line-1")
		wantPending(t, c)
		wantHistory(t, c, r.ID, report.Submit, report.HandOver, report.Clash)
		c.Open(t, "line-2")
		wantPending(t, c)
		if r, err := c.Store.Report(t.Context(), c.anna(), r.ID); err != nil || r.State != report.Conflict || r.Reason != "why" {
			t.Errorf("%s, %q (err %v), want the conflict and why", r.State, r.Reason, err)
		}
	})
	t.Run("after the main database was restored, what it has said nothing of is offered again", func(t *testing.T) {
		c := company(t, o, "one")
		stored, taken := submitted(t, c, "k1", start), submitted(t, c, "k2", start.Add(time.Minute))
		refused := submitted(t, c, "k3", start.Add(2*time.Minute))
		c.pending(t)
		c.ack(t, stored, protocol.AckStored, "line-1")
		c.ack(t, taken, protocol.AckStored, "line-1")
		c.ack(t, refused, protocol.AckRefused, "line-1")
		c.decided(t, taken, report.OutcomeTaken)
		wantPending(t, c)
		c.Open(t, "line-2")
		wantPending(t, c, stored)
		c.ack(t, stored, protocol.AckStored, "line-2")
		wantPending(t, c)
		wantHistory(t, c, stored, report.Submit, report.HandOver, report.Store, report.HandOver, report.Store)
		c.Open(t, "line-0") // lineages have no order
		wantPending(t, c, stored)
		wantHistory(t, c, refused, report.Submit, report.HandOver, report.TurnDown)
	})
	t.Run("a report can be taken back until it is handed over", func(t *testing.T) {
		c := company(t, o, "one")
		early, late := submitted(t, c, "k1", start), submitted(t, c, "k2", start.Add(time.Minute))
		if err := c.Store.CancelReport(t.Context(), c.anna(), early, "Anna Holm", start); err != nil {
			t.Fatal(err)
		}
		wantPending(t, c, late)
		var tooLate *report.TransitionError
		if err := c.Store.CancelReport(t.Context(), c.anna(), late, "Anna Holm", start); !errors.As(err, &tooLate) {
			t.Errorf("late: err = %v, want a TransitionError", err)
		}
		wantHistory(t, c, early, report.Submit, report.Cancel)
	})
	t.Run("another tenant, stream or employee neither sees nor moves it", func(t *testing.T) {
		c, other := company(t, o, "one"), company(t, o, "two")
		id := submitted(t, c, "k1", start)
		other.ack(t, id, protocol.AckStored, "line-1")
		other.decided(t, id, report.OutcomeRefused)
		wantPending(t, other)
		wantHistory(t, c, id, report.Submit)
		for name, e := range map[string]store.EmployeeRef{
			"tenant": other.anna(), "stream": {Tenant: c.Tenant, Stream: c.Stream + 100, No: "10"}, "employee": {Tenant: c.Tenant, Stream: c.Stream, No: "11"},
		} {
			if _, err := c.Store.Report(t.Context(), e, id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("another %s reads: err = %v, want ErrNotFound", name, err)
			}
			if err := c.Store.CancelReport(t.Context(), e, id, "x", start); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("another %s cancels: err = %v, want ErrNotFound", name, err)
			}
			if rs, err := c.Store.Reports(t.Context(), e, 10); err != nil || len(rs) != 0 {
				t.Errorf("another %s lists %d (err %v)", name, len(rs), err)
			}
		}
	})
	t.Run("another main system of the same customer cannot decide about it", func(t *testing.T) {
		c := company(t, o, "one")
		id := submitted(t, c, "k1", start)
		second := *c
		second.Enrol(t, t.Name()+"/second")
		second.Open(t, "line-1")
		second.decided(t, id, report.OutcomeRefused)
		second.ack(t, id, protocol.AckStored, "line-1")
		wantPending(t, &second)
		wantHistory(t, c, id, report.Submit)
	})
	t.Run("a verdict that nobody knows, or on nothing, moves nothing", func(t *testing.T) {
		c := company(t, o, "one")
		id := submitted(t, c, "k1", start)
		c.decided(t, id, "perhaps")
		c.decided(t, "NOSUCHREPORT0000", report.OutcomeTaken)
		wantHistory(t, c, id, report.Submit)
	})
	t.Run("drafts are the user's own, and the untouched are forgotten after 30 days", func(t *testing.T) {
		c := company(t, o, "one")
		for key, at := range map[string]time.Time{"old": start.AddDate(0, 0, -31), "new": start} {
			if err := c.Store.SaveDraft(t.Context(), c.Tenant, 1, store.Draft{Key: key, Type: report.TypeAbsence, Form: `{"type":"F1"}`, UpdatedAt: at}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Store.SaveDraft(t.Context(), c.Tenant, 1, store.Draft{Key: "new", Type: report.TypeAbsence, Form: `{}`, UpdatedAt: start}); err != nil {
			t.Fatal(err)
		}
		drafts, err := c.Store.Drafts(t.Context(), c.Tenant, 1)
		if err != nil || len(drafts) != 1 || drafts[0].Form != "{}" {
			t.Errorf("drafts = %+v (err %v), want the new one as last saved", drafts, err)
		}
		if _, err := c.Store.Draft(t.Context(), c.Tenant, 2, "new"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another user's: err = %v, want ErrNotFound", err)
		}
		if err := c.Store.DeleteDraft(t.Context(), c.Tenant, 1, "new"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Store.Draft(t.Context(), c.Tenant, 1, "new"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted: err = %v, want ErrNotFound", err)
		}
	})
}

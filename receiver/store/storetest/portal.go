package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/store"
)

// company makes a customer whose code no other test of the database uses.
func company(t *testing.T, o Opened, name string) *Company {
	t.Helper()
	return NewCompany(t, o.Store, t.Name()+"/"+name, "Vestkystens Savværk A/S", start)
}

func (c *Company) anna() store.EmployeeRef {
	return store.EmployeeRef{Tenant: c.Tenant, Stream: c.Stream, No: "10"}
}

func users(t *testing.T, o Opened) {
	t.Helper()
	anna := func(t *testing.T) identity.User {
		t.Helper()
		u := identity.User{Username: "Anna " + t.Name(), Name: "Anna Holm", Role: identity.Employee, EmployeeNo: "10", PasswordHash: "h"}
		var err error
		if u.ID, err = o.Store.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	t.Run("a user is found by the folded name, and by id with the customer's name", func(t *testing.T) {
		c := company(t, o, "one")
		u := identity.User{Username: "Bo Åby", Name: "Bo Åby", Role: identity.Employee, Tenant: c.Tenant, Stream: c.Stream, EmployeeNo: "11", Language: "sv", PasswordHash: "h"}
		var err error
		if u.ID, err = o.Store.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if got, err := o.Store.UserByName(t.Context(), identity.Fold(" BO ÅBY")); err != nil || got != u {
			t.Errorf("by name: %+v (err %v), want %+v", got, err, u)
		}
		if got, customer, err := o.Store.Visitor(t.Context(), u.ID); err != nil || got != u || customer != "Vestkystens Savværk A/S" {
			t.Errorf("by id: %+v of %q (err %v), want %+v", got, customer, err, u)
		}
	})
	t.Run("a name is taken once, in whatever case", func(t *testing.T) {
		u := anna(t)
		u.Username = "ANNA " + t.Name()
		if _, err := o.Store.CreateUser(t.Context(), u); !errors.Is(err, identity.ErrTaken) {
			t.Errorf("err = %v, want ErrTaken", err)
		}
	})
	t.Run("nobody is ErrNotFound", func(t *testing.T) {
		if _, err := o.Store.UserByName(t.Context(), "nobody"); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("by name: err = %v, want ErrNotFound", err)
		}
		if _, _, err := o.Store.Visitor(t.Context(), 999_999); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("by id: err = %v, want ErrNotFound", err)
		}
	})
	t.Run("language, password and being disabled are kept", func(t *testing.T) {
		u := anna(t)
		if err := errors.Join(o.Store.SetLanguage(t.Context(), u.ID, "en"), o.Store.SetPassword(t.Context(), u.ID, "h2"),
			o.Store.DisableUser(t.Context(), u.ID, true)); err != nil {
			t.Fatal(err)
		}
		got, _, err := o.Store.Visitor(t.Context(), u.ID)
		if err != nil || got.Language != "en" || got.PasswordHash != "h2" || !got.Disabled {
			t.Errorf("user = %+v (err %v)", got, err)
		}
	})
	t.Run("attempts are counted, forgiven one by one or at once, and forgotten with time", func(t *testing.T) {
		count := func(at time.Time) int {
			a, err := o.Store.CountAttempt(t.Context(), t.Name(), at, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return a.Count
		}
		forgive := func(n int) {
			if err := o.Store.ForgiveAttempts(t.Context(), t.Name(), n); err != nil {
				t.Fatal(err)
			}
		}
		got := []int{count(start), count(start.Add(time.Second))}
		forgive(1)
		got = append(got, count(start.Add(2*time.Second)))
		forgive(0)
		got = append(got, count(start.Add(3*time.Second)), count(start.Add(2*time.Minute)))
		if diff := cmp.Diff([]int{1, 2, 2, 1, 1}, got); diff != "" {
			t.Errorf("counts differ (-want +got):\n%s", diff)
		}
		a, err := o.Store.CountAttempt(t.Context(), t.Name(), start.Add(2*time.Minute+time.Second), time.Minute)
		if err != nil || !a.Before.Equal(start.Add(2*time.Minute)) {
			t.Errorf("before = %s (err %v), want %s", a.Before, err, start.Add(2*time.Minute))
		}
	})
	t.Run("a remembered username expires, and can be forgotten", func(t *testing.T) {
		u := anna(t)
		if err := o.Store.RememberUsername(t.Context(), t.Name(), u.ID, start.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got, err := o.Store.RememberedUsername(t.Context(), t.Name(), start); err != nil || got != u.Username {
			t.Errorf("remembered = %q (err %v), want %q", got, err, u.Username)
		}
		if _, err := o.Store.RememberedUsername(t.Context(), t.Name(), start.Add(time.Hour)); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("after an hour: err = %v, want ErrNotFound", err)
		}
		if err := o.Store.ForgetUsername(t.Context(), t.Name()); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Store.RememberedUsername(t.Context(), t.Name(), start); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("forgotten: err = %v, want ErrNotFound", err)
		}
	})
}

func sessions(t *testing.T, o Opened) {
	t.Helper()
	s := o.Store.Sessions()
	t.Run("a session is what was last committed, until it is deleted", func(t *testing.T) {
		for _, data := range [][]byte{{1, 0, 2}, {3}} {
			if err := s.Commit(t.Name(), data, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if got, ok, err := s.Find(t.Name()); err != nil || !ok || !bytes.Equal(got, data) {
				t.Errorf("found %v, %t (err %v), want %v", got, ok, err, data)
			}
		}
		if err := s.Delete(t.Name()); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := s.Find(t.Name()); err != nil || ok {
			t.Errorf("found = %t (err %v) after Delete", ok, err)
		}
	})
	t.Run("a page that only prolongs its session by seconds writes nothing", func(t *testing.T) {
		expiry := time.Now().Add(time.Hour)
		commit := func(data []byte, later time.Duration) string {
			t.Helper()
			if err := s.Commit(t.Name(), data, expiry.Add(later)); err != nil {
				t.Fatal(err)
			}
			return o.Writes(t, "session")
		}
		first := commit([]byte{1}, 0)
		if got := commit([]byte{1}, 59*time.Second); got != first {
			t.Error("59 s later: the session was written")
		}
		second := commit([]byte{1}, time.Minute)
		if second == first {
			t.Error("a minute later: the session was not written")
		}
		if got := commit([]byte{2}, time.Minute); got == second {
			t.Error("other data: the session was not written")
		}
	})
	t.Run("an expired session is not found, and purged", func(t *testing.T) {
		if err := s.Commit(t.Name(), []byte{1}, time.Now().Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := s.Find(t.Name()); err != nil || ok {
			t.Errorf("found = %t (err %v), want not", ok, err)
		}
		if err := o.Store.PurgeSessions(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := o.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM session WHERE token = '"+t.Name()+"'").Scan(&n); err != nil || n != 0 {
			t.Errorf("rows = %d (err %v), want 0", n, err)
		}
	})
}

func pages(t *testing.T, o Opened) {
	t.Helper()
	t.Run("an employee's own records, and nobody else's", func(t *testing.T) {
		c, other := company(t, o, "one"), company(t, o, "two")
		for n, of := range []*Company{c, other} {
			for _, no := range []string{"10", "11"} {
				of.Put(t, "employee", Row{"employee_no": no, "name": fmt.Sprintf("Nr. %s i %d", no, n), "active": "true"})
				of.Put(t, "payslip", Row{"payslip_no": "P" + no, "employee_no": no, "period_start": "2026-10-01", "period_end": "2026-10-31",
					"pay_date": "2026-10-30", "gross": "40000.00", "tax": "-13000.50", "net": fmt.Sprintf("2%d000.25", n), "currency": "DKK"})
				of.Put(t, "payslip_line", Row{"payslip_no": "P" + no, "line_no": "1", "employee_no": no, "code": "1000", "label": "Månedsløn", "amount": "1.05"})
				of.Put(t, "balance", Row{"employee_no": no, "balance_type_no": "FE", "amount": "18.48", "as_of": "2026-10-31"})
				of.Put(t, "absence", Row{"absence_no": "A" + no, "employee_no": no, "absence_type_no": "F1", "first_day": "2026-07-13",
					"last_day": "2026-07-31", "state": "Godkendt"})
			}
		}
		e, err := c.Store.Employee(t.Context(), c.anna())
		if err != nil || e.Name != "Nr. 10 i 0" || !e.Active || !e.LeftOn.IsZero() {
			t.Errorf("employee = %+v (err %v)", e, err)
		}
		slips, err := c.Store.Payslips(t.Context(), c.anna(), 10)
		if err != nil || len(slips) != 1 || slips[0].Net != (store.Decimal{N: 2000025, Scale: 2, Valid: true}) ||
			slips[0].PayDate.Format(time.DateOnly) != "2026-10-30" {
			t.Errorf("payslips = %+v (err %v)", slips, err)
		}
		if _, lines, err := c.Store.Payslip(t.Context(), c.anna(), "P10"); err != nil || len(lines) != 1 || lines[0].Amount.N != 105 || lines[0].Quantity.Valid {
			t.Errorf("lines = %+v (err %v)", lines, err)
		}
		if _, _, err := c.Store.Payslip(t.Context(), c.anna(), "P11"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a colleague's payslip: err = %v, want ErrNotFound", err)
		}
		for no, want := range map[string]bool{"P11": true, "P99": false} {
			if got, err := c.Store.PayslipExists(t.Context(), c.anna(), no); err != nil || got != want {
				t.Errorf("exists %s = %t (err %v), want %t", no, got, err, want)
			}
		}
		balances, err := c.Store.Balances(t.Context(), c.anna())
		if err != nil || len(balances) != 1 || balances[0].Amount.N != 184800 || balances[0].Names.Danish != "FE" {
			t.Errorf("balances = %+v (err %v), want one, named by its number while the type is missing", balances, err)
		}
		if absences, err := c.Store.Absences(t.Context(), c.anna(), 10); err != nil || len(absences) != 1 || absences[0].No != "A10" {
			t.Errorf("absences = %+v (err %v)", absences, err)
		}
	})
	t.Run("the next pay date is today's or a later one", func(t *testing.T) {
		c := company(t, o, "one")
		if next, err := c.Store.NextPayDate(t.Context(), c.Tenant, c.Stream, start); err != nil || !next.IsZero() {
			t.Errorf("of an empty calendar: %s (err %v), want none", next, err)
		}
		for no, date := range map[string]string{"1": "2026-10-30", "2": "2026-11-20", "3": "2026-12-30"} {
			c.Put(t, "pay_calendar", Row{"pay_calendar_no": no, "name": "Måned", "period_start": date, "period_end": date, "pay_date": date})
		}
		for after, want := range map[string]string{"2026-11-20": "2026-11-20", "2026-11-21": "2026-12-30"} {
			from, err := time.Parse(time.DateOnly, after)
			if err != nil {
				t.Fatal(err)
			}
			if next, err := c.Store.NextPayDate(t.Context(), c.Tenant, c.Stream, from); err != nil || next.Format(time.DateOnly) != want {
				t.Errorf("from %s: %s (err %v), want %s", after, next, err, want)
			}
		}
	})
	t.Run("records are as old as the agent's last look that found nothing unsent", func(t *testing.T) {
		c := company(t, o, "one")
		age := func(status protocol.AgentStatus) time.Time {
			t.Helper()
			if err := c.Store.SaveCheckIn(t.Context(), c.Tenant, c.Agent, status, "198.51.100.24", start); err != nil {
				t.Fatal(err)
			}
			ages, err := c.Store.KindAges(t.Context(), c.Tenant, c.Stream)
			if err != nil {
				t.Fatal(err)
			}
			return ages["balance"].At
		}
		look := start.Add(time.Minute)
		if got := age(protocol.AgentStatus{SourceAt: look.UnixMilli()}); !got.Equal(look) {
			t.Errorf("looked and found nothing: %s, want %s", got, look)
		}
		if got := age(protocol.AgentStatus{SourceAt: look.UnixMilli(), Unsent: look.UnixMilli()}); !got.Equal(start) {
			t.Errorf("looked and found a change that is on its way: %s, want %s", got, start)
		}
		c.In(t, func(tx *store.StreamTx) error {
			return tx.SetKind(t.Context(), protocol.KindStatus{Kind: "balance", State: protocol.KindRunning, Snapshot: 3}, store.Cause{})
		})
		if got := age(protocol.AgentStatus{SourceAt: look.UnixMilli()}); !got.Equal(start) {
			t.Errorf("being read again: %s, want %s", got, start)
		}
	})
	t.Run("the last trouble that an agent told outlives its restart, for a week", func(t *testing.T) {
		c := company(t, o, "one")
		dns := &protocol.Trouble{Code: "dns", Sentence: "No.", From: start.UnixMilli(), Until: start.Add(time.Hour).UnixMilli()}
		lasts := &protocol.Trouble{Code: "altered", Sentence: "No.", From: start.Add(2 * time.Hour).UnixMilli()}
		over := *lasts
		over.Until = start.Add(3 * time.Hour).UnixMilli()
		for _, step := range []struct {
			what string
			tell *protocol.Trouble
			at   time.Duration
			want *protocol.Trouble
		}{
			{"none yet", nil, time.Minute, nil},
			{"told", dns, time.Hour, dns},
			{"after a restart", nil, 2 * time.Hour, dns},
			{"another, that lasts", lasts, 3 * time.Hour, lasts},
			{"a restart while it lasted", nil, 4 * time.Hour, &over},
			{"six days later", nil, 6 * 24 * time.Hour, &over},
			{"eight days later", nil, 8 * 24 * time.Hour, nil},
		} {
			status := protocol.AgentStatus{State: "following", LastTrouble: step.tell}
			if err := c.Store.SaveCheckIn(t.Context(), c.Tenant, c.Agent, status, "198.51.100.24", start.Add(step.at)); err != nil {
				t.Fatal(err)
			}
			got, err := c.Store.FleetAgent(t.Context(), c.Tenant, c.Agent)
			if err != nil || !cmp.Equal(got.Status.LastTrouble, step.want) {
				t.Errorf("%s: %+v (err %v), want %+v", step.what, got.Status.LastTrouble, err, step.want)
			}
		}
	})
	t.Run("the fleet tells what waits, per agent", func(t *testing.T) {
		c := company(t, o, "one")
		company(t, o, "two")
		c.In(t, func(tx *store.StreamTx) error {
			return errors.Join(
				tx.SetKind(t.Context(), protocol.KindStatus{Kind: "employee", State: protocol.KindSweeping, Snapshot: 1, Held: true}, store.Cause{Code: store.CauseGone, Rows: 212, Sweep: 212}),
				tx.SetKind(t.Context(), protocol.KindStatus{Kind: "place", State: protocol.KindSuspended}, store.Cause{Code: store.CausePerson, Note: "drift"}),
				tx.SetKind(t.Context(), protocol.KindStatus{Kind: "payslip", State: protocol.KindRunning, Snapshot: 2}, store.Cause{}))
		})
		submitted(t, c, "k1", start)
		submitted(t, c, "k2", start.Add(time.Minute))
		got, err := c.Store.FleetAgent(t.Context(), c.Tenant, c.Agent)
		if err != nil || got.Held != 1 || got.Suspended != 1 || got.Loading != 1 || got.ReportsWaiting != 2 || !got.OldestReport.Equal(start) ||
			got.Stream.Position != 8123 || !got.LastContact.IsZero() || got.Version != "1.0.0" {
			t.Errorf("agent = %+v (err %v)", got, err)
		}
		all, err := c.Store.Fleet(t.Context())
		if err != nil || len(all) < 2 {
			t.Errorf("fleet of %d (err %v), want both", len(all), err)
		}
		if _, err := c.Store.FleetAgent(t.Context(), c.Tenant+1, c.Agent); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("under another tenant: err = %v, want ErrNotFound", err)
		}
	})
}

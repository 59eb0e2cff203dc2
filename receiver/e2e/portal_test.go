package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"net/http/httptest"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/store/storetest"
	"lessor.dk/portalsync/receiver/web"
)

// portal is a portal with one customer, served over TLS.
type portal struct {
	*storetest.Company
	URL        string
	Anna       identity.UserID
	Taken      protocol.ReportID // a report that payroll has handled
	Refused    protocol.ReportID
	Cancelable protocol.ReportID
}

func newPortal(t *testing.T) *portal {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, err := web.New(s, web.Config{Cost: cheap, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	p := &portal{Company: newCompany(t, s)}
	p.Anna = p.addUser(t, w.Identity(), identity.User{Username: "anna.holm", Name: "Anna Holm", Role: identity.Employee, EmployeeNo: "10017"})
	p.addUser(t, w.Identity(), identity.User{Username: "bo.lindqvist", Name: "Bo Lindqvist", Role: identity.Employee, EmployeeNo: "10018"})
	p.addUser(t, w.Identity(), identity.User{Username: "drift", Name: "Ditte Kragh", Role: identity.Operations})
	p.reports(t)
	p.fleet(t, s)
	server := httptest.NewTLSServer(w.Handler())
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

func (p *portal) addUser(t *testing.T, id *identity.Identity, u identity.User) identity.UserID {
	t.Helper()
	if u.EmployeeNo != "" {
		u.Tenant, u.Stream = p.Tenant, p.Stream
	}
	n, err := id.Create(t.Context(), identity.NewUser{User: u, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// reports gives Anna one report in every state that can be reached.
func (p *portal) reports(t *testing.T) {
	t.Helper()
	holiday := map[string]string{"absence_type_no": "F1", "first_day": "2026-10-12", "last_day": "2026-10-16", "unit": "days", "quantity": "5", "note": ""}
	p.Taken = submit(t, p.Company, p.Anna, "k1", now.AddDate(0, -2, 0), holiday)
	child := map[string]string{"absence_type_no": "B1", "first_day": "2026-11-03", "last_day": "2026-11-03", "unit": "hours", "quantity": "7.5", "note": "Afløser er aftalt med Bo."}
	p.Refused = submit(t, p.Company, p.Anna, "k2", now.AddDate(0, 0, -19), child)
	pending, err := p.Store.PendingReports(t.Context(), p.Tenant, p.Stream, 10)
	if err != nil || len(pending) != 2 {
		t.Fatalf("pending = %d (err %v), want 2", len(pending), err)
	}
	var acks []protocol.Ack
	for _, r := range pending {
		acks = append(acks, protocol.Ack{ID: r.ID, Outcome: protocol.AckStored, Lineage: "line-1", Position: 8000})
	}
	if err := p.Store.AckReports(t.Context(), p.Tenant, p.Stream, acks); err != nil {
		t.Fatal(err)
	}
	p.In(t, func(tx *store.StreamTx) error {
		if err := tx.ApplyResult(t.Context(), report.Result{ID: p.Taken, Outcome: report.OutcomeTaken, DecidedAt: now.AddDate(0, -2, 1)}); err != nil {
			return err
		}
		return tx.ApplyResult(t.Context(), report.Result{ID: p.Refused, Outcome: report.OutcomeRefused,
			Reason: "Barns første sygedag kan kun registreres som hel dag.", DecidedAt: now.AddDate(0, 0, -18)})
	})
	winter := map[string]string{"absence_type_no": "F1", "first_day": "2026-12-28", "last_day": "2026-12-30", "unit": "days", "quantity": "3", "note": ""}
	p.Cancelable = submit(t, p.Company, p.Anna, "k3", now.Add(-40*time.Minute), winter)
	err = p.Store.SaveDraft(t.Context(), p.Tenant, p.Anna, store.Draft{Key: "ABCDEFGHIJKLMNOPQRSTUVWX22", Type: report.TypeAbsence,
		Form: `{"type":"S1","first_day":"2026-11-20","last_day":"2026-11-20"}`, UpdatedAt: now.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
}

// fleet adds customers whose agents are in trouble, for the pages of operations.
func (p *portal) fleet(t *testing.T, s *store.Store) {
	t.Helper()
	storetest.NewCompany(t, s, "fjord", "Fjordens Bageri ApS", now.Add(-72*time.Hour))
	held := storetest.NewCompany(t, s, "hede", "Hedens Maskinstation I/S", now.Add(-time.Hour))
	checkIn(t, held, protocol.AgentStatus{State: "following", SourceAt: now.UnixMilli(), ClockOff: -time.Hour.Milliseconds(),
		LastTrouble: &protocol.Trouble{Code: "altered", From: now.Add(-10 * time.Minute).UnixMilli(),
			Sentence: "What the agent sends reaches portal.lessor.dk changed or twice (bad-digest): exempt the address from inspection at the proxy."}})
	held.In(t, func(tx *store.StreamTx) error {
		return tx.SetKind(t.Context(), protocol.KindStatus{Kind: "employee", State: protocol.KindSweeping, Snapshot: 7, Held: true},
			store.Cause{Code: store.CauseGone, Rows: 212, Sweep: 212})
	})
	failing := storetest.NewCompany(t, s, "sund", "Sundets Rederi A/S", now.Add(-time.Hour))
	checkIn(t, failing, protocol.AgentStatus{State: "failing", Code: "source-gone", Since: now.Add(-20 * time.Minute).UnixMilli(),
		Error: "The main system's database did not answer: check that SQL Server is running.", Unsent: now.Add(-25 * time.Minute).UnixMilli(), BatchesOut: 3})
	blocked := storetest.NewCompany(t, s, "mose", "Mosens Gartneri ApS", now.Add(-time.Hour))
	checkIn(t, blocked, protocol.AgentStatus{State: "following", ReportsWait: &protocol.ReportsWait{Code: "report-not-taken", Waiting: 2,
		Sentence: "report R7: deliver report of type absence: procedure løn.TagImod: the EXECUTE permission was denied", Since: now.Add(-40 * time.Minute).UnixMilli()}})
	if err := s.SuspendStream(t.Context(), blocked.Tenant, blocked.Stream, store.Cause{Code: store.CauseTwoAgents}); err != nil {
		t.Fatal(err)
	}
}

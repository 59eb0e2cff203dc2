package web_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

var hidden = regexp.MustCompile(`name="([^"]+)" value="([^"]*)"`)

// opened returns the hidden fields of the page's forms.
func opened(a answer) url.Values {
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(a.body, -1) {
		form.Set(m[1], m[2])
	}
	return form
}

// fill opens the form and fills it in.
func fill(t *testing.T, v *visitor) url.Values {
	t.Helper()
	form := opened(v.get(t, "/absence/report"))
	form.Set("type", "F1")
	form.Set("first_day", "2026-12-28")
	form.Set("last_day", "2026-12-30")
	return form
}

func (s *site) pending(t *testing.T) []protocol.Report {
	t.Helper()
	reports, err := s.store.PendingReports(t.Context(), s.one.Tenant, s.one.Stream, 10)
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

func TestReportAbsence(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "anna")
	form := fill(t, v)
	check := v.post(t, "/absence/report", form)
	if !strings.HasSuffix(check.path, "/check") || !strings.Contains(check.body, "mandag 28. december 2026") {
		t.Fatalf("the form led to %s", check.path)
	}
	if n := len(s.pending(t)); n != 0 {
		t.Fatalf("%d reports before anything was sent", n)
	}
	submit := strings.TrimSuffix(check.path, "check") + "submit"
	first := v.post(t, submit, url.Values{})
	again := v.post(t, submit, url.Values{})
	back := v.post(t, "/absence/report", form)
	if !strings.HasSuffix(first.path, "/receipt") || again.path != first.path || back.path != first.path {
		t.Errorf("sent: %s, sent again: %s, back and on: %s, want one receipt", first.path, again.path, back.path)
	}
	reports := s.pending(t)
	if len(reports) != 1 || reports[0].Fields["first_day"] != "2026-12-28" || reports[0].EmployeeNo != "10" {
		t.Errorf("pending = %d reports, want one of employee 10", len(reports))
	}
	if len(s.woken) != 1 || s.woken[0] != s.one.Stream {
		t.Errorf("woken = %v, want the stream once", s.woken)
	}
	registration := strings.TrimSuffix(first.path, "/receipt")
	if got := v.get(t, registration); !strings.Contains(got.body, "Hentes af lønsystemet") {
		t.Error("the registration does not say that it is being fetched")
	}
	if got := v.post(t, registration+"/cancel", url.Values{}); !strings.Contains(got.body, "allerede hentet") {
		t.Error("too late to cancel, and not told so")
	}
	for _, stranger := range []string{"bo", "carl"} {
		for _, page := range []string{registration, first.path, registration + "/cancel"} {
			if got := s.visitor(t, stranger).get(t, page); got.status != http.StatusNotFound {
				t.Errorf("%s sees %s: %d", stranger, page, got.status)
			}
		}
		if got := s.visitor(t, stranger).post(t, registration+"/cancel", url.Values{}); got.status != http.StatusNotFound {
			t.Errorf("%s cancels: %d", stranger, got.status)
		}
	}
}

func TestReportAbsenceThatIsWrong(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "anna")
	form := fill(t, v)
	form.Set("first_day", "31.02.2026")
	form.Set("note", `<b>"Jul"</b>`)
	got := v.post(t, "/absence/report", form)
	if got.status != http.StatusUnprocessableEntity {
		t.Errorf("status = %d, want 422", got.status)
	}
	for _, want := range []string{
		"Der mangler lidt", `href="#first_day"`, `id="first_day-problem"`, `aria-invalid="true"`, // a summary, and at the field
		`value="31.02.2026"`, "&lt;b&gt;&#34;Jul&#34;&lt;/b&gt;", "checked", // what was typed
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	form.Set("type", "secret")
	if got := v.post(t, "/absence/report", form); !strings.Contains(got.body, "kan ikke indberettes mere") {
		t.Error("a type that was not offered is taken")
	}
	if got := v.get(t, "/registrations"); !strings.Contains(got.body, "Kladde") {
		t.Error("what was typed is not kept as a draft")
	}
}

func TestCancelReport(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "anna")
	check := v.post(t, "/absence/report", fill(t, v))
	receipt := v.post(t, strings.TrimSuffix(check.path, "check")+"submit", url.Values{})
	registration := strings.TrimSuffix(receipt.path, "/receipt")
	if got := v.get(t, registration+"/cancel"); !strings.Contains(got.body, "Vil du annullere") {
		t.Error("cancelling does not ask first")
	}
	if got := v.post(t, registration+"/cancel", url.Values{}); !strings.Contains(got.body, "Annulleret") || !strings.Contains(got.body, "Anna Holm") {
		t.Error("the registration does not show that Anna Holm cancelled it")
	}
	if n := len(s.pending(t)); n != 0 {
		t.Errorf("%d cancelled reports are handed over", n)
	}
}

// A session that ends while a form is filled in: signing in again, in place, finds what was typed (requirements 5, 8).
func TestSessionLostWhileReporting(t *testing.T) {
	lose := func(t *testing.T, s *site) (*visitor, answer) {
		t.Helper()
		v := s.visitor(t, "anna")
		form := fill(t, v)
		form.Set("note", `Jul & "nytår"`)
		v.post(t, "/sign-out", url.Values{})
		got := v.post(t, "/absence/report", form)
		if got.status != http.StatusUnauthorized || !strings.Contains(got.body, "er gemt") {
			t.Fatalf("status %d, want a sign-in page that says the text is kept", got.status)
		}
		return v, got
	}
	signIn := func(page answer, username, password string) url.Values {
		form := url.Values{}
		for name, values := range opened(page) {
			if strings.HasPrefix(name, "carried.") {
				form[name] = []string{strings.NewReplacer("&amp;", "&", "&#34;", `"`).Replace(values[0])}
			}
		}
		form.Set("username", username)
		form.Set("password", password)
		return form
	}
	t.Run("the draft is there, also after a mistyped password", func(t *testing.T) {
		s := newSite(t)
		v, page := lose(t, s)
		page = v.post(t, "/sign-in", signIn(page, "anna", "forkert"))
		got := v.post(t, "/sign-in", signIn(page, "anna", password))
		if !strings.HasPrefix(got.path, "/absence/report/") || !strings.Contains(got.body, `value="2026-12-28"`) || !strings.Contains(got.body, "Jul &amp; &#34;nytår&#34;") {
			t.Errorf("signing in leads to %s without what was typed", got.path)
		}
		if n := len(s.pending(t)); n != 0 {
			t.Errorf("%d reports were sent without being checked", n)
		}
	})
	t.Run("somebody else at the same browser does not get it", func(t *testing.T) {
		s := newSite(t)
		v, page := lose(t, s)
		got := v.post(t, "/sign-in", signIn(page, "bo", password))
		if got.path != "/home" || strings.Contains(v.get(t, "/registrations").body, "Kladde") {
			t.Errorf("Bo is led to %s and sees Anna's draft", got.path)
		}
	})
}

func TestDraft(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "anna")
	check := v.post(t, "/absence/report", fill(t, v))
	draft := strings.TrimSuffix(check.path, "/check")
	if got := s.visitor(t, "bo").get(t, draft); got.status != http.StatusNotFound {
		t.Errorf("Bo opens Anna's draft: %d", got.status)
	}
	if got := v.get(t, draft); !strings.Contains(got.body, `value="2026-12-30"`) {
		t.Error("the draft does not open with what was typed")
	}
	s.one.Put(t, "absence_type", row{"absence_type_no": "F1", "name": "Ferie", "reportable": "false"})
	if got := v.post(t, draft+"/submit", url.Values{}); got.path != draft || len(s.pending(t)) != 0 {
		t.Errorf("a draft of a type no longer offered is sent: %s", got.path)
	}
	if got := v.post(t, draft+"/delete", url.Values{}); !strings.Contains(got.body, "Kladden er slettet") {
		t.Error("the draft is not deleted")
	}
}

// Operations decide about a held kind, after a question, and only while it waits.
func TestDecide(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "ditte")
	agent := strings.NewReplacer("T", fmt.Sprint(s.one.Tenant), "A", fmt.Sprint(s.one.Agent)).Replace("/operations/agents/T/A")
	release := agent + "/kinds/employee/release"
	if got := v.post(t, release, url.Values{}); got.status != http.StatusNotFound {
		t.Errorf("release of what is not held: %d, want 404", got.status)
	}
	s.one.In(t, func(tx *store.StreamTx) error {
		return tx.SetKind(t.Context(), protocol.KindStatus{Kind: "employee", State: protocol.KindSweeping, Snapshot: 7, Held: true},
			store.Cause{Code: store.CauseGone, Rows: 212, Sweep: 212})
	})
	if got := v.get(t, agent); !strings.Contains(got.body, release) || !strings.Contains(got.body, "Frigives posttypen, slettes 212 rækker i portalen.") {
		t.Error("the agent's page does not offer the decision with its cause")
	}
	if got := v.get(t, release); !strings.Contains(got.body, "Frigiv employee?") {
		t.Error("releasing does not ask first")
	}
	if got := v.post(t, release, url.Values{}); !strings.Contains(got.body, "Frigivet.") {
		t.Errorf("released: %d", got.status)
	}
	_, kinds, err := s.store.StreamState(t.Context(), s.one.Tenant, s.one.Stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		if k.Held {
			t.Errorf("%s is still held", k.Kind)
		}
	}
	if strings.Contains(s.log.String(), "Ditte") {
		t.Error("the log names the person")
	}
}

// Of a kind that is held for emptied fields operations see how many rows are kept, and what a release does.
func TestDecideBlanks(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "ditte")
	agent := fmt.Sprintf("/operations/agents/%d/%d", s.one.Tenant, s.one.Agent)
	s.one.In(t, func(tx *store.StreamTx) error {
		return errors.Join(
			tx.SetKind(t.Context(), protocol.KindStatus{Kind: "employee", State: protocol.KindRunning, Snapshot: 7}, store.Cause{}),
			tx.HoldBlanks(t.Context(), "employee", store.Cause{Code: store.CauseLostFields, Rows: 31}),
			tx.AddBlanked(t.Context(), "employee", 212),
		)
	})
	if got := v.get(t, agent); !strings.Contains(got.body, "felter i mindst 31 rækker var tømt") || !strings.Contains(got.body, "Op til 212 rækker beholder det") {
		t.Error("the agent's page does not say what waits")
	}
	if got := v.get(t, agent+"/kinds/employee/release"); !strings.Contains(got.body, "felter, der er tomme i hovedsystemet, bliver tomme i portalen") {
		t.Error("the question does not say what a release does")
	}
	if got := v.get(t, agent+"/kinds/employee/refuse"); strings.Contains(got.body, "bliver tomme i portalen") {
		t.Error("the question says that a refusal empties fields")
	}
	if got := v.post(t, agent+"/kinds/employee/release", url.Values{}); !strings.Contains(got.body, "Frigivet.") || strings.Contains(got.body, "212") {
		t.Errorf("released: %d", got.status)
	}
}

// A stream that two agents take from each other is released by a person, after a question, and only while it waits.
func TestReleaseStream(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "ditte")
	agent := fmt.Sprintf("/operations/agents/%d/%d", s.one.Tenant, s.one.Agent)
	if got := v.post(t, agent+"/stream/release", url.Values{}); got.status != http.StatusNotFound {
		t.Errorf("release of a stream that is not suspended: %d, want 404", got.status)
	}
	if err := s.store.SuspendStream(t.Context(), s.one.Tenant, s.one.Stream, store.Cause{Code: store.CauseTwoAgents}); err != nil {
		t.Fatal(err)
	}
	if got := v.get(t, agent); !strings.Contains(got.body, "To kørende agenter bruger den samme nøgle.") || !strings.Contains(got.body, agent+"/stream/release") {
		t.Error("the agent's page does not offer the release with its cause")
	}
	if got := v.get(t, agent+"/stream/release"); !strings.Contains(got.body, "Frigiv strømmen") {
		t.Error("releasing does not ask first")
	}
	if got := v.post(t, agent+"/stream/release", url.Values{}); !strings.Contains(got.body, "Frigivet.") {
		t.Errorf("released: %d", got.status)
	}
	if st, _, err := s.store.StreamState(t.Context(), s.one.Tenant, s.one.Stream); err != nil || st.Status != store.StreamOK || st.Cause != (store.Cause{}) {
		t.Errorf("stream = %s, %v (err %v), want ok", st.Status, st.Cause, err)
	}
}

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"lessor.dk/portalsync/protocol"
)

// An employee signs in, reports a holiday, sends it and finds the receipt, with and without JavaScript.
func TestReportAbsence(t *testing.T) {
	for name, noScript := range map[string]bool{"with JavaScript": false, "without JavaScript": true} {
		t.Run(name, func(t *testing.T) {
			p := newPortal(t)
			b := newBrowser(t, p.URL)
			call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: noScript})
			b.width(t, 360)
			b.signIn(t, "anna.holm")
			if got := b.path(t); got != "/home" {
				t.Fatalf("signed in at %s, want /home", got)
			}
			b.follow(t, "a.button[href='/absence/report']")
			b.press(t, "label.choice:first-child")
			b.fill(t, "#first_day", "2026-12-28")
			b.fill(t, "#last_day", "2026-12-30")
			b.follow(t, "form.form button[type=submit]")
			if got := b.text(t, "dl.facts"); !strings.Contains(got, "mandag 28. december 2026") || !strings.Contains(got, "3 hverdage") {
				t.Errorf("answers to check = %q", got)
			}
			b.follow(t, "form.actions button[type=submit]")
			if got := b.text(t, "h1"); got != "Din indberetning er sendt" {
				t.Fatalf("after sending: %q at %s", got, b.path(t))
			}
			receipt := b.path(t)
			id := protocol.ReportID(strings.TrimSuffix(strings.TrimPrefix(receipt, "/registrations/"), "/receipt"))
			if !p.waits(t, id) {
				t.Error("the report does not wait for the agent")
			}
			b.follow(t, "main a.button")
			if got := b.text(t, ".state"); got != "Hentes af lønsystemet" {
				t.Errorf("state = %q, want Hentes af lønsystemet", got)
			}
			b.clean(t)
		})
	}
}

// waits reports whether a report is handed to the agent.
func (p *portal) waits(t *testing.T, id protocol.ReportID) bool {
	t.Helper()
	reports, err := p.Store.PendingReports(t.Context(), p.Tenant, p.Stream, 50)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if r.ID == id {
			return true
		}
	}
	return false
}

// The list of agents brings itself up to date, and keeps what is being typed into its search.
func TestAgentsRefresh(t *testing.T) {
	p := newPortal(t)
	b := newBrowser(t, p.URL)
	b.signIn(t, "drift")
	row := fmt.Sprintf("a[href='/operations/agents/%d/%d']", p.Tenant, p.Agent)
	b.do(t, chromedp.WaitVisible(chromedp.CSS(row)), chromedp.SendKeys(chromedp.CSS("#q"), "vest"))
	checkIn(t, p.Company, protocol.AgentStatus{State: "failing", Code: "disk-full", Error: "The disk is full.", SourceAt: now.UnixMilli()})
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.querySelector("table.grid").textContent.includes("The disk is full.")`)); err != nil {
		t.Fatalf("the list does not show the error by itself: %v", err)
	}
	if got := run(t, b, chromedp.Value(chromedp.CSS("#q"))); got != "vest" {
		t.Errorf("the search holds %q after the refresh, want vest", got)
	}
	b.clean(t)
}

// Without JavaScript the list loads itself again.
func TestAgentsRefreshWithoutJavaScript(t *testing.T) {
	p := newPortal(t)
	b := newBrowser(t, p.URL)
	call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.signIn(t, "drift")
	checkIn(t, p.Company, protocol.AgentStatus{State: "failing", Code: "disk-full", Error: "The disk is full.", SourceAt: now.UnixMilli()})
	b.do(t, chromedp.WaitVisible(chromedp.Search("//*[contains(text(), 'The disk is full.')]")))
}

// A keyboard alone gets to the content, and sees where it is.
func TestKeyboard(t *testing.T) {
	p := newPortal(t)
	b := newBrowser(t, p.URL)
	b.signIn(t, "anna.holm")
	b.do(t, chromedp.KeyEvent("\t"))
	focus := run(t, b, chromedp.Evaluate[[]string](`(() => { const e = document.activeElement, s = getComputedStyle(e);
		return [e.className, s.outlineStyle, s.outlineWidth]; })()`))
	if len(focus) != 3 || focus[0] != "skip" || focus[1] != "solid" || focus[2] != "3px" {
		t.Errorf("the first stop is %v, want the skip link with a visible outline", focus)
	}
	b.do(t, chromedp.KeyEvent("\r"), chromedp.KeyEvent("\t"))
	if got := run(t, b, chromedp.Evaluate[string](`document.activeElement.textContent.trim()`)); got != "Indberet fravær" {
		t.Errorf("after skipping, the next stop is %q, want the page's own action", got)
	}
}

// A payslip is printed without the portal around it.
func TestPrint(t *testing.T) {
	p := newPortal(t)
	b := newBrowser(t, p.URL)
	b.signIn(t, "anna.holm")
	b.open(t, "/payslips/202610-10017")
	call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	shown := run(t, b, chromedp.Evaluate[[]string](`[...document.querySelectorAll("header, nav, footer, .actions, h1, table")]
		.filter(e => e.getClientRects().length).map(e => e.tagName)`))
	if got := strings.Join(shown, " "); got != "H1 TABLE" {
		t.Errorf("on paper: %s, want H1 TABLE", got)
	}
}

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store/storetest"
)

// refreshNow does at once what the page does every few seconds.
const refreshNow = `htmx.ajax("GET", location.pathname + location.search, {source: "#live", target: "#live", select: "#live", swap: "outerHTML"}).then(() => "")`

// The list of agents brings itself up to date without moving what is read, and without taking the focus or what is typed.
func TestRefreshLeavesTheReaderWhereHeIs(t *testing.T) {
	p := newPortal(t)
	for i := range 30 {
		storetest.NewCompany(t, p.Store, fmt.Sprintf("kunde-%d", i), fmt.Sprintf("Kunde %d A/S", i), now.Add(-time.Hour))
	}
	fails := func(code string) {
		checkIn(t, storetest.NewCompany(t, p.Store, code, code+" A/S", now.Add(-time.Hour)), protocol.AgentStatus{State: "failing", Code: "source-gone",
			Error: "The main system's database did not answer.", Since: now.Add(-time.Hour).UnixMilli()})
	}
	b := newBrowser(t, p.URL)
	eval := func(js string) string { return run(t, b, chromedp.Evaluate[string](js, chromedp.EvalAwaitPromise)) }
	b.width(t, 1280)
	b.signIn(t, "drift")
	b.open(t, "/operations")
	eval(`(() => { let a = document.querySelectorAll("tbody a")[20]; a.focus({preventScroll: true}); window.reader = a.id;
		window.scrollTo(0, a.getBoundingClientRect().top + window.scrollY - 200); return "" })()`)
	place := `document.activeElement.id + " " + (document.activeElement.id === window.reader) + " " + Math.round(document.activeElement.getBoundingClientRect().top)`
	before := eval(place)
	fails("nordlys")
	eval(refreshNow)
	if got := eval(`String(document.body.textContent.includes("nordlys A/S"))`); got != "true" {
		t.Fatal("the page was not brought up to date")
	}
	if got := eval(place); got != before {
		t.Errorf("focus and place = %s, want %s", got, before)
	}
	eval(`(() => { let q = document.getElementById("q"); q.focus(); q.value = "kun"; return "" })()`)
	eval(refreshNow)
	if got := eval(`document.activeElement.id + " " + document.activeElement.value`); got != "q kun" {
		t.Errorf("while a search is typed: %q, want q kun", got)
	}
	eval(`(() => { getSelection().selectAllChildren(document.querySelector("tbody tr")); return "" })()`)
	fails("sydvest")
	eval(refreshNow)
	if got := eval(`String(document.body.textContent.includes("sydvest A/S")) + " " + getSelection().isCollapsed`); got != "false false" {
		t.Errorf("with a text marked: new and unmarked = %s, want neither", got)
	}
	eval(`(() => { getSelection().removeAllRanges(); return "" })()`)
	b.clean(t)
}

// Package e2e runs the portal as its users meet it: in a real browser, over TLS.
package e2e

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"lessor.dk/portalsync/receiver/testenv"
)

var screenshots = flag.String("screenshots", "", "keep the screenshots of every page in this directory")

//go:embed testdata/axe/axe.min.js
var axe string

// browser is one tab that watches what its pages do.
type browser struct {
	ctx  context.Context //nolint:containedctx // chromedp names a tab by its context
	base string
	mu   sync.Mutex
	// what no page may do
	console []string
	foreign []string
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	b := &browser{base: base, ctx: testenv.Chromium(t, chromedp.Flag("ignore-certificate-errors", true))}
	if err := chromedp.Listen(b.ctx, b.watch); err != nil {
		t.Fatal(err)
	}
	call(t, b, network.Enable, network.EnableParams{})
	return b
}

// call sends the browser a command of its protocol.
func call[P, R any](t *testing.T, b *browser, c cdp.Command[P, R], params P) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, c, params)
		return err
	}))
}

func (b *browser) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.console = append(b.console, fmt.Sprintf("%s: %s", e.Type, e.Args[0].Value))
		}
	case *runtime.EventExceptionThrown:
		b.console = append(b.console, e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded: //nolint:forbidigo // the browser's log
		// The browser notes every answer that is not 2xx itself: error pages are looked at on purpose.
		if entry := e.Entry; entry.Source != cdplog.EntrySourceNetwork && entry.Level == cdplog.EntryLevelError { //nolint:forbidigo // the same
			b.console = append(b.console, entry.Text) //nolint:forbidigo // the same
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.base) && !strings.HasPrefix(e.Request.URL, "data:") {
			b.foreign = append(b.foreign, e.Request.URL)
		}
	}
}

// patience is how long one step in the browser may take.
const patience = 20 * time.Second

func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	run(t, b, chromedp.Steps(actions...))
}

// run runs one step and returns its value.
func run[T any](t *testing.T, b *browser, a chromedp.Action[T]) T {
	t.Helper()
	if err := chromedp.Do(b.ctx); err != nil { // starts the browser, which must not have a deadline
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// open shows a page of the portal.
func (b *browser) open(t *testing.T, path string) {
	t.Helper()
	b.do(t, chromedp.Navigate(b.base+path))
}

// follow presses a link or button and waits for the page it leads to.
func (b *browser) follow(t *testing.T, selector string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		t.Fatalf("press %s: %v", selector, err)
	}
}

// press presses something that leads nowhere.
func (b *browser) press(t *testing.T, selector string) {
	t.Helper()
	b.do(t, chromedp.Click(chromedp.CSS(selector)))
}

// fill sets a field of a form.
func (b *browser) fill(t *testing.T, field, value string) {
	t.Helper()
	b.do(t, chromedp.SetValue(chromedp.CSS(field), value))
}

func (b *browser) signIn(t *testing.T, username string) {
	t.Helper()
	b.open(t, "/sign-in")
	b.fill(t, "#username", username)
	b.fill(t, "#password", password)
	b.follow(t, "form.card button[type=submit]")
}

func (b *browser) signOut(t *testing.T) {
	t.Helper()
	call(t, b, network.ClearBrowserCookies, cdp.Empty{})
}

func (b *browser) language(t *testing.T, code string) {
	t.Helper()
	b.open(t, "/sign-in")
	b.follow(t, fmt.Sprintf(".language button[value=%s]", code))
}

// width gives the tab the width of a device, in CSS pixels.
func (b *browser) width(t *testing.T, px int64) {
	t.Helper()
	call(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: px, Height: 800, DeviceScaleFactor: 1, Mobile: px < 600})
}

// dark makes the tab prefer dark colours.
func (b *browser) dark(t *testing.T, dark bool) {
	t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

func (b *browser) text(t *testing.T, selector string) string {
	t.Helper()
	return run(t, b, chromedp.Text(chromedp.CSS(selector)))
}

func (b *browser) path(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(run(t, b, chromedp.Location()))
	if err != nil {
		t.Fatal(err)
	}
	return u.RequestURI()
}

// picture keeps a screenshot of the whole page.
func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	dir := *screenshots
	if dir == "" {
		dir = t.TempDir()
	}
	png := run(t, b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// fits fails when the page is wider than the screen, or when something to press is smaller than 24 px
// (WCAG 2.5.8) or, standing alone, than 44.
func (b *browser) fits(t *testing.T) {
	t.Helper()
	wide := run(t, b, chromedp.Evaluate[[]string](`(() => {
		const out = [];
		const w = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth > w) out.push("page is " + document.documentElement.scrollWidth + " px wide");
		for (const e of document.querySelectorAll("button, summary, nav a, a.row, a.button, a.quiet, a.back, input:not([type=hidden])")) {
			const r = (e.closest("label.choice, label.check") || e).getBoundingClientRect();
			if (r.width > 0 && (r.height < 43.5 || r.width < 43.5)) out.push((e.textContent.trim() || e.name) + " is " + r.width + " x " + r.height);
		}
		return out;
	})()`))
	for _, s := range wide {
		t.Error(s)
	}
}

// accessible fails on every serious or critical finding of axe-core.
func (b *browser) accessible(t *testing.T) {
	t.Helper()
	b.do(t, chromedp.Evaluate[chromedp.Void](axe+";0"))
	raw := run(t, b, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v =>
		({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => n.html + " " + (n.failureSummary||"")).slice(0, 3)}))))`,
		chromedp.EvalAwaitPromise))
	var found []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(raw), &found); err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.Errorf("axe %s (%s): %s\n%s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
		}
	}
}

// clean fails when a page wrote an error to the console or asked anybody else for anything (N1).
func (b *browser) clean(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.console {
		t.Errorf("console: %s", s)
	}
	for _, s := range b.foreign {
		t.Errorf("request to a third party: %s", s)
	}
	b.console, b.foreign = nil, nil
}

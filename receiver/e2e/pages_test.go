package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// look is one page as a user sees it.
type look struct {
	name, user, path string
	prepare          func(*testing.T, *browser) // after opening the page
}

func looks(p *portal) []look {
	return []look{
		{name: "sign-in", path: "/sign-in"},
		{name: "sign-in-wrong", path: "/sign-in", prepare: func(t *testing.T, b *browser) {
			b.fill(t, "#username", "anna.holm")
			b.fill(t, "#password", "forkert")
			b.follow(t, "form.card button[type=submit]")
		}},
		{name: "home", user: "anna.holm", path: "/home"},
		{name: "home-new-employee", user: "bo.lindqvist", path: "/home"},
		{name: "payslips", user: "anna.holm", path: "/payslips"},
		{name: "payslip", user: "anna.holm", path: "/payslips/202610-10017"},
		{name: "absence", user: "anna.holm", path: "/absence"},
		{name: "report-absence", user: "anna.holm", path: "/absence/report"},
		{name: "report-absence-wrong", user: "anna.holm", path: "/absence/report", prepare: func(t *testing.T, b *browser) {
			b.fill(t, "#hours", "femten")
			b.follow(t, "form.form button[type=submit]")
		}},
		{name: "check-absence", user: "anna.holm", path: "/absence/report/ABCDEFGHIJKLMNOPQRSTUVWX22/check"},
		{name: "receipt", user: "anna.holm", path: "/registrations/" + string(p.Cancelable) + "/receipt"},
		{name: "registrations", user: "anna.holm", path: "/registrations"},
		{name: "registration", user: "anna.holm", path: "/registrations/" + string(p.Taken)},
		{name: "registration-refused", user: "anna.holm", path: "/registrations/" + string(p.Refused)},
		{name: "registration-sent", user: "anna.holm", path: "/registrations/" + string(p.Cancelable)},
		{name: "cancel", user: "anna.holm", path: "/registrations/" + string(p.Cancelable) + "/cancel"},
		{name: "account", user: "anna.holm", path: "/home", prepare: func(t *testing.T, b *browser) {
			b.do(t, chromedp.Click(chromedp.CSS("details.account summary")), chromedp.WaitVisible(chromedp.CSS(".account-menu")))
		}},
		{name: "not-found", user: "anna.holm", path: "/payslips/202610-10018"},
		{name: "forbidden", user: "anna.holm", path: "/operations"},
		{name: "agents", user: "drift", path: "/operations"},
		{name: "agent", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d", p.Tenant, p.Agent)},
		{name: "agent-held", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d", p.Tenant+2, p.Agent+2)},
		{name: "decide", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d/kinds/employee/release", p.Tenant+2, p.Agent+2)},
	}
}

// Every page, on a phone and on a desk, in three languages: nothing sticks out, axe-core finds nothing serious,
// the console is silent and nobody else is asked for anything.
func TestPages(t *testing.T) {
	p := newPortal(t)
	b := newBrowser(t, p.URL)
	for _, lang := range []string{"da", "sv", "en"} {
		user := "nobody"
		for _, l := range looks(p) {
			if l.user != user {
				b.signOut(t)
				b.language(t, lang)
				if user = l.user; user != "" {
					b.signIn(t, user)
					b.clean(t)
				}
			}
			for _, width := range []int64{360, 1280} {
				t.Run(fmt.Sprintf("%s-%s-%d", l.name, lang, width), func(t *testing.T) {
					b.width(t, width)
					b.open(t, l.path)
					if l.prepare != nil {
						l.prepare(t, b)
					}
					b.picture(t, fmt.Sprintf("%s-%s-%d", l.name, lang, width))
					b.fits(t)
					b.accessible(t)
					b.clean(t)
				})
			}
		}
	}
}

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
			t.Helper()
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
			t.Helper()
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
			t.Helper()
			b.do(t, chromedp.Click(chromedp.CSS("details.account summary")), chromedp.WaitVisible(chromedp.CSS(".account-menu")))
		}},
		{name: "not-found", user: "anna.holm", path: "/payslips/202610-10018"},
		{name: "forbidden", user: "anna.holm", path: "/operations"},
		{name: "agents", user: "drift", path: "/operations"},
		{name: "agent", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d", p.Tenant, p.Agent)},
		{name: "agent-held", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d", p.Tenant+2, p.Agent+2)},
		{name: "agent-failing", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d", p.Tenant+3, p.Agent+3)},
		{name: "agent-blocked", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d", p.Tenant+4, p.Agent+4)},
		{name: "agents-none-found", user: "drift", path: "/operations?q=vesterhav"},
		{name: "decide-stream", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d/stream/release", p.Tenant+4, p.Agent+4)},
		{name: "decide", user: "drift", path: fmt.Sprintf("/operations/agents/%d/%d/kinds/employee/release", p.Tenant+2, p.Agent+2)},
	}
}

// view is one way of looking at every page.
type view struct {
	language string
	width    int64
	dark     bool
}

func (v view) String() string {
	s := fmt.Sprintf("%s-%d", v.language, v.width)
	if v.dark {
		s += "-dark"
	}
	return s
}

// Every page, on a phone and on a desk, in three languages, by day and by night: nothing sticks out, axe-core finds
// nothing serious, the console is silent and nobody else is asked for anything.
func TestPages(t *testing.T) {
	p := newPortal(t)
	b := newBrowser(t, p.URL)
	for _, v := range []view{
		{"da", 360, false}, {"da", 1280, false}, {"da", 360, true}, {"sv", 360, false}, {"sv", 1280, false}, {"en", 360, false}, {"en", 1280, false},
	} {
		user := "nobody"
		b.width(t, v.width)
		b.dark(t, v.dark)
		for _, l := range looks(p) {
			if l.user != user {
				b.signOut(t)
				b.language(t, v.language)
				if user = l.user; user != "" {
					b.signIn(t, user)
				}
				b.clean(t)
			}
			t.Run(l.name+"-"+v.String(), func(t *testing.T) {
				b.open(t, l.path)
				if l.prepare != nil {
					l.prepare(t, b)
				}
				b.picture(t, l.name+"-"+v.String())
				b.fits(t)
				if v.language == "da" || v.width == 360 { // what axe finds is the same in every language
					b.accessible(t)
				}
				b.clean(t)
			})
		}
	}
}

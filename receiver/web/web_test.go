package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/receiver/web/ui"
)

// The authorisation matrix, made from the route table (L2, V4): who may open a page gets it or hears that it is not
// there; who may not is sent to sign in, or told so.
func TestAccess(t *testing.T) {
	s := newSite(t)
	fill := strings.NewReplacer(":no", "P10", ":key", "K", ":id", "I", ":tenant", fmt.Sprint(s.one.Tenant), ":agent", fmt.Sprint(s.one.Agent),
		":kind", "employee", ":decision", "release")
	allowed := map[string]map[ui.Access]bool{
		"":      {ui.Anyone: true},
		"anna":  {ui.Anyone: true, ui.Employees: true},
		"ditte": {ui.Anyone: true, ui.Operations: true},
		"erik":  {ui.Anyone: true},
	}
	for user, may := range allowed {
		for _, r := range s.web.Routes() {
			if r.Path == "/sign-out" {
				continue
			}
			t.Run(fmt.Sprintf("%q %s %s", user, r.Method, r.Path), func(t *testing.T) {
				v := s.visitor(t, user).once()
				got := v.do(t, r.Method, fill.Replace(r.Path), url.Values{}, nil)
				toSignIn := strings.HasPrefix(got.header.Get("Location"), "/sign-in") || got.status == http.StatusUnauthorized
				switch {
				case may[r.Access] && (got.status == http.StatusForbidden || got.status >= 500):
					t.Errorf("status %d, want to be let in", got.status)
				case !may[r.Access] && user == "" && !toSignIn:
					t.Errorf("status %d, want to be asked to sign in", got.status)
				case !may[r.Access] && user != "" && got.status != http.StatusForbidden:
					t.Errorf("status %d, want 403", got.status)
				}
			})
		}
	}
}

// L2: another's payslip is not there, and the look at it is noted without names or numbers.
func TestAnothersPayslip(t *testing.T) {
	tests := map[string]struct {
		user, path string
		status     int
		noted      bool
	}{
		"one's own":                              {user: "anna", path: "/payslips/P10", status: 200},
		"a colleague's":                          {user: "anna", path: "/payslips/P11", status: 404, noted: true},
		"a colleague's document":                 {user: "anna", path: "/payslips/P11/document", status: 404, noted: true},
		"one that does not exist":                {user: "anna", path: "/payslips/P99", status: 404},
		"the same number at another customer":    {user: "carl", path: "/payslips/P10", status: 200},
		"operations see no payslip of anybody's": {user: "ditte", path: "/payslips/P10", status: 403},
	}
	s := newSite(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s.log.Reset()
			got := s.visitor(t, tt.user).get(t, tt.path)
			if got.status != tt.status {
				t.Errorf("status = %d, want %d", got.status, tt.status)
			}
			if noted := strings.Contains(s.log.String(), "another employee's payslip refused"); noted != tt.noted {
				t.Errorf("noted = %t, want %t: %s", noted, tt.noted, s.log)
			}
			for _, personal := range []string{"Anna", "Holm", "P10", "P11"} {
				if strings.Contains(s.log.String(), personal) {
					t.Errorf("the log names %s: %s", personal, s.log)
				}
			}
		})
	}
}

func TestDocument(t *testing.T) {
	s := newSite(t)
	got := s.visitor(t, "anna").get(t, "/payslips/P10/document")
	if got.status != http.StatusOK || got.body != "%PDF of 10" {
		t.Errorf("document = %d %q, want the PDF", got.status, got.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/pdf", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Content-Disposition": "attachment; filename=loenseddel-2026-10-30.pdf",
	} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s = %q, want %q", name, v, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := newSite(t)
	static := s.web.Routes()[0] // any page will do beside a static file
	for _, path := range []string{"/sign-in", "/no-such-page", "/static/x/base.css", static.Path} {
		got := s.visitor(t, "").get(t, path)
		csp := got.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: Content-Security-Policy = %q", path, csp)
		}
		if got.header.Get("Strict-Transport-Security") == "" || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers = %v", path, got.header)
		}
		if strings.Contains(got.body, "style=") || strings.Contains(got.body, "onclick=") || strings.Contains(got.body, "<style") {
			t.Errorf("%s has inline style or script, which its own policy forbids", path)
		}
	}
}

func TestForgedForm(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "anna")
	got := v.do(t, http.MethodPost, "/language", url.Values{"language": {"sv"}}, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://elsewhere.example"}})
	if got.status != http.StatusForbidden || !strings.Contains(got.body, "Det har du ikke adgang til") {
		t.Errorf("status = %d, want 403 and a page", got.status)
	}
}

// L6: the portal answers to its own names only.
func TestHost(t *testing.T) {
	s := newSite(t)
	s.config.Hosts = []string{"portal.lessor.dk"}
	s.restart(t)
	for host, want := range map[string]int{"portal.lessor.dk": 200, "PORTAL.lessor.dk:443": 200, "elsewhere.example": 421, "portal.lessor.dk.elsewhere.example": 421} {
		if got := s.visitor(t, "").do(t, http.MethodGet, "/sign-in", nil, http.Header{"Host": {host}}); got.status != want {
			t.Errorf("%s: status %d, want %d", host, got.status, want)
		}
	}
}

// L20: Internet Explorer gets a page that explains, in all languages, without script or style.
func TestInternetExplorer(t *testing.T) {
	s := newSite(t)
	for name, agent := range map[string]string{
		"IE 6":  "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)",
		"IE 11": "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
	} {
		got := s.visitor(t, "").do(t, http.MethodGet, "/home", nil, http.Header{"User-Agent": {agent}})
		for _, word := range []string{"Edge", "kan ikke vise", "kan inte visa", "cannot show"} {
			if !strings.Contains(got.body, word) {
				t.Errorf("%s: the page lacks %q", name, word)
			}
		}
		if strings.Contains(got.body, "<script") || strings.Contains(got.body, "<link") {
			t.Errorf("%s: the page needs script or style", name)
		}
	}
}

func TestLanguage(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "")
	if got := v.get(t, "/sign-in"); !strings.Contains(got.body, `<html lang="da">`) {
		t.Error("the first page is not Danish")
	}
	got := v.post(t, "/language", url.Values{"language": {"sv"}, "return": {"/sign-in"}})
	if got.path != "/sign-in" || !strings.Contains(got.body, "Lösenord") {
		t.Errorf("after choosing Swedish: %s, Swedish %t", got.path, strings.Contains(got.body, "Lösenord"))
	}
	anna := s.visitor(t, "anna")
	anna.post(t, "/language", url.Values{"language": {"en"}, "return": {"/home"}})
	if got := s.visitor(t, "anna").get(t, "/home"); !strings.Contains(got.body, "My registrations") {
		t.Error("another browser of the same user does not know the language")
	}
	for _, away := range []string{"https://elsewhere.example/", "//elsewhere.example", `/\elsewhere.example`, "javascript:alert(1)"} {
		if got := s.visitor(t, "").once().post(t, "/language", url.Values{"language": {"da"}, "return": {away}}); got.header.Get("Location") != "/" {
			t.Errorf("return to %q leads to %q", away, got.header.Get("Location"))
		}
	}
}

func TestSession(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "").once()
	v.get(t, "/sign-in")
	got := v.post(t, "/sign-in", url.Values{"username": {"anna"}, "password": {password}})
	cookie := got.header.Get("Set-Cookie")
	for _, want := range []string{"__Host-session=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("Set-Cookie = %q lacks %s", cookie, want)
		}
	}
	if strings.Contains(cookie, "Max-Age") || strings.Contains(cookie, "Domain") {
		t.Errorf("Set-Cookie = %q: want a cookie of this host that ends with the browser", cookie)
	}
	s.restart(t)
	v.site = s
	v.client.CheckRedirect = nil
	base, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(cookie, "__Host-session="), ";")
	v.client.Jar.SetCookies(base, []*http.Cookie{{Name: "__Host-session", Value: first, Path: "/", Secure: true}})
	if got := v.get(t, "/home"); got.path != "/home" {
		t.Errorf("after a restart of the receiver: %s, want /home", got.path)
	}
	v.post(t, "/sign-out", url.Values{})
	v.client.Jar.SetCookies(base, []*http.Cookie{{Name: "__Host-session", Value: first, Path: "/", Secure: true}})
	if got := v.get(t, "/home"); !strings.HasPrefix(got.path, "/sign-in") {
		t.Errorf("an old token after signing out: %s, want /sign-in", got.path)
	}
}

// A token from before signing in is worth nothing afterwards: nobody can prepare a session for somebody else.
func TestSessionIsRenewedAtSignIn(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "bo").once()
	base, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	token := func() string {
		for _, c := range v.client.Jar.Cookies(base) {
			if c.Name == "__Host-session" {
				return c.Value
			}
		}
		return ""
	}
	before := token()
	v.post(t, "/sign-in", url.Values{"username": {"anna"}, "password": {password}})
	if after := token(); before == "" || after == before {
		t.Error("the session's token is the same after signing in")
	}
	stranger := s.visitor(t, "")
	stranger.client.Jar.SetCookies(base, []*http.Cookie{{Name: "__Host-session", Value: before, Path: "/", Secure: true}})
	if got := stranger.get(t, "/home"); !strings.HasPrefix(got.path, "/sign-in") {
		t.Errorf("the old token opens %s", got.path)
	}
}

// L21: the username cookie is for those who tick it, lasts 30 days, and is no session.
func TestRememberedUsername(t *testing.T) {
	s := newSite(t)
	form := url.Values{"username": {"anna"}, "password": {password}}
	if got := s.visitor(t, "").once().post(t, "/sign-in", form); strings.Contains(strings.Join(got.header.Values("Set-Cookie"), "\n"), "username") {
		t.Error("a cookie without being asked for")
	}
	form.Set("remember", "yes")
	v := s.visitor(t, "").once()
	cookies := strings.Join(v.post(t, "/sign-in", form).header.Values("Set-Cookie"), "\n")
	if !strings.Contains(cookies, "__Host-username=") || !strings.Contains(cookies, "Max-Age=2592000") || strings.Contains(cookies, "anna") {
		t.Errorf("cookies = %s, want an opaque handle for 2592000 s", cookies)
	}
	v.post(t, "/sign-out", url.Values{})
	got := v.get(t, "/sign-in")
	if !strings.Contains(got.body, `value="anna"`) || !strings.Contains(got.body, "checked") {
		t.Error("the username is not filled in")
	}
	if got := v.get(t, "/home"); got.status != http.StatusSeeOther {
		t.Errorf("the cookie opens /home: %d", got.status)
	}
	form.Del("remember")
	v.post(t, "/sign-in", form)
	v.post(t, "/sign-out", url.Values{})
	if got := v.get(t, "/sign-in"); strings.Contains(got.body, `value="anna"`) {
		t.Error("no longer ticked, and still filled in")
	}
}

func TestDisabledUserIsOut(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "anna")
	u, err := s.store.UserByName(t.Context(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.DisableUser(t.Context(), u.ID, true); err != nil {
		t.Fatal(err)
	}
	if got := v.get(t, "/home"); !strings.HasPrefix(got.path, "/sign-in") {
		t.Errorf("path = %s, want /sign-in", got.path)
	}
}

func TestStaticFilesAreKept(t *testing.T) {
	s := newSite(t)
	page := s.visitor(t, "").get(t, "/sign-in").body
	at := strings.Index(page, "/static/")
	address, _, _ := strings.Cut(page[at:], `"`)
	got := s.visitor(t, "").get(t, address)
	if got.status != http.StatusOK || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d, Cache-Control %q", address, got.status, got.header.Get("Cache-Control"))
	}
	if got := s.visitor(t, "").get(t, "/static/old/base.css"); got.status != http.StatusOK || strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		t.Errorf("of another version: %d, Cache-Control %q", got.status, got.header.Get("Cache-Control"))
	}
	if got := s.visitor(t, "").get(t, "/static/old/../../web.go"); got.status != http.StatusNotFound {
		t.Errorf("outside: %d", got.status)
	}
}

func TestStoreAwayIsUnavailable(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t, "anna")
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	got := v.get(t, "/home")
	if got.status < 500 || !strings.Contains(got.body, "<h1>") || strings.Contains(got.body, "sql") {
		t.Errorf("status %d after %s, want a page that says so and no more", got.status, time.Since(start))
	}
}

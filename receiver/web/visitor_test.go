package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/store/storetest"
	"lessor.dk/portalsync/receiver/web"
)

const password = "Havtorn-og-brombær-27"

var now = time.Date(2026, 11, 22, 11, 12, 0, 0, time.UTC)

// site is a portal with two customers and a user of each kind.
type site struct {
	store  *store.Store
	config web.Config
	web    *web.Web
	server *httptest.Server
	log    *bytes.Buffer
	one    *storetest.Company
	two    *storetest.Company
	woken  []protocol.StreamID
}

type row = storetest.Row

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{log: &bytes.Buffer{}}
	var err error
	s.store, err = store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	if err := s.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.config = web.Config{Cost: identity.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, Now: func() time.Time { return now },
		Log:  slog.New(slog.NewTextHandler(s.log, nil)),
		Wake: func(_ context.Context, _ protocol.TenantID, id protocol.StreamID) { s.woken = append(s.woken, id) }}
	s.restart(t)
	s.one = storetest.NewCompany(t, s.store, "one", "Vestkystens Savværk A/S", now)
	s.two = storetest.NewCompany(t, s.store, "two", "Fjordens Bageri ApS", now)
	for _, c := range []*storetest.Company{s.one, s.two} {
		c.Put(t, "absence_type", row{"absence_type_no": "F1", "name": "Ferie", "reportable": "true"})
		for _, no := range []string{"10", "11"} {
			slip := row{"payslip_no": "P" + no, "employee_no": no, "period_start": "2026-10-01", "period_end": "2026-10-31",
				"pay_date": "2026-10-30", "gross": "40000.00", "tax": "-13000.00", "net": "27000.00", "currency": "DKK", "document_no": "D" + no}
			c.Put(t, "payslip", slip)
			name := strings.Repeat(no, 32)
			if err := s.store.StoreBlob(t.Context(), c.Tenant, name, []byte("%PDF of "+no), now); err != nil {
				t.Fatal(err)
			}
			c.Put(t, "document", row{"document_no": "D" + no, "employee_no": no, "title": "Lønseddel", "media_type": "application/pdf", "size": "1", "content": name})
		}
	}
	s.user(t, identity.User{Username: "anna", Role: identity.Employee, Tenant: s.one.Tenant, Stream: s.one.Stream, EmployeeNo: "10"})
	s.user(t, identity.User{Username: "bo", Role: identity.Employee, Tenant: s.one.Tenant, Stream: s.one.Stream, EmployeeNo: "11"})
	s.user(t, identity.User{Username: "carl", Role: identity.Employee, Tenant: s.two.Tenant, Stream: s.two.Stream, EmployeeNo: "10"})
	s.user(t, identity.User{Username: "ditte", Role: identity.Operations})
	s.user(t, identity.User{Username: "erik", Role: identity.Administrator, Tenant: s.one.Tenant})
	return s
}

// restart starts the portal anew over the same store.
func (s *site) restart(t *testing.T) {
	t.Helper()
	if s.server != nil {
		s.server.Close()
	}
	var err error
	if s.web, err = web.New(s.store, s.config); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewTLSServer(s.web.Handler())
	t.Cleanup(s.server.Close)
}

func (s *site) user(t *testing.T, u identity.User) {
	t.Helper()
	u.Name = strings.ToUpper(u.Username[:1]) + u.Username[1:] + " Holm"
	if _, err := s.web.Identity().Create(t.Context(), identity.NewUser{User: u, Password: password}); err != nil {
		t.Fatal(err)
	}
}

// visitor is a browser without JavaScript.
type visitor struct {
	site   *site
	client *http.Client
}

func (s *site) visitor(t *testing.T, username string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := *s.server.Client()
	client.Jar = jar
	v := &visitor{site: s, client: &client}
	if username != "" {
		if got := v.post(t, "/sign-in", url.Values{"username": {username}, "password": {password}}); got.status != http.StatusOK {
			t.Fatalf("sign in as %s: %d", username, got.status)
		}
	}
	return v
}

type answer struct {
	status int
	path   string // after redirects
	header http.Header
	body   string
}

func (v *visitor) get(t *testing.T, path string) answer {
	t.Helper()
	return v.do(t, http.MethodGet, path, nil, nil)
}

func (v *visitor) post(t *testing.T, path string, form url.Values) answer {
	t.Helper()
	return v.do(t, http.MethodPost, path, form, nil)
}

func (v *visitor) do(t *testing.T, method, path string, form url.Values, header http.Header) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, v.site.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := v.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: resp.StatusCode, path: resp.Request.URL.RequestURI(), header: resp.Header, body: string(body)}
}

// once makes the visitor stop at redirects.
func (v *visitor) once() *visitor {
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return v
}

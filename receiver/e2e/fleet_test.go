package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/testenv"
	"lessor.dk/portalsync/receiver/web"
)

// manyAgents is the planned load: one agent per customer.
const manyAgents = 10_000

// fleetSQL makes customers with an agent, a stream and its 20 record kinds each: one in fifty is silent, one in a hundred
// is held, some load, some have reports that wait.
var fleetSQL = []string{`
INSERT INTO tenant (tenant_id, code, name, blob_key)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
SELECT 100 + i, 'kunde-' || CAST(i AS TEXT), 'Kunde ' || CAST(i AS TEXT) || ' A/S', $2
FROM   n`, `
INSERT INTO stream (tenant_id, stream_id, name, created_at, gen, applied_seq, lineage, position, agent_id, opened_at, applied_at, captured_at, rows_applied)
SELECT tenant_id, tenant_id, 'Løn', $1, 1700000000000, 4711, 'line-1', 812345, tenant_id, $1, $1, $1, 123456
FROM   tenant
WHERE  tenant_id > 100`, `
INSERT INTO agent (tenant_id, agent_id, stream_id, hostname, version, platform, main_system, address, enrolled_at, last_contact, status)
SELECT tenant_id, tenant_id, tenant_id, 'loen-' || CAST(tenant_id AS TEXT), '1.4.2', 'windows/amd64', 'SQL Server 2022', '198.51.100.24', $1,
       CAST($1 AS BIGINT) - CASE WHEN tenant_id % 50 = 0 THEN 3600000 ELSE 0 END, $2
FROM   tenant
WHERE  tenant_id > 100`, `
INSERT INTO stream_kind (tenant_id, stream_id, kind, state, snapshot_id, held, captured_at)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
SELECT tenant_id, tenant_id, 'kind_' || CAST(i AS TEXT),
       CASE WHEN i = 3 AND tenant_id % 100 = 7 THEN 'sweeping' WHEN i = 4 AND tenant_id % 70 = 3 THEN 'running' ELSE 'ok' END, 1,
       CASE WHEN i = 3 AND tenant_id % 100 = 7 THEN 1 ELSE 0 END, $1
FROM   stream, n
WHERE  tenant_id > 100`, `
INSERT INTO report (tenant_id, report_id, stream_id, user_id, employee_no, type, fields, state, submission_key, submitted_at)
SELECT tenant_id, 'R' || CAST(tenant_id AS TEXT), tenant_id, 1, '1', 'absence', '{}', 'sent', 'k', $1
FROM   tenant
WHERE  tenant_id > 100 AND tenant_id % 20 = 1`}

func fillFleet(b *testing.B, driver, address string) {
	b.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	at := time.Now().UnixMilli()
	status := fmt.Sprintf(`{"state":"following","position":812345,"source_at":%d,"rows_sent":4711,"batches_out":0,"reports_in":12}`, at)
	args := [][]any{{manyAgents, []byte("0123456789abcdef0123456789abcdef")}, {at}, {at, status}, {at}, {at}}
	for i, statement := range fleetSQL {
		if _, err := db.ExecContext(b.Context(), statement, args[i]...); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
	if _, err := db.ExecContext(b.Context(), "ANALYZE"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFleetPages measures the server time of the pages of operations with 10,000 agents in the store.
func BenchmarkFleetPages(b *testing.B) {
	file := filepath.Join(b.TempDir(), "portal.db")
	for name, at := range map[string]struct{ url, driver, address string }{
		"sqlite":   {"sqlite:" + file, "sqlite", file},
		"postgres": {driver: "pgx"},
	} {
		b.Run(name, func(b *testing.B) {
			if at.url == "" {
				at.url = testenv.Postgres(b)
				at.address = at.url
			}
			s, err := store.Open(b.Context(), at.url, store.Config{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			if current, _, err := s.SchemaVersion(b.Context()); err != nil || current == 0 {
				if err := errors.Join(err, s.Migrate(b.Context())); err != nil {
					b.Fatal(err)
				}
				fillFleet(b, at.driver, at.address)
			}
			w, err := web.New(s, web.Config{Cost: cheap})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Identity().Create(b.Context(), identity.NewUser{User: identity.User{Username: "drift", Role: identity.Operations}, Password: password}); err != nil {
				b.Fatal(err)
			}
			cookie := operationsCookie(b, w.Handler())
			for page, path := range map[string]string{
				"list": "/operations", "state": "/operations?state=offline", "search": "/operations?q=kunde-77", "agent": "/operations/agents/5100/5100",
			} {
				b.Run(page, func(b *testing.B) { measure(b, w.Handler(), path, cookie) })
			}
		})
	}
}

func operationsCookie(b *testing.B, h http.Handler) string {
	b.Helper()
	form := url.Values{"username": {"drift"}, "password": {password}}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "https://portal.example/sign-in", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	if cookie == "" {
		b.Fatalf("sign in: %d", w.Code)
	}
	return cookie
}

// measure reports the 95th percentile of a page's server time, and its size.
func measure(b *testing.B, h http.Handler, path, cookie string) {
	b.Helper()
	var times []time.Duration
	size := 0
	for b.Loop() {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://portal.example"+path, nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		began := time.Now()
		h.ServeHTTP(w, r)
		times = append(times, time.Since(began))
		if size = w.Body.Len(); w.Code != http.StatusOK {
			b.Fatalf("%s: %d", path, w.Code)
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(size)/1024, "page-KiB")
}

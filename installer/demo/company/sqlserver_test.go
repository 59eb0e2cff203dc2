package company

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/plan"
)

// scratch makes an empty database on the server of TEST_SQLSERVER_DSN and opens it.
func scratch(t *testing.T) (*Company, string) {
	t.Helper()
	address := os.Getenv("TEST_SQLSERVER_DSN")
	if address == "" {
		t.Skip("TEST_SQLSERVER_DSN is not set: sqlserver://USER:PASSWORD@HOST:PORT?database=master of a login that may make databases")
	}
	server, err := OpenServer(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	name := "portalsync_" + strings.ToLower(rand.Text()[:12])
	if _, err := server.db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("the login of TEST_SQLSERVER_DSN may not make a database for this test: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := server.db.ExecContext(ctx, "DROP DATABASE "+name); err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("database", name)
	u.RawQuery = q.Encode()
	c, err := OpenServer(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, u.String()
}

// content reads a table as texts that are the same whatever the database calls its types, in the order of the rows.
func (c *Company) content(t *testing.T, table string) []string {
	t.Helper()
	rows, err := c.db.QueryContext(t.Context(), "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		values := make([]any, len(types))
		targets := make([]any, len(types))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for i, v := range values {
			if name := types[i].Name(); !strings.EqualFold(name, "Version") {
				fmt.Fprintf(&b, "%s=%s ", name, plain(name, types[i].DatabaseTypeName(), v))
			}
		}
		all = append(all, b.String())
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	slices.Sort(all)
	return all
}

func plain(column, kind string, value any) string {
	switch v := value.(type) {
	case time.Time:
		if kind == "TIME" {
			return v.Format("15:04")
		}
		return day(v)
	case bool:
		if v {
			return "1"
		}
		return "0"
	case int64:
		if column == "BilagNr" {
			return hex.EncodeToString(documentNo(v).guid())
		}
	case []byte:
		if kind == "DECIMAL" || kind == "MONEY" {
			return strings.TrimRight(strings.TrimRight(string(v), "0"), ".")
		}
		return hex.EncodeToString(v)
	case string:
		return strings.TrimRight(v, " ")
	}
	return fmt.Sprint(value)
}

// One generator, two databases: what the server holds is what the file holds, then after a pay run and a report.
func TestServerHoldsTheSameCompany(t *testing.T) {
	server, _ := scratch(t)
	cfg := Config{Employees: 30, Months: 5}
	file, err := Open(create(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cfg.Today = today
	start := time.Now()
	if made, err := server.Found(t.Context(), cfg); err != nil || !made {
		t.Fatal(made, err)
	}
	t.Logf("founded in %v", time.Since(start))
	same := func(when string) {
		for _, table := range ownTables() {
			if d := cmp.Diff(file.content(t, table), server.content(t, table)); d != "" {
				t.Fatalf("%s: %s differs (-file +server):\n%.2000s", when, table, d)
			}
		}
	}
	same("at first")
	now := time.Date(2026, time.November, 22, 23, 30, 0, 0, time.UTC)
	for _, c := range []*Company{file, server} {
		if _, n, err := c.PayRun(t.Context()); err != nil || n < 20 {
			t.Fatalf("PayRun = %d, %v", n, err)
		}
		if err := c.SetBalance(t.Context(), "1004", ferie, 1731, today); err != nil {
			t.Fatal(err)
		}
		for _, report := range []string{"first", "again"} {
			if _, err := c.db.ExecContext(t.Context(), `INSERT INTO PortalIndberetning (RapportID, MedarbejderNr, Art, Fra, Til, Antal, Enhed, Bemaerkning)
				VALUES (@report, 1004, 'F', '2029-01-01', '2029-01-02', 2, 'D', 'Blåbærgrød')`, sql.Named("report", report)); err != nil {
				t.Fatal(err)
			}
		}
		if taken, refused, err := c.TakeReports(t.Context(), now); err != nil || taken != 1 || refused != 1 {
			t.Errorf("TakeReports = %d taken, %d refused, %v, want one of each", taken, refused, err)
		}
		if all, own, err := c.Reports(t.Context(), "first"); err != nil || all != 2 || own != 1 {
			t.Errorf("Reports = %d, %d, %v, want 2 and 1", all, own, err)
		}
	}
	if _, err := file.db.ExecContext(t.Context(), "UPDATE IndberetningsResultat SET Afgjort = '2026-11-23'"); err != nil { // the server's is Danish time
		t.Fatal(err)
	}
	same("after a pay run and reports")
}

func TestServerIsLeftAsItWas(t *testing.T) {
	c, address := scratch(t)
	ctx := t.Context()
	var name string
	if err := c.db.QueryRowContext(ctx, "SELECT DB_NAME()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	exec := func(statement string) {
		t.Helper()
		if _, err := c.db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	cfg := Config{Employees: 3, Months: 1, Today: today}

	exec("CREATE TABLE dbo.Fremmed (Nr int PRIMARY KEY)")
	if _, err := c.Found(ctx, cfg); err == nil || !strings.Contains(err.Error(), "1 tables that are not the demo's, such as fremmed: nothing was done") {
		t.Errorf("Found beside somebody's table = %v, want a refusal that names it", err)
	}
	exec("DROP TABLE dbo.Fremmed")
	exec("CREATE TABLE dbo.Medarbejder (Nr int PRIMARY KEY)")
	if _, err := c.Found(ctx, cfg); err == nil || !strings.Contains(err.Error(), "that the demo did not make") {
		t.Errorf("Found beside a table of a company's name = %v, want a refusal", err)
	}
	if err := c.Remove(ctx); err == nil {
		t.Error("Remove takes a table that the demo did not make")
	}
	exec("DROP TABLE dbo.Medarbejder")

	exec(foundationSQL) // a run that was killed in the middle
	exec("CREATE TABLE dbo.Afdeling (AfdelingNr int)")
	if made, err := c.Found(ctx, cfg); err != nil || !made {
		t.Fatalf("Found after half a company = %t, %v", made, err)
	}
	var employees int
	count := func() int {
		if err := c.db.QueryRowContext(ctx, "SELECT count(*) FROM dbo.Medarbejder").Scan(&employees); err != nil {
			t.Fatal(err)
		}
		return employees
	}
	exec("DELETE FROM dbo.Medarbejder WHERE MedarbejderNr = 1003")
	if made, err := c.Found(ctx, cfg); err != nil || made || count() != 2 {
		t.Errorf("Found on a complete company = %v, %d employees, want it left as it is", err, employees)
	}
	text, err := c.Plan(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mode, err := c.Mode(ctx)
	if p, e := plan.Parse("plan.yaml", text); err != nil || e != nil || string(p.Mode) != mode {
		t.Errorf("plan = %v, mode %s, %v", e, mode, err)
	}

	exec("CREATE TABLE dbo.Fremmed (Nr int PRIMARY KEY)")
	if err := c.Remove(ctx); err == nil {
		t.Error("Remove works in a database that somebody else uses by now")
	}
	exec("DROP TABLE dbo.Fremmed")
	if err := c.Remove(ctx); err != nil {
		t.Fatal(err)
	}
	if left, err := c.names(ctx, tablesSQL); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	master, err := OpenServer(ctx, strings.Replace(address, "database="+name, "database=master", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if _, err := master.Found(ctx, cfg); err == nil || !strings.Contains(err.Error(), "master is the server's own database") {
		t.Errorf("Found in master = %v, want a refusal", err)
	}
	if _, err := OpenServer(ctx, strings.ReplaceAll(address, "database=", "databse=")); err == nil || !strings.Contains(err.Error(), "names no database") {
		t.Errorf("OpenServer without a database = %v", err)
	}
}

func TestServerAddresses(t *testing.T) {
	const secret = "hemmelig7"
	for name, address := range map[string]string{
		"another scheme":      "postgres://sa:" + secret + "@127.0.0.1?database=x",
		"no URL":              "Server=127.0.0.1;Password=" + secret,
		"no database":         "sqlserver://sa:" + secret + "@127.0.0.1",
		"a port that is none": "sqlserver://sa:" + secret + "@127.0.0.1:x?database=y",
		"nobody listens":      "sqlserver://sa:" + secret + "@127.0.0.1:1?database=y&dial+timeout=1",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := OpenServer(t.Context(), address)
			if err == nil {
				t.Error(c.Close())
			}
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("OpenServer = %v, want an error without the password", err)
			}
		})
	}
}

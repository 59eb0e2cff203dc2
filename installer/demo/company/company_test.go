package company

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/plan"
)

var today = time.Date(2026, time.November, 22, 0, 0, 0, 0, time.UTC)

func create(t *testing.T, cfg Config) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.db")
	cfg.Today = today
	start := time.Now()
	if err := Create(t.Context(), file, cfg); err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", time.Since(start))
	return file
}

func TestCompany(t *testing.T) {
	file := create(t, Config{})
	c, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tests := map[string]struct {
		query    string
		min, max float64
	}{
		"300 employees":                      {"SELECT count(*) FROM Medarbejder", 300, 300},
		"12 departments":                     {"SELECT count(*) FROM Afdeling", 12, 12},
		"everybody in a department":          {"SELECT count(*) FROM Medarbejder JOIN Afdeling USING (AfdelingNr)", 300, 300},
		"three years of payslips":            {"SELECT count(DISTINCT PeriodeFra) FROM Loenseddel", 36, 36},
		"at least ten lines":                 {"SELECT min(n) FROM (SELECT count(*) n FROM Loenlinje GROUP BY LoenseddelNr)", 10, 12},
		"at most twenty lines":               {"SELECT max(n) FROM (SELECT count(*) n FROM Loenlinje GROUP BY LoenseddelNr)", 14, 20},
		"the lines make the net pay":         {"SELECT count(*) FROM Loenseddel s WHERE round(Netto - (SELECT sum(Beloeb) FROM Loenlinje l WHERE l.LoenseddelNr = s.LoenseddelNr AND Gruppe <> 'Oplysning'), 2) <> 0", 0, 0},
		"nobody is paid less than nothing":   {"SELECT min(Netto) FROM Loenseddel", 12000, 30000},
		"a manager is not a millionaire":     {"SELECT max(Brutto) FROM Loenseddel", 50000, 110000},
		"AM-bidrag is about eight percent":   {"SELECT sum(-Beloeb) * 100 / (SELECT sum(Brutto) FROM Loenseddel) FROM Loenlinje WHERE Loenart = '4010'", 7.4, 8},
		"recent payslips have a document":    {"SELECT count(*) FROM Bilag JOIN Loenseddel USING (BilagNr)", 700, 900},
		"somebody has left":                  {"SELECT count(*) FROM Medarbejder WHERE Status = 'F'", 3, 30},
		"leavers get no pay":                 {"SELECT count(*) FROM Loenseddel JOIN Medarbejder USING (MedarbejderNr) WHERE PeriodeFra > Fratraadt", 0, 0},
		"everybody has four balances":        {"SELECT count(*) FROM Saldo", 1200, 1200},
		"absences":                           {"SELECT count(*) FROM Fravaer", 1000, 4000},
		"some absences wait":                 {"SELECT count(*) FROM Fravaer WHERE Status = 'A'", 10, 300},
		"schedules":                          {"SELECT count(*) FROM Vagtplan", 10000, 12500},
		"all but the director have approver": {"SELECT count(*) FROM Godkender", 299, 299},
		"a next pay date":                    {"SELECT count(*) FROM Loenkalender WHERE Dispositionsdato > '2026-11-22'", 12, 12},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got float64
			if err := c.db.QueryRowContext(t.Context(), tt.query).Scan(&got); err != nil || got < tt.min || got > tt.max {
				t.Errorf("got %v, %v, want %v to %v", got, err, tt.min, tt.max)
			}
		})
	}
	t.Run("no CPR number is anybody's", func(t *testing.T) {
		rows, err := c.db.QueryContext(t.Context(), "SELECT CPR FROM Medarbejder")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var c string
			if err := rows.Scan(&c); err != nil {
				t.Fatal(err)
			}
			if cprChecks(c[:6] + c[7:]) {
				t.Errorf("a CPR number passes its check digit")
			}
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
	})
	t.Run("a payslip is a PDF", func(t *testing.T) {
		var content []byte
		if err := c.db.QueryRowContext(t.Context(), "SELECT Indhold FROM Bilag LIMIT 1").Scan(&content); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(content, []byte("%PDF-1.")) || !bytes.Contains(content, []byte("%%EOF")) || len(content) > 8000 {
			t.Errorf("document of %d bytes is not a small PDF", len(content))
		}
	})
}

func TestSameSeedSameCompany(t *testing.T) {
	sum := func(seed uint64) string {
		b, err := os.ReadFile(create(t, Config{Employees: 20, Months: 4, Seed: seed}))
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.Sum256(b)
		return hex.EncodeToString(h[:])
	}
	if first, second := sum(7), sum(7); first != second {
		t.Error("two companies of one seed differ")
	}
	if sum(7) == sum(8) {
		t.Error("two seeds make the same company")
	}
}

func TestPlanParses(t *testing.T) {
	p, err := plan.Parse("plan.yaml", Plan)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Kinds) != 22 || p.Inbox("absence") == nil {
		t.Errorf("the plan has %d kinds and inbox %v, want all 22 and absence", len(p.Kinds), p.Inbox("absence"))
	}
}

func TestPayRun(t *testing.T) {
	c, err := Open(create(t, Config{Employees: 40, Months: 3}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	title, n, err := c.PayRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if title != "Løn november 2026" || n < 30 || n > 40 {
		t.Errorf("PayRun = %q, %d payslips, want November for nearly all", title, n)
	}
	for query, want := range map[string]float64{
		"SELECT count(*) FROM Loenseddel s WHERE PeriodeFra = '2026-11-01' AND NOT EXISTS (SELECT 1 FROM Bilag b WHERE b.BilagNr = s.BilagNr)":                                 0,
		"SELECT count(*) FROM Loenseddel s WHERE round(Netto - (SELECT sum(Beloeb) FROM Loenlinje l WHERE l.LoenseddelNr = s.LoenseddelNr AND Gruppe <> 'Oplysning'), 2) <> 0": 0,
		// September to November are in one year: what stands as year to date is the sum of three months.
		"SELECT count(*) FROM Loenlinje l WHERE Loenart = '4010' AND LoenseddelNr % 10000 = 2611 AND round(AarTilDato - (SELECT sum(Beloeb) FROM Loenlinje o WHERE o.MedarbejderNr = l.MedarbejderNr AND o.Loenart = '4010'), 2) <> 0": 0,
	} {
		var got float64
		if err := c.db.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %v, %v, want %v", query, got, err, want)
		}
	}
}

func TestTakeReports(t *testing.T) {
	c, err := Open(create(t, Config{Employees: 12, Months: 1}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	exec := func(query string) {
		t.Helper()
		if _, err := c.db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	exec("DELETE FROM Fravaer")
	exec("UPDATE Medarbejder SET Status = 'A'")
	exec(`INSERT INTO PortalIndberetning (RapportID, MedarbejderNr, Art, Fra, Til, Antal, Enhed) VALUES
		('1', 1001, 'F', '2027-01-04', '2027-01-06', 3, 'D'), ('2', 1001, 'F', '2027-01-06', '2027-01-07', 2, 'D'),
		('3', 9999, 'F', '2027-01-04', '2027-01-04', 1, 'D')`)
	taken, refused, err := c.TakeReports(t.Context(), today)
	if err != nil || taken != 1 || refused != 2 {
		t.Fatalf("TakeReports = %d, %d, %v, want one taken, the overlapping and the unknown one refused", taken, refused, err)
	}
	exec("INSERT INTO PortalIndberetning (RapportID, MedarbejderNr, Art, Fra, Til, Antal, Enhed) VALUES ('4', 1001, 'F', '2027-01-05', '2027-01-05', 1, 'D')")
	if taken, refused, err = c.TakeReports(t.Context(), today); err != nil || taken != 0 || refused != 1 {
		t.Errorf("TakeReports again = %d, %d, %v, want the overlapping one refused and no other looked at", taken, refused, err)
	}
}

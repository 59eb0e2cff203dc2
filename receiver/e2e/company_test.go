package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/store/storetest"
)

// now is when every page of these tests is looked at.
var now = time.Date(2026, 11, 22, 11, 12, 0, 0, time.UTC)

const password = "Havtorn-og-brombær-27"

// cheap makes password hashes that a test can afford.
var cheap = identity.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}

type row = storetest.Row

// newCompany fills a customer with the records of two employees. All names and numbers are invented.
func newCompany(t *testing.T, s *store.Store) *storetest.Company {
	t.Helper()
	c := storetest.NewCompany(t, s, "vestkyst", "Vestkystens Savværk A/S", now.Add(-8*time.Minute))
	c.Put(t, "department", row{"department_no": "20", "name": "Lager"})
	c.Put(t, "employee",
		row{"employee_no": "10017", "name": "Anna Holm", "job_title": "Lagerleder", "department_no": "20", "active": "true"},
		row{"employee_no": "10018", "name": "Bo Lindqvist", "job_title": "Chauffør", "department_no": "20", "active": "true"})
	c.Put(t, "pay_calendar", row{"pay_calendar_no": "2026-11", "name": "Månedsløn", "period_start": "2026-11-01",
		"period_end": "2026-11-30", "pay_date": "2026-11-27"})
	c.Put(t, "balance_type",
		row{"balance_type_no": "FE", "name": "Ferie", "unit": "dage", "sort": "1", "name_sv": "Semester", "name_en": "Holiday"},
		row{"balance_type_no": "FF", "name": "Feriefridage", "unit": "dage", "sort": "2", "name_sv": "Semesterfridagar", "name_en": "Extra days off"},
		row{"balance_type_no": "FX", "name": "Fleks", "unit": "timer", "sort": "3", "name_sv": "Flex", "name_en": "Flexitime"})
	c.Put(t, "balance",
		row{"employee_no": "10017", "balance_type_no": "FE", "amount": "18.48", "earned": "25", "used": "6.52", "as_of": "2026-10-31"},
		row{"employee_no": "10017", "balance_type_no": "FF", "amount": "3", "as_of": "2026-10-31"},
		row{"employee_no": "10017", "balance_type_no": "FX", "amount": "-2.75", "as_of": "2026-11-20"})
	c.Put(t, "absence_type",
		row{"absence_type_no": "F1", "name": "Ferie", "unit": "dage", "reportable": "true", "balance_type_no": "FE", "sort": "1", "name_sv": "Semester", "name_en": "Holiday"},
		row{"absence_type_no": "F2", "name": "Feriefridag", "unit": "dage", "reportable": "true", "balance_type_no": "FF", "sort": "2", "name_sv": "Semesterfridag", "name_en": "Extra day off"},
		row{"absence_type_no": "S1", "name": "Egen sygdom", "unit": "dage", "reportable": "true", "sort": "3", "name_sv": "Egen sjukdom", "name_en": "Own illness"},
		row{"absence_type_no": "B1", "name": "Barns første sygedag", "unit": "dage", "reportable": "true", "sort": "4", "name_sv": "Vård av barn, första dagen", "name_en": "Child's first day of illness"},
		row{"absence_type_no": "X9", "name": "Suspenderet", "unit": "dage", "reportable": "false", "sort": "9"})
	c.Put(t, "absence",
		row{"absence_no": "1", "employee_no": "10017", "absence_type_no": "F1", "first_day": "2026-07-13", "last_day": "2026-07-31", "quantity": "15", "unit": "dage", "state": "Godkendt"},
		row{"absence_no": "2", "employee_no": "10017", "absence_type_no": "S1", "first_day": "2026-03-04", "last_day": "2026-03-05", "quantity": "2", "unit": "dage", "state": "Afregnet"},
		row{"absence_no": "3", "employee_no": "10017", "absence_type_no": "F1", "first_day": "2025-12-22", "last_day": "2026-01-02", "quantity": "6", "unit": "dage", "state": "Afregnet"})
	for month := range 22 {
		putPayslip(t, c, "10017", time.Date(2025, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC), int64(month))
	}
	putPayslip(t, c, "10018", time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), 3)
	name := strings.Repeat("ab", 32)
	if err := s.StoreBlob(t.Context(), c.Tenant, name, []byte("%PDF-1.4\n% invented\n"), now); err != nil {
		t.Fatal(err)
	}
	c.Put(t, "document", row{"document_no": "D1", "employee_no": "10017", "title": "Lønseddel oktober 2026",
		"media_type": "application/pdf", "size": "20", "content": name})
	checkIn(t, c, protocol.AgentStatus{State: "following", Position: 8123, SourceAt: now.Add(-8 * time.Minute).UnixMilli(), RowsSent: 48211,
		LastTrouble: &protocol.Trouble{Code: "tls-issuer", From: now.Add(-37 * time.Minute).UnixMilli(), Until: now.Add(-25 * time.Minute).UnixMilli(),
			Sentence: `The certificate shown for portal.lessor.dk is issued by "Savværkets Webfilter", which this computer does not trust: TLS is intercepted; exempt the address, or add that issuer's certificate to the agent's settings.`}})
	return c
}

func checkIn(t *testing.T, c *storetest.Company, status protocol.AgentStatus) {
	t.Helper()
	if err := c.Store.SaveCheckIn(t.Context(), c.Tenant, c.Agent, status, "198.51.100.24", now.Add(-9*time.Second)); err != nil {
		t.Fatal(err)
	}
}

func putPayslip(t *testing.T, c *storetest.Company, employee string, from time.Time, n int64) {
	t.Helper()
	no := from.Format("200601") + "-" + employee
	last := from.AddDate(0, 1, -1)
	slip := row{"payslip_no": no, "employee_no": employee, "period_start": from.Format(time.DateOnly), "period_end": last.Format(time.DateOnly),
		"pay_date": last.AddDate(0, 0, -1).Format(time.DateOnly), "gross": kroner(4215000 + n*13171), "tax": kroner(-1348211 - n*4001),
		"net": kroner(2741233 + n*8120), "currency": "DKK"}
	if employee == "10017" && from.Year() == 2026 && from.Month() == 10 {
		slip["document_no"] = "D1"
	}
	c.Put(t, "payslip", slip)
	line := func(i int, section, code, label, quantity, unit, rate string, amount int64) row {
		r := row{"payslip_no": no, "line_no": fmt.Sprint(i), "employee_no": employee, "code": code, "label": label,
			"amount": kroner(amount), "year_to_date": kroner(amount * 10), "section": section}
		for k, v := range map[string]string{"quantity": quantity, "unit": unit, "rate": rate} {
			if v != "" {
				r[k] = v
			}
		}
		return r
	}
	c.Put(t, "payslip_line",
		line(1, "Løn", "1000", "Månedsløn", "", "", "", 3850000+n*13171),
		line(2, "Løn", "1110", "Overarbejde 50 %", "6.5", "timer", "338.46", 220000),
		line(3, "Løn", "1310", "Genetillæg aften", "18", "timer", "42.50", 76500),
		line(4, "Ferie", "2100", "Ferietillæg", "", "", "", 68500),
		line(5, "Pension", "3100", "Pension, medarbejder 4 %", "", "", "", -168600),
		line(6, "Skat", "3000", "ATP-bidrag", "", "", "", -9900),
		line(7, "Skat", "4000", "AM-bidrag 8 %", "", "", "", -323700),
		line(8, "Skat", "4100", "A-skat 37 %", "", "", "", -1024511-n*4001),
		line(9, "Fradrag", "5200", "Kantineordning", "21", "dage", "24.00", -50400))
}

func kroner(hundredths int64) string {
	sign := ""
	if hundredths < 0 {
		sign, hundredths = "-", -hundredths
	}
	return fmt.Sprintf("%s%d.%02d", sign, hundredths/100, hundredths%100)
}

// submit reports an absence of Anna's and moves it as far as the events say.
func submit(t *testing.T, c *storetest.Company, user identity.UserID, key string, at time.Time, fields map[string]string) protocol.ReportID {
	t.Helper()
	r, _, err := c.Store.SubmitReport(t.Context(), report.Submission{Tenant: c.Tenant, Stream: c.Stream, User: user, Actor: "Anna Holm",
		EmployeeNo: "10017", Type: report.TypeAbsence, Fields: fields, Key: key, At: at})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

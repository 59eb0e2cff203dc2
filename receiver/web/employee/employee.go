// Package employee holds an employee's own pages: home, payslips, absence and what the employee has reported.
// Every query names the employee, so that nobody sees another's data (L2).
package employee

import (
	"context"
	"embed"
	"log/slog"
	"net/http"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

//go:embed *.html
var files embed.FS

// Set returns the pages of this package.
func Set() ui.Set {
	return ui.Set{Files: files, Parts: []string{"parts.html"}, Pages: []ui.Page{
		{Name: "home", Data: Home{}},
		{Name: "payslips", Data: Payslips{}},
		{Name: "payslip", Data: Payslip{}},
		{Name: "absence", Data: Absence{}},
		{Name: "report-absence", Data: ReportAbsence{}},
		{Name: "check-absence", Data: CheckAbsence{}},
		{Name: "registrations", Data: Registrations{}},
		{Name: "registration", Data: Registration{}},
		{Name: "receipt", Data: Receipt{}},
		{Name: "cancel", Data: Cancel{}},
	}}
}

// Records are what the pages read and write.
type Records interface {
	PayRecords
	AbsenceRecords
	Reports
	Employee(ctx context.Context, e store.EmployeeRef) (store.EmployeeRecord, error)
	KindAges(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) (map[string]store.KindAge, error)
}

// PayRecords are payslips and their documents.
type PayRecords interface {
	NextPayDate(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, from time.Time) (time.Time, error)
	Payslips(ctx context.Context, e store.EmployeeRef, limit int) ([]store.Payslip, error)
	Payslip(ctx context.Context, e store.EmployeeRef, no string) (store.Payslip, []store.PayslipLine, error)
	PayslipExists(ctx context.Context, e store.EmployeeRef, no string) (bool, error)
	Document(ctx context.Context, e store.EmployeeRef, no string) (store.Document, error)
	Blob(ctx context.Context, tenant protocol.TenantID, name string) ([]byte, error)
}

// AbsenceRecords are balances and absences as the main system knows them.
type AbsenceRecords interface {
	Balances(ctx context.Context, e store.EmployeeRef) ([]store.Balance, error)
	AbsenceTypes(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) ([]store.AbsenceType, error)
	Absences(ctx context.Context, e store.EmployeeRef, limit int) ([]store.Absence, error)
}

// Reports are what the employee reports, and the drafts before.
type Reports interface {
	SubmitReport(ctx context.Context, s report.Submission) (r report.Report, first bool, err error)
	ReportByKey(ctx context.Context, tenant protocol.TenantID, user identity.UserID, key string) (report.Report, error)
	Report(ctx context.Context, e store.EmployeeRef, id protocol.ReportID) (report.Report, error)
	Reports(ctx context.Context, e store.EmployeeRef, limit int) ([]report.Report, error)
	CancelReport(ctx context.Context, e store.EmployeeRef, id protocol.ReportID, actor string, at time.Time) error
	SaveDraft(ctx context.Context, tenant protocol.TenantID, user identity.UserID, d store.Draft) error
	Draft(ctx context.Context, tenant protocol.TenantID, user identity.UserID, key string) (store.Draft, error)
	Drafts(ctx context.Context, tenant protocol.TenantID, user identity.UserID) ([]store.Draft, error)
	DeleteDraft(ctx context.Context, tenant protocol.TenantID, user identity.UserID, key string) error
}

// Config tunes the Pages. The zero value is not usable: Wake and Log are needed.
type Config struct {
	Wake func(context.Context, protocol.TenantID, protocol.StreamID) // told when a report waits
	Log  *slog.Logger
}

// Pages are the employee's pages.
type Pages struct {
	ui      *ui.UI
	records Records
	wake    func(context.Context, protocol.TenantID, protocol.StreamID)
	log     *slog.Logger
}

// New returns the employee's pages.
func New(u *ui.UI, records Records, cfg Config) *Pages {
	return &Pages{ui: u, records: records, wake: cfg.Wake, log: cfg.Log}
}

// Routes returns the addresses of the employee's pages.
func (p *Pages) Routes() []ui.Route {
	get, post := http.MethodGet, http.MethodPost
	routes := []ui.Route{
		{Method: get, Path: "/home", Handle: p.home},
		{Method: get, Path: "/payslips", Handle: p.payslips},
		{Method: get, Path: "/payslips/:no", Handle: p.payslip},
		{Method: get, Path: "/payslips/:no/document", Handle: p.document},
		{Method: get, Path: "/absence", Handle: p.absence},
		{Method: get, Path: "/absence/report", Handle: p.newAbsence},
		{Method: post, Path: "/absence/report", Handle: p.saveAbsence},
		{Method: get, Path: "/absence/report/:key", Handle: p.editAbsence},
		{Method: get, Path: "/absence/report/:key/check", Handle: p.checkAbsence},
		{Method: post, Path: "/absence/report/:key/submit", Handle: p.submitAbsence},
		{Method: post, Path: "/absence/report/:key/delete", Handle: p.deleteDraft},
		{Method: get, Path: "/registrations", Handle: p.registrations},
		{Method: get, Path: "/registrations/:id", Handle: p.registration},
		{Method: get, Path: "/registrations/:id/receipt", Handle: p.receipt},
		{Method: get, Path: "/registrations/:id/cancel", Handle: p.confirmCancel},
		{Method: post, Path: "/registrations/:id/cancel", Handle: p.cancel},
	}
	for i := range routes {
		routes[i].Access = ui.Employees
	}
	return routes
}

// me is whom a visitor's pages are about: always the visitor.
func me(v *ui.Visit) store.EmployeeRef {
	return store.EmployeeRef{Tenant: v.User.Tenant, Stream: v.User.Stream, No: v.User.EmployeeNo}
}

// Limits of the lists: far beyond what an employee has, so that no page reads without bound.
const (
	maxPayslips = 600
	maxAbsences = 400
	maxReports  = 200
)

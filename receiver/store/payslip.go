package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Payslip is one payslip (Lønseddel) without its lines.
type Payslip struct {
	No          string
	Title       string // of an extra pay run; empty for the ordinary one
	PeriodStart time.Time
	PeriodEnd   time.Time
	PayDate     time.Time
	Gross       Decimal
	Tax         Decimal
	Net         Decimal
	Currency    string
	DocumentNo  string // empty when there is no document
}

// PayslipLine is one line of a payslip.
type PayslipLine struct {
	Section    string // the main system's heading; empty for none
	Code       string
	Label      string
	Quantity   Decimal
	Unit       string
	Rate       Decimal
	Amount     Decimal
	YearToDate Decimal
}

const payslipColumns = `payslip_no, COALESCE(title, ''), period_start, period_end, pay_date, gross, tax, net, currency, COALESCE(document_no, '')`

const (
	moneyScale = 2
	lineScale  = 4
)

const payslipsSQL = `
SELECT ` + payslipColumns + `
FROM   rec_payslip
WHERE  tenant_id = $1 AND stream_id = $2 AND employee_no = $3
ORDER  BY pay_date DESC, payslip_no DESC
LIMIT  $4`

// Payslips returns an employee's newest payslips, newest first.
func (s *Store) Payslips(ctx context.Context, e EmployeeRef, limit int) ([]Payslip, error) {
	return list(ctx, s.read, "payslips", scanPayslip, payslipsSQL, e.Tenant, e.Stream, e.No, limit)
}

const payslipSQL = `
SELECT ` + payslipColumns + `
FROM   rec_payslip
WHERE  tenant_id = $1 AND stream_id = $2 AND employee_no = $3 AND payslip_no = $4`

const payslipLinesSQL = `
SELECT COALESCE(section, ''), code, label, quantity, COALESCE(unit, ''), rate, amount, year_to_date
FROM   rec_payslip_line
WHERE  tenant_id = $1 AND stream_id = $2 AND payslip_no = $3 AND employee_no = $4
ORDER  BY line_no`

// Payslip returns an employee's payslip with its lines. Another employee's is ErrNotFound (L2).
func (s *Store) Payslip(ctx context.Context, e EmployeeRef, no string) (Payslip, []PayslipLine, error) {
	found, err := list(ctx, s.read, "payslip", scanPayslip, payslipSQL, e.Tenant, e.Stream, e.No, no)
	if err != nil {
		return Payslip{}, nil, err
	}
	if len(found) == 0 {
		return Payslip{}, nil, fmt.Errorf("read payslip: %w", ErrNotFound)
	}
	lines, err := list(ctx, s.read, "payslip lines", func(rows *sql.Rows, l *PayslipLine) error {
		var quantity, rate, amount, ytd sql.NullInt64
		err := rows.Scan(&l.Section, &l.Code, &l.Label, &quantity, &l.Unit, &rate, &amount, &ytd)
		l.Quantity, l.Rate = decimal(quantity, lineScale), decimal(rate, lineScale)
		l.Amount, l.YearToDate = decimal(amount, moneyScale), decimal(ytd, moneyScale)
		return err
	}, payslipLinesSQL, e.Tenant, e.Stream, no, e.No)
	return found[0], lines, err
}

func scanPayslip(rows *sql.Rows, p *Payslip) error {
	var start, end, pay, gross, tax, net sql.NullInt64
	err := rows.Scan(&p.No, &p.Title, &start, &end, &pay, &gross, &tax, &net, &p.Currency, &p.DocumentNo)
	p.PeriodStart, p.PeriodEnd, p.PayDate = day(start), day(end), day(pay)
	p.Gross, p.Tax, p.Net = decimal(gross, moneyScale), decimal(tax, moneyScale), decimal(net, moneyScale)
	return err
}

const payslipExistsSQL = `
SELECT COUNT(*)
FROM   rec_payslip
WHERE  tenant_id = $1 AND stream_id = $2 AND payslip_no = $3`

// PayslipExists reports whether anybody of the stream has a payslip of that number: it tells a look at
// somebody else's payslip from a mistyped address, for the audit.
func (s *Store) PayslipExists(ctx context.Context, e EmployeeRef, no string) (bool, error) {
	var n int
	if err := s.read.QueryRowContext(ctx, payslipExistsSQL, e.Tenant, e.Stream, no).Scan(&n); err != nil {
		return false, fmt.Errorf("look for payslip: %w", err)
	}
	return n > 0, nil
}

// Document is a document of an employee, such as the PDF of a payslip.
type Document struct {
	Title     string
	MediaType string
	Blob      string // name of the blob that holds it
}

const documentSQL = `
SELECT title, media_type, content
FROM   rec_document
WHERE  tenant_id = $1 AND stream_id = $2 AND employee_no = $3 AND document_no = $4`

// Document returns an employee's document. Another employee's is ErrNotFound (L2).
func (s *Store) Document(ctx context.Context, e EmployeeRef, no string) (Document, error) {
	var d Document
	err := s.read.QueryRowContext(ctx, documentSQL, e.Tenant, e.Stream, e.No, no).Scan(&d.Title, &d.MediaType, &d.Blob)
	if err != nil {
		return Document{}, fmt.Errorf("read document: %w", found(err))
	}
	return d, nil
}

package store

import (
	"context"
	"database/sql"
	"time"

	"lessor.dk/portalsync/protocol"
)

// AbsenceType is a kind of absence of the main system.
type AbsenceType struct {
	No          string
	Names       Names
	Unit        string // the main system's word
	Reportable  bool   // employees may report it
	BalanceType string // the balance it draws on; empty for none
}

const absenceTypesSQL = `
SELECT absence_type_no, name, COALESCE(name_sv, ''), COALESCE(name_en, ''), COALESCE(unit, ''), reportable, COALESCE(balance_type_no, '')
FROM   rec_absence_type
WHERE  tenant_id = $1 AND stream_id = $2
ORDER  BY COALESCE(sort, 999999), absence_type_no`

// AbsenceTypes returns all absence types of a stream in the main system's order. What the report form
// offers is what the main system sent as reportable.
func (s *Store) AbsenceTypes(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) ([]AbsenceType, error) {
	return list(ctx, s.read, "absence types", func(rows *sql.Rows, t *AbsenceType) error {
		return rows.Scan(&t.No, &t.Names.Danish, &t.Names.Swedish, &t.Names.English, &t.Unit, &t.Reportable, &t.BalanceType)
	}, absenceTypesSQL, tenant, stream)
}

// Absence is an absence as the main system knows it.
type Absence struct {
	No       string
	Type     string // absence_type_no
	FirstDay time.Time
	LastDay  time.Time
	Quantity Decimal
	Unit     string
	State    string // the main system's word
	ReportID protocol.ReportID
}

const absencesSQL = `
SELECT absence_no, absence_type_no, first_day, last_day, quantity, COALESCE(unit, ''), state, COALESCE(report_id, '')
FROM   rec_absence
WHERE  tenant_id = $1 AND stream_id = $2 AND employee_no = $3
ORDER  BY first_day DESC, absence_no
LIMIT  $4`

const quantityScale = 2

// Absences returns an employee's newest absences, newest first.
func (s *Store) Absences(ctx context.Context, e EmployeeRef, limit int) ([]Absence, error) {
	return list(ctx, s.read, "absences", func(rows *sql.Rows, a *Absence) error {
		var first, last, quantity sql.NullInt64
		err := rows.Scan(&a.No, &a.Type, &first, &last, &quantity, &a.Unit, &a.State, &a.ReportID)
		a.FirstDay, a.LastDay, a.Quantity = day(first), day(last), decimal(quantity, quantityScale)
		return err
	}, absencesSQL, e.Tenant, e.Stream, e.No, limit)
}

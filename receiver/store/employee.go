package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

// EmployeeRef names one employee: whose data a page shows. Every query about an employee has all of it
// in its predicate, so that nobody sees another's (L2).
type EmployeeRef struct {
	Tenant protocol.TenantID
	Stream protocol.StreamID
	No     string // employee_no of the main system
}

// Decimal is an exact number: N / 10^Scale. It may be missing.
type Decimal struct {
	N     int64
	Scale int
	Valid bool // false when the main system gives none
}

// decimal makes a Decimal of a column that may be null.
func decimal(n sql.NullInt64, scale int) Decimal {
	return Decimal{N: n.Int64, Scale: scale, Valid: n.Valid}
}

// day is a date column, days since 1970-01-01, at midnight UTC; the zero time when it is null.
func day(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(n.Int64*secondsPerDay, 0).UTC()
}

const secondsPerDay = 86400

// days is the reverse of day.
func days(t time.Time) int64 { return t.Unix() / secondsPerDay }

// EmployeeRecord is what the main system says of an employee, as far as the pages show it.
type EmployeeRecord struct {
	Name     string
	JobTitle string
	Active   bool
	LeftOn   time.Time
}

const employeeSQL = `
SELECT name, COALESCE(job_title, ''), active, left_on
FROM   rec_employee
WHERE  tenant_id = $1 AND stream_id = $2 AND employee_no = $3`

// Employee returns an employee's record, or ErrNotFound while the main system has not sent it.
func (s *Store) Employee(ctx context.Context, e EmployeeRef) (EmployeeRecord, error) {
	var r EmployeeRecord
	var left sql.NullInt64
	err := s.read.QueryRowContext(ctx, employeeSQL, e.Tenant, e.Stream, e.No).Scan(&r.Name, &r.JobTitle, &r.Active, &left)
	if err != nil {
		return EmployeeRecord{}, fmt.Errorf("read employee: %w", found(err))
	}
	r.LeftOn = day(left)
	return r, nil
}

const nextPayDateSQL = `
SELECT MIN(pay_date)
FROM   rec_pay_calendar
WHERE  tenant_id = $1 AND stream_id = $2 AND pay_date >= $3`

// NextPayDate returns the first pay date from a day on, or the zero time when the calendar holds none.
func (s *Store) NextPayDate(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, from time.Time) (time.Time, error) {
	var next sql.NullInt64
	if err := s.read.QueryRowContext(ctx, nextPayDateSQL, tenant, stream, days(from)).Scan(&next); err != nil {
		return time.Time{}, fmt.Errorf("read next pay date: %w", err)
	}
	return day(next), nil
}

// Names is a name in the languages the main system gives it in. Swedish and English may be empty.
type Names struct{ Danish, Swedish, English string }

// Balance is what an employee has of something (Saldo), as of a day.
type Balance struct {
	Type   string // balance_type_no
	Names  Names
	Unit   string // the main system's word
	Amount Decimal
	Earned Decimal
	Used   Decimal
	AsOf   time.Time
}

const balancesSQL = `
SELECT b.balance_type_no, COALESCE(t.name, b.balance_type_no), COALESCE(t.name_sv, ''), COALESCE(t.name_en, ''),
       COALESCE(t.unit, ''), b.amount, b.earned, b.used, b.as_of
FROM   rec_balance b
LEFT   JOIN rec_balance_type t
       ON t.tenant_id = b.tenant_id AND t.stream_id = b.stream_id AND t.balance_type_no = b.balance_type_no
WHERE  b.tenant_id = $1 AND b.stream_id = $2 AND b.employee_no = $3
ORDER  BY COALESCE(t.sort, 999999), b.balance_type_no`

const balanceScale = 4

// Balances returns an employee's balances in the main system's order.
func (s *Store) Balances(ctx context.Context, e EmployeeRef) ([]Balance, error) {
	return list(ctx, s.read, "balances", func(rows *sql.Rows, b *Balance) error {
		var amount, earned, used, asOf sql.NullInt64
		err := rows.Scan(&b.Type, &b.Names.Danish, &b.Names.Swedish, &b.Names.English, &b.Unit, &amount, &earned, &used, &asOf)
		b.Amount, b.Earned, b.Used = decimal(amount, balanceScale), decimal(earned, balanceScale), decimal(used, balanceScale)
		b.AsOf = day(asOf)
		return err
	}, balancesSQL, e.Tenant, e.Stream, e.No)
}

// KindAge says how old the records of one kind are.
type KindAge struct {
	Kind  string
	State protocol.KindState
	At    time.Time // when they last equalled the main system; zero when they never did
}

const kindAgesSQL = `
SELECT k.kind, k.state, k.captured_at, COALESCE(a.status, '')
FROM   stream_kind k
JOIN   stream      s ON s.tenant_id = k.tenant_id AND s.stream_id = k.stream_id
LEFT   JOIN agent  a ON a.tenant_id = s.tenant_id AND a.agent_id = s.agent_id
WHERE  k.tenant_id = $1 AND k.stream_id = $2`

// KindAges returns the age of every kind of a stream. When the agent has looked at the main system since the
// last change and found nothing new, the records are as old as that look.
func (s *Store) KindAges(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) (map[string]KindAge, error) {
	ages, err := list(ctx, s.read, "age of kinds", func(rows *sql.Rows, k *KindAge) error {
		var captured int64
		var status string
		if err := rows.Scan(&k.Kind, &k.State, &captured, &status); err != nil {
			return err
		}
		k.At = instant(captured)
		looked, err := lookedAt(status)
		if k.State == protocol.KindOK && looked.After(k.At) {
			k.At = looked
		}
		return err
	}, kindAgesSQL, tenant, stream)
	byKind := make(map[string]KindAge, len(ages))
	for _, k := range ages {
		byKind[k.Kind] = k
	}
	return byKind, err
}

// lookedAt returns when the agent last saw that the portal has everything; zero when something is unsent.
func lookedAt(status string) (time.Time, error) {
	if status == "" {
		return time.Time{}, nil
	}
	var st protocol.AgentStatus
	if err := json.Unmarshal([]byte(status), &st); err != nil {
		return time.Time{}, errors.New("status of the agent is not JSON")
	}
	if st.Unsent != 0 {
		return time.Time{}, nil
	}
	return instant(st.SourceAt), nil
}

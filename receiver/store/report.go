package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/identity"
	"lessor.dk/portalsync/receiver/report"
)

const insertReportSQL = `
INSERT INTO report (tenant_id, report_id, stream_id, user_id, employee_no, type, fields, state, submission_key, submitted_at,
                    expected)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant_id, user_id, submission_key) DO NOTHING`

const deleteDraftSQL = `
DELETE FROM report_draft
WHERE  tenant_id = $1 AND user_id = $2 AND draft_key = $3`

// SubmitReport keeps a report and removes its draft. The same user submitting the same key again gets
// the first report back, whatever the fields say now; first tells whether this call made it.
func (s *Store) SubmitReport(ctx context.Context, sub report.Submission) (r report.Report, first bool, err error) {
	state, err := report.Next(report.Draft, report.Submit)
	if err != nil {
		return r, false, err
	}
	fields, err := json.Marshal(sub.Fields)
	if err != nil {
		return r, false, fmt.Errorf("encode report: %w", err)
	}
	expected, err := json.Marshal(sub.Expected)
	if err != nil {
		return r, false, fmt.Errorf("encode report: %w", err)
	}
	id := report.NewID(sub.At)
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, insertReportSQL, sub.Tenant, id, sub.Stream, sub.User, sub.EmployeeNo, sub.Type,
			string(fields), state, sub.Key, millis(sub.At),
			string(expected))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, deleteDraftSQL, sub.Tenant, sub.User, sub.Key); err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		first = true
		return addStep(ctx, tx, sub.Tenant, id, report.Step{State: state, Event: report.Submit, At: sub.At, Actor: sub.Actor})
	})
	if err != nil {
		return r, false, fmt.Errorf("submit report: %w", err)
	}
	r, err = s.ReportByKey(ctx, sub.Tenant, sub.User, sub.Key)
	return r, first, err
}

const addStepSQL = `
INSERT INTO report_step (tenant_id, report_id, step_no, state, event, at, actor, note)
SELECT $1, $2, COALESCE(MAX(step_no), 0) + 1, $3, $4, $5, $6, $7
FROM   report_step
WHERE  tenant_id = $1 AND report_id = $2`

func addStep(ctx context.Context, tx queryer, tenant protocol.TenantID, id protocol.ReportID, step report.Step) error {
	_, err := tx.ExecContext(ctx, addStepSQL, tenant, id, step.State, step.Event, millis(step.At), step.Actor, step.Note)
	if err != nil {
		return fmt.Errorf("add step: %w", err)
	}
	return nil
}

const reportColumns = `report_id, tenant_id, stream_id, user_id, employee_no, type, fields, state, reason, submitted_at, expected`

const reportByKeySQL = `
SELECT ` + reportColumns + `
FROM   report
WHERE  tenant_id = $1 AND user_id = $2 AND submission_key = $3`

// ReportByKey returns the report that a user submitted under a key, or ErrNotFound.
func (s *Store) ReportByKey(ctx context.Context, tenant protocol.TenantID, user identity.UserID, key string) (report.Report, error) {
	return s.report(ctx, reportByKeySQL, tenant, user, key)
}

const reportSQL = `
SELECT ` + reportColumns + `
FROM   report
WHERE  tenant_id = $1 AND stream_id = $2 AND employee_no = $3 AND report_id = $4`

const reportStepsSQL = `
SELECT state, event, at, actor, note
FROM   report_step
WHERE  tenant_id = $1 AND report_id = $2
ORDER  BY step_no`

// Report returns an employee's report with its history. Another employee's is ErrNotFound (L2).
func (s *Store) Report(ctx context.Context, e EmployeeRef, id protocol.ReportID) (report.Report, error) {
	r, err := s.report(ctx, reportSQL, e.Tenant, e.Stream, e.No, id)
	if err != nil {
		return r, err
	}
	r.Steps, err = list(ctx, s.read, "report steps", func(rows *sql.Rows, st *report.Step) error {
		var at int64
		err := rows.Scan(&st.State, &st.Event, &at, &st.Actor, &st.Note)
		st.At = instant(at)
		return err
	}, reportStepsSQL, e.Tenant, id)
	return r, err
}

func (s *Store) report(ctx context.Context, query string, args ...any) (report.Report, error) {
	reports, err := listReports(ctx, s.read, query, args...)
	if err != nil {
		return report.Report{}, err
	}
	if len(reports) == 0 {
		return report.Report{}, fmt.Errorf("read report: %w", ErrNotFound)
	}
	return reports[0], nil
}

func listReports(ctx context.Context, q queryer, query string, args ...any) ([]report.Report, error) {
	return list(ctx, q, "reports", func(rows *sql.Rows, r *report.Report) error {
		var fields, expected string
		var at int64
		err := rows.Scan(&r.ID, &r.Tenant, &r.Stream, &r.User, &r.EmployeeNo, &r.Type, &fields, &r.State, &r.Reason, &at, &expected)
		if err != nil {
			return err
		}
		r.SubmittedAt = instant(at)
		return errors.Join(json.Unmarshal([]byte(fields), &r.Fields), json.Unmarshal([]byte(expected), &r.Expected))
	}, query, args...)
}

const reportsSQL = `
SELECT ` + reportColumns + `
FROM   report
WHERE  tenant_id = $1 AND stream_id = $2 AND employee_no = $3
ORDER  BY report_id DESC
LIMIT  $4`

// Reports returns an employee's newest reports, newest first, without their histories.
func (s *Store) Reports(ctx context.Context, e EmployeeRef, limit int) ([]report.Report, error) {
	return listReports(ctx, s.read, reportsSQL, e.Tenant, e.Stream, e.No, limit)
}

// CancelReport takes back an employee's report that nobody has fetched; a *[report.TransitionError]
// when it is too late.
func (s *Store) CancelReport(ctx context.Context, e EmployeeRef, id protocol.ReportID, actor string, at time.Time) error {
	if _, err := s.report(ctx, reportSQL, e.Tenant, e.Stream, e.No, id); err != nil {
		return err
	}
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		return s.moveReport(ctx, tx, e.Tenant, id, report.Step{Event: report.Cancel, At: at, Actor: actor})
	})
	if err != nil {
		return fmt.Errorf("cancel report %s: %w", id, err)
	}
	return nil
}

const lockReportSQL = `
SELECT state
FROM   report
WHERE  tenant_id = $1 AND report_id = $2`

const moveReportSQL = `
UPDATE report
SET    state = $3, reason = $4, settled = $5
WHERE  tenant_id = $1 AND report_id = $2`

// moveReport applies an event to a report in the caller's transaction and notes it in the history when
// the state changes. A verdict is noted even when the state stands: it is the main system's word.
func (s *Store) moveReport(ctx context.Context, tx *sql.Tx, tenant protocol.TenantID, id protocol.ReportID, step report.Step) error {
	var old report.State
	if err := tx.QueryRowContext(ctx, lockReportSQL+s.dialect.forUpdate(), tenant, id).Scan(&old); err != nil {
		return fmt.Errorf("lock report: %w", found(err))
	}
	next, err := report.Next(old, step.Event)
	if err != nil {
		return err
	}
	verdict := step.Event == report.Take || step.Event == report.Refuse
	if next == old && !verdict {
		return nil
	}
	settled := verdict || next == report.Refused || next == report.Cancelled || next == report.Conflict
	if _, err := tx.ExecContext(ctx, moveReportSQL, tenant, id, next, step.Note, flag(settled)); err != nil {
		return fmt.Errorf("move report: %w", err)
	}
	step.State = next
	return addStep(ctx, tx, tenant, id, step)
}

// tooLate reports whether err is an event that cannot happen to the report any more.
func tooLate(err error) bool {
	var t *report.TransitionError
	return errors.As(err, &t)
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/report"
)

// A report waits for the agent while it is unsettled and either was never acknowledged, or was
// acknowledged under another lineage than the stream's and the main system has said nothing of it: the
// main database was restored, and the row may not be there any more.
const pendingReportsSQL = `
SELECT ` + reportColumns + `
FROM   report
WHERE  tenant_id = $1 AND stream_id = $2 AND settled = 0 AND state IN ('sent', 'approved', 'fetching', 'received')
  AND  (ack_lineage = '' OR (ack_lineage > '' AND ack_lineage < $3) OR ack_lineage > $3)
ORDER  BY report_id
LIMIT  $4`

const streamLineageSQL = `
SELECT lineage
FROM   stream
WHERE  tenant_id = $1 AND stream_id = $2`

// PendingReports returns the oldest reports that wait for the stream's agent and notes that they are
// being fetched. The same reports are returned until they are acknowledged.
func (s *Store) PendingReports(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, limit int) ([]protocol.Report, error) {
	var lineage protocol.Lineage
	if err := s.read.QueryRowContext(ctx, streamLineageSQL, tenant, stream).Scan(&lineage); err != nil {
		return nil, fmt.Errorf("read lineage of stream %d: %w", stream, found(err))
	}
	waiting, err := listReports(ctx, s.read, pendingReportsSQL, tenant, stream, lineage, limit)
	if err != nil {
		return nil, fmt.Errorf("pending reports: %w", err)
	}
	var out []protocol.Report
	for _, r := range waiting {
		if r.State != report.Fetching {
			err := s.handOver(ctx, tenant, r.ID)
			if tooLate(err) {
				continue // cancelled in this moment
			}
			if err != nil {
				return nil, fmt.Errorf("hand over report %s: %w", r.ID, err)
			}
		}
		out = append(out, protocol.Report{
			ID: r.ID, Type: r.Type, EmployeeNo: r.EmployeeNo, SubmittedAt: millis(r.SubmittedAt), Fields: r.Fields,
			Expected: r.Expected,
		})
	}
	return out, nil
}

func (s *Store) handOver(ctx context.Context, tenant protocol.TenantID, id protocol.ReportID) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		return s.moveReport(ctx, tx, tenant, id, report.Step{Event: report.HandOver, At: time.Now()})
	})
}

const ackReportSQL = `
UPDATE report
SET    ack_lineage = $4, ack_position = $5
WHERE  tenant_id = $1 AND stream_id = $2 AND report_id = $3`

// AckReports notes what the agent did with reports. An acknowledgement of a report that the stream does
// not have, or that cannot meet it any more, is passed over: it may be a repetition from long ago.
func (s *Store) AckReports(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, acks []protocol.Ack) error {
	for _, ack := range acks {
		if err := s.ackReport(ctx, tenant, stream, ack); err != nil {
			return fmt.Errorf("acknowledge report %s: %w", ack.ID, err)
		}
	}
	return nil
}

func (s *Store) ackReport(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, ack protocol.Ack) error {
	step := report.Step{Event: report.Store, At: time.Now()}
	switch ack.Outcome {
	case protocol.AckStored:
	case protocol.AckRefused:
		step.Event, step.Note = report.TurnDown, ack.Reason
	case protocol.AckConflict:
		step.Event, step.Note = report.Clash, ack.Reason
	default:
		return fmt.Errorf("outcome %q is unknown", ack.Outcome)
	}
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, ackReportSQL, tenant, stream, ack.ID, ack.Lineage, ack.Position)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return s.moveReport(ctx, tx, tenant, ack.ID, step)
	})
	if tooLate(err) {
		return nil
	}
	return err
}

const resultKnownSQL = `
SELECT COUNT(*)
FROM   report      r
JOIN   report_step t ON t.tenant_id = r.tenant_id AND t.report_id = r.report_id
WHERE  r.tenant_id = $1 AND r.report_id = $3 AND (r.stream_id <> $2 OR (t.event = $4 AND t.note = $5 AND t.at = $6))`

// ApplyResult moves a report to the main system's verdict in the transaction that applies the verdict's
// record. A verdict on a report of another stream, or told before, changes nothing; an outcome this
// program does not know is left as a record and moves nothing.
func (tx *StreamTx) ApplyResult(ctx context.Context, v report.Result) error {
	event, ok := report.EventOf(v.Outcome)
	if !ok {
		return nil
	}
	tenant, stream := tx.stream.Tenant, tx.stream.ID
	var known int
	err := tx.tx().QueryRowContext(ctx, resultKnownSQL, tenant, stream, v.ID, event, v.Reason, millis(v.DecidedAt)).Scan(&known)
	if err != nil {
		return fmt.Errorf("look up report %s: %w", v.ID, err)
	}
	if known > 0 {
		return nil
	}
	err = tx.store.moveReport(ctx, tx.tx(), tenant, v.ID, report.Step{Event: event, At: v.DecidedAt, Note: v.Reason})
	if errors.Is(err, ErrNotFound) || tooLate(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("apply result of report %s: %w", v.ID, err)
	}
	return nil
}

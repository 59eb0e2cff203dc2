package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	code "modernc.org/sqlite/lib"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
)

const storedSQL = `
SELECT s.lineage, s.version, i.position
FROM   portalsync_ct_state AS s
LEFT   JOIN portalsync_inbox AS i ON i.report_id = ?`

const rememberSQL = `
INSERT INTO portalsync_inbox (report_id, type, position)
SELECT ?, ?, version
FROM   portalsync_ct_state`

// Deliver writes a report into the table that the plan names, and its id beside it, in one transaction that
// takes the write lock first. A report whose id is there already is stored, and no second row is made, also
// when the main system has taken the row away since. A row that the table's rules refuse is refused, and so is
// a report of a type for which the plan has no inbox: whoever sent it shall know. One about a record that is not as the
// report expects is a conflict. Every other error means: try again.
func (s *Source) Deliver(ctx context.Context, r protocol.Report) (protocol.Ack, error) {
	ack := protocol.Ack{ID: r.ID, Outcome: protocol.AckStored}
	in := s.plan.Inbox(r.Type)
	statement, args, refusal := s.inboxRow(in, r)
	if refusal != "" {
		ack.Outcome, ack.Reason = protocol.AckRefused, refusal
	}
	db, err := s.writer()
	if err != nil {
		return protocol.Ack{}, fmt.Errorf("deliver report: %w", err)
	}
	err = immediately(ctx, db, func(conn *sql.Conn) error {
		var earlier *int64
		if err := conn.QueryRowContext(ctx, storedSQL, string(r.ID)).Scan(&ack.Lineage, &ack.Position, &earlier); err != nil {
			return err
		}
		if earlier != nil {
			ack.Outcome, ack.Reason, ack.Position = protocol.AckStored, "", protocol.Position(*earlier)
			return nil
		}
		if r.Expected != nil && ack.Outcome == protocol.AckStored {
			if err := s.expect(ctx, conn, *r.Expected, &ack); err != nil {
				return err
			}
		}
		return store(ctx, conn, in, statement, args, &ack)
	})
	var refused *refusalError
	if errors.As(err, &refused) {
		ack.Outcome, ack.Reason = protocol.AckRefused, refused.reason
		return ack, nil
	}
	if err != nil {
		return protocol.Ack{}, fmt.Errorf("deliver report of type %s: %w", r.Type, err)
	}
	return ack, nil
}

// expect holds the record that the report is about against the database, whose write lock is held until the report is in.
func (s *Source) expect(ctx context.Context, conn *sql.Conn, e protocol.Expected, ack *protocol.Ack) error {
	tx := &Tx{source: s, conn: conn, rows: map[string]*relational.Rows{}}
	if err := tx.look(ctx); err != nil {
		return err
	}
	cause, err := relational.Unexpected(ctx, tx, s.kinds, e)
	if err == nil && cause != "" {
		ack.Outcome, ack.Reason = protocol.AckConflict, cause
	}
	return err
}

// refusalError rolls the transaction back and tells why the main system will never take the row.
type refusalError struct{ reason string }

func (e *refusalError) Error() string { return e.reason }

// store writes the row. It moves the version first: a restore to any earlier point then shows by its
// position that the report is missing.
func store(ctx context.Context, conn *sql.Conn, in *plan.Inbox, statement string, args []any, ack *protocol.Ack) error {
	if ack.Outcome == protocol.AckStored {
		if _, err := conn.ExecContext(ctx, bumpSQL); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, rememberSQL, string(ack.ID), in.Type); err != nil {
			return err
		}
		var there bool
		exists := "SELECT EXISTS (SELECT 1 FROM " + quote(in.Table.Name) + " WHERE " + quote(in.ID) + " = ?)"
		if err := conn.QueryRowContext(ctx, exists, string(ack.ID)).Scan(&there); err != nil {
			return err
		}
		if !there {
			if _, err := conn.ExecContext(ctx, statement, args...); resultCode(err) == code.SQLITE_CONSTRAINT {
				return &refusalError{reason: fmt.Sprintf("table %s does not take the row: %v", in.Table, err)}
			} else if err != nil {
				return err
			}
		}
	}
	return conn.QueryRowContext(ctx, "SELECT version FROM portalsync_ct_state").Scan(&ack.Position)
}

// inboxRow returns the statement for a report's row, or why the plan refuses it, which it does without an inbox.
// Names are quoted; values are parameters.
func (s *Source) inboxRow(in *plan.Inbox, r protocol.Report) (statement string, args []any, refusal string) {
	if in == nil {
		return "", nil, fmt.Sprintf("the main system takes no reports of type %s", r.Type)
	}
	if in.Procedure != nil {
		return "", nil, "the main system has no procedures"
	}
	columns, marks := []string{quote(in.ID)}, []string{"?"}
	args = []any{string(r.ID)}
	for _, c := range in.Columns {
		v, refusal := relational.ReportValue(c, r, s.plan.Timezone)
		if refusal != "" {
			return "", nil, refusal
		}
		columns, marks, args = append(columns, quote(c.Name)), append(marks, "?"), append(args, sql.NullString{String: v.Text, Valid: !v.Absent})
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", quote(in.Table.Name), strings.Join(columns, ", "), strings.Join(marks, ", ")), args, ""
}

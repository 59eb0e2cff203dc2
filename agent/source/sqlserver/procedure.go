package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
)

// outcomeColumn tells the row that the call itself selects from the results of the procedure, which may have its own.
const outcomeColumn = "portalsync_open"

// callText returns the statement that calls a procedure and tells its outcome. Parameters without a value in the report are
// not named, so that the procedure's defaults hold; given says which are.
func callText(in *plan.Inbox, given []plan.InboxColumn) string {
	p := in.Procedure
	args := []string{"@" + in.ID + " = @p1"}
	for i, c := range given {
		args = append(args, fmt.Sprintf("@%s = @p%d", c.Name, i+2))
	}
	for _, out := range []struct{ parameter, variable string }{{p.Status, "@portalsync_status"}, {p.Message, "@portalsync_message"}} {
		if out.parameter != "" {
			args = append(args, "@"+out.parameter+" = "+out.variable+" OUTPUT")
		}
	}
	status := "@portalsync_return"
	if p.Status != "" {
		status = "@portalsync_status"
	}
	return "SET NOCOUNT ON;\nDECLARE @portalsync_return int, @portalsync_status int, @portalsync_message nvarchar(4000);\n" +
		"EXEC @portalsync_return = " + full(p.Name) + " " + strings.Join(args, ", ") + ";\n" +
		"SELECT @@TRANCOUNT AS " + outcomeColumn + ", " + status + ", @portalsync_message;"
}

// outcome is what a procedure says it did.
type outcome struct {
	told    bool
	open    bool // the transaction is still there
	status  sql.NullInt64
	message sql.NullString
}

// call runs the procedure. It reports whether the procedure has ended the transaction itself, by a commit.
func (s *Source) call(ctx context.Context, tx *sql.Tx, in *plan.Inbox, r protocol.Report) (done bool, err error) {
	args := []any{parameter(string(r.ID))}
	var given []plan.InboxColumn
	for _, c := range in.Columns {
		v, refusal := relational.ReportValue(c, r, s.plan.Timezone)
		if refusal != "" {
			return false, &refusedError{refusal}
		}
		if v.Absent {
			continue
		}
		if !v.Moment.IsZero() {
			v.Text = v.Moment.Format(momentLayout(column{typ: "datetime"}))
		}
		given, args = append(given, c), append(args, parameter(v.Text))
	}
	o, err := readOutcome(ctx, tx, callText(in, given), args)
	if err != nil {
		return false, verdict(ctx, in, err)
	}
	return s.judge(ctx, tx, in, r, o)
}

func readOutcome(ctx context.Context, tx *sql.Tx, query string, args []any) (o outcome, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return o, err
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		columns, err := rows.Columns()
		if err != nil {
			return o, err
		}
		for rows.Next() {
			if len(columns) == 0 || columns[0] != outcomeColumn {
				continue
			}
			var open int
			if err := rows.Scan(&open, &o.status, &o.message); err != nil {
				return o, err
			}
			o.told, o.open = true, open > 0
		}
	}
	return o, rows.Err()
}

// maxMessage is how much of a procedure's message is passed on, in runes.
const maxMessage = 1000

// judge makes an outcome of what the procedure said. One that was not taken is rolled back, id and all.
func (s *Source) judge(ctx context.Context, tx *sql.Tx, in *plan.Inbox, r protocol.Report, o outcome) (done bool, err error) {
	p := in.Procedure
	switch {
	case !o.told || !o.status.Valid:
		return false, fmt.Errorf("%s tells no status: it must return one, or set the parameter that the plan names", in.Object())
	case o.status.Int64 == 0 && o.open:
		return false, nil
	case o.status.Int64 == 0:
		return true, s.committed(ctx, tx, in, r)
	case slices.Contains(p.Later, o.status.Int64):
		return false, fmt.Errorf("%w: %s, status %d", source.ErrLater, in.Object(), o.status.Int64)
	}
	message := strings.ToValidUTF8(strings.TrimSpace(o.message.String), "")
	if runes := []rune(message); len(runes) > maxMessage {
		message = string(runes[:maxMessage])
	}
	if message == "" {
		message = fmt.Sprintf("%s refused it with status %d", in.Object(), o.status.Int64)
	}
	return false, &refusedError{message}
}

// committed looks whether a procedure that took the report and ended our transaction has committed it: then the id is
// there as well. One that rolled back has taken nothing, whatever it says.
func (s *Source) committed(ctx context.Context, tx *sql.Tx, in *plan.Inbox, r protocol.Report) error {
	var position int64
	err := tx.QueryRowContext(ctx, earlierSQL, parameter(string(r.ID))).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s says that it took the report, but has rolled back the transaction that it was called in: it must leave ROLLBACK to its caller", in.Object())
	}
	return err
}

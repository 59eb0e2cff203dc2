package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
)

// delivered is the table that keeps the ids of reports that are in.
var delivered = plan.Table{Schema: "portalsync", Name: "delivered"}

// DeliveredSQL makes the table of ids in the schema portalsync. The script of the database's administrator does so: the agent
// has no right to.
const DeliveredSQL = `CREATE TABLE [portalsync].[delivered] (
    report_id varchar(64)   NOT NULL PRIMARY KEY,
    type      nvarchar(100) NOT NULL,
    position  bigint        NOT NULL, -- no state of the database below it holds the report
    taken_at  datetime2(3)  NOT NULL DEFAULT SYSUTCDATETIME()
);`

// earlierSQL looks for a report and keeps others from writing it before the transaction ends, also where there is none yet.
const earlierSQL = `SELECT d.position
FROM   [portalsync].[delivered] AS d WITH (UPDLOCK, HOLDLOCK)
WHERE  d.report_id = CAST(@p1 AS varchar(64))`

const rememberSQL = `INSERT INTO [portalsync].[delivered] (report_id, type, position)
VALUES (CAST(@p1 AS varchar(64)), @p2, @p3)`

// refusedError rolls the transaction back and tells why the main system will never take the report.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

// conflictError rolls the transaction back and tells why the record is not as the report expects.
type conflictError struct{ cause string }

func (e *conflictError) Error() string { return e.cause }

// Deliver writes a report and its id in one transaction, as a row of the table or by a call of the procedure that the plan
// names. A report whose id is there already is stored, and nothing is written again, also when the main system has taken
// the row away since. What the table's rules or the procedure refuse is refused, and so is a report of a type for which
// the plan has no inbox. One about a record that is not as the report expects is a conflict. Every other error means: try
// again; source.ErrBusy and source.ErrGone are told apart.
func (s *Source) Deliver(ctx context.Context, r protocol.Report) (protocol.Ack, error) {
	ack := protocol.Ack{ID: r.ID, Outcome: protocol.AckStored}
	err := s.deliver(ctx, r, &ack)
	var refused *refusedError
	var conflict *conflictError
	switch {
	case errors.As(err, &refused):
		ack.Outcome, ack.Reason = protocol.AckRefused, refused.reason
	case errors.As(err, &conflict):
		ack.Outcome, ack.Reason = protocol.AckConflict, conflict.cause
	case err != nil:
		return protocol.Ack{}, fmt.Errorf("deliver report of type %s: %w", r.Type, classify(ctx, err))
	}
	return ack, nil
}

// deliver runs the transaction. A commit whose answer is lost is an error: the next try finds the id, or not.
func (s *Source) deliver(ctx context.Context, r protocol.Report, ack *protocol.Ack) (err error) {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to the main system: %w", unreachable(ctx, err))
	}
	defer func() { err = firstError(err, conn.Close()) }()
	f, err := s.readFacts(ctx, conn)
	if err != nil {
		return err
	}
	if err := refuseReadOnly(ctx, conn, f); err != nil {
		return err
	}
	// Serializable holds what is read of the expected record, and the place of a row that is not there, until the end.
	level := sql.LevelReadCommitted
	if r.Expected != nil {
		level = sql.LevelSerializable
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer tx.Rollback()
	if f, err = readFacts(ctx, tx, factsText(s.plan.Mode, f.fork != "")); err != nil {
		return err
	}
	ack.Lineage, _ = f.lineage(s.plan.Mode)
	ack.Position = protocol.Position(f.counter.Int64)
	done, err := s.take(ctx, conn, tx, r, ack)
	if err != nil || done {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// take writes what is to be written. It reports whether there is nothing to commit.
func (s *Source) take(ctx context.Context, conn *sql.Conn, tx *sql.Tx, r protocol.Report, ack *protocol.Ack) (done bool, err error) {
	id := parameter(string(r.ID))
	var earlier int64
	err = tx.QueryRowContext(ctx, earlierSQL, id).Scan(&earlier)
	if err == nil {
		ack.Position = protocol.Position(earlier)
		return true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("look for the report: %w", err)
	}
	in := s.plan.Inbox(r.Type)
	if in == nil {
		return false, &refusedError{fmt.Sprintf("the main system takes no reports of type %s", r.Type)}
	}
	if r.Expected != nil {
		if err := s.expect(ctx, conn, tx, *r.Expected); err != nil {
			return false, err
		}
	}
	own := ack.Position + 1 // the transaction's own place, at least
	if _, err := tx.ExecContext(ctx, rememberSQL, id, parameter(r.Type), int64(own)); err != nil {
		return false, fmt.Errorf("keep the report's id: %w", err)
	}
	if in.Procedure != nil {
		done, err = s.call(ctx, tx, in, r)
	} else {
		err = s.insert(ctx, tx, in, r)
	}
	if err == nil {
		ack.Position = own
	}
	return done, err
}

// expect holds the record that a report is about against the database.
func (s *Source) expect(ctx context.Context, conn *sql.Conn, tx *sql.Tx, e protocol.Expected) error {
	look := &Tx{source: s, conn: conn, tx: tx, rows: map[string]*relational.Rows{}}
	var err error
	if look.glances, err = readGlances(ctx, tx, s.glances, len(s.plan.Tables())); err != nil {
		return err
	}
	if look.layouts, err = s.layoutsAt(ctx, tx, look.glances); err != nil {
		return err
	}
	cause, err := relational.Unexpected(ctx, look, s.kinds, e)
	if err == nil && cause != "" {
		return &conflictError{cause}
	}
	return err
}

// insert adds the row, unless the table has one of this id: whoever made the table of ids anew has not lost the rows.
func (s *Source) insert(ctx context.Context, tx *sql.Tx, in *plan.Inbox, r protocol.Report) error {
	described, err := inboxTable(ctx, tx, in)
	if err != nil {
		return err
	}
	statement, columns, err := insertText(in, described)
	if err != nil {
		return err
	}
	args := []any{parameter(string(r.ID))}
	for i, c := range in.Columns {
		v, refusal := relational.ReportValue(c, r, s.plan.Timezone)
		if refusal != "" {
			return &refusedError{refusal}
		}
		if !v.Absent && !fits(columns[i], v.Text) {
			return &refusedError{fmt.Sprintf("%s does not take it: column %s is of type %s", in.Object(), c.Name, columns[i].spelled())}
		}
		args = append(args, reportArgument(columns[i], v))
	}
	if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
		return verdict(ctx, in, err)
	}
	return nil
}

// inboxTable describes the table that reports go to.
func inboxTable(ctx context.Context, q querier, in *plan.Inbox) (*table, error) {
	glances, err := readGlances(ctx, q, glancesText([]plan.Table{in.Table}, plan.Compare), 1)
	if err != nil {
		return nil, err
	}
	if glances[0].object == 0 {
		return nil, fmt.Errorf("table %s is not in the database, or the account may not see it", in.Table)
	}
	return readTable(ctx, q, in.Table, glances[0])
}

// insertText returns the statement for a row, whose parameters are the id and the values of the plan's columns, and these
// columns. A text goes in as it is, so that one too long is refused; what else a column holds is written in its type.
func insertText(in *plan.Inbox, t *table) (statement string, columns []column, err error) {
	var names, values []string
	add := func(name string) column {
		c, ok := t.column(name)
		if !ok && err == nil {
			err = fmt.Errorf("table %s has no column %s", in.Table, name)
		}
		value := fmt.Sprintf("@p%d", len(names)+1)
		if c.collation == "" {
			value = c.typed(value)
		}
		names, values = append(names, quote(name)), append(values, value)
		return c
	}
	id := add(in.ID)
	for _, c := range in.Columns {
		columns = append(columns, add(c.Name))
	}
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("INSERT INTO %[1]s (%[2]s)\nSELECT %[3]s\nWHERE  NOT EXISTS (SELECT 1 FROM %[1]s WHERE %[4]s = %[5]s)",
		full(in.Table), strings.Join(names, ", "), strings.Join(values, ", "), names[0], id.typed("@p1")), columns, nil
}

// fits reports whether a column can hold a value, as far as that can be told without the server: it says so in words that
// differ from version to version.
func fits(c column, text string) bool {
	var err error
	switch {
	case text == "" && c.collation == "", c.typ == "bit":
	case c.whole():
		_, err = strconv.ParseInt(text, 10, 64)
	case slices.Contains(decimalTypes, c.typ), slices.Contains(floatTypes, c.typ):
		_, err = strconv.ParseFloat(text, 64)
	case slices.Contains(momentTypes, c.typ) && len(text) == len(time.DateOnly):
		_, err = time.Parse(time.DateOnly, text)
	}
	return err == nil
}

// midnight is what makes a day a moment.
const midnight = "T00:00:00.000"

// reportArgument returns a report's value as the parameter for a column; nil for one that the report does not give.
func reportArgument(c column, v relational.Reported) any {
	if v.Absent {
		return nil
	}
	moment := slices.Contains(momentTypes, c.typ)
	if !v.Moment.IsZero() && moment {
		if c.typ == "datetime2" || c.typ == "time" || c.typ == "datetimeoffset" {
			c.scale = min(c.scale, 3)
		}
		return parameter(v.Moment.Format(momentLayout(c)))
	}
	if moment && c.typ != "date" && len(v.Text) == len(time.DateOnly) {
		return parameter(v.Text + midnight)
	}
	if v.Text == "" && c.collation == "" {
		return nil // no other type has an empty value
	}
	return parameter(v.Text)
}

// Errors of SQL Server that say the values are wrong, whoever tries and whenever: conversions and overflows, texts cut
// off, null where there must be a value, CHECK and FOREIGN KEY, duplicates.
var valueNumbers = map[int32]string{
	220: "a number is too large for its column", 232: "a number is too large for its column", 8115: "a number is too large for its column",
	244: "a number is too large for its column", 246: "a number is not one", 247: "a value is not of its column's type",
	8114: "a value is not of its column's type", 241: "a date or time is not one", 242: "a date or time is outside what its column holds",
	245: "a value is not of its column's type", 248: "a number is too large for its column", 295: "a date or time is not one",
	515: "a value is missing", 547: "a rule of the table forbids it", 2601: "the table has such a row already", 2627: "the table has such a row already",
	2628: "a text is longer than its column", 8152: "a text is longer than its column", 8169: "a value is not of its column's type",
}

// The numbers of errors that the main system's own code raises, by RAISERROR and THROW, as far as people use them.
const (
	firstOwnNumber = 50000
	lastOwnNumber  = 999_999
)

// constraint is how the server names the rule that a row breaks.
var constraint = regexp.MustCompile(`constraint "([^"]+)"|constraint '([^']+)'`)

// verdict tells a refusal by the table's rules or the procedure from troubles, which it returns as they are.
func verdict(ctx context.Context, in *plan.Inbox, err error) error {
	var said mssql.Error
	if !errors.As(err, &said) || passing(ctx, classify(ctx, err)) {
		return fmt.Errorf("write into %s: %w", in.Object(), err)
	}
	if said.Number >= firstOwnNumber && said.Number <= lastOwnNumber {
		return &refusedError{said.Message}
	}
	why, ok := valueNumbers[said.Number]
	if !ok {
		return fmt.Errorf("write into %s: %w", in.Object(), err)
	}
	if name := constraint.FindStringSubmatch(said.Message); name != nil {
		why += " (" + name[1] + name[2] + ")"
	}
	return &refusedError{fmt.Sprintf("%s does not take it: %s", in.Object(), why)}
}

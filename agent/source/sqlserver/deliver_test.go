package sqlserver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

const fakeInbox = fakePlan + `inbox:
  absence: {table: Sted, id: Navn, columns: {Nr: fields.nr}}
  mileage: {procedure: Koersel, id: RapportID, parameters: {Nr: fields.nr}, later: 90}
`

// taker is a server that takes reports: what a test sets is what it answers.
type taker struct {
	*server
	earlier   any                                           // position of the report's id; nil is none
	outcome   []driver.Value                                // what a procedure tells
	exec      func(query string, args []driver.Value) error // of statements that write
	query     func(query string) driver.Rows                // before the answers of the server
	commitErr error
	written   []string
	committed int
}

func newTaker() *taker {
	return &taker{server: newServer(), outcome: []driver.Value{int64(1), int64(0), nil}}
}

func (s *taker) Connect(context.Context) (driver.Conn, error) {
	return &takerConn{fakeConn{s.server}, s}, nil
}

type takerConn struct {
	fakeConn
	taker *taker
}

func (c *takerConn) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.taker.levels = append(c.taker.levels, opts.Isolation)
	return &takerTx{c.taker}, nil
}

func (c *takerConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &takerStmt{fakeStmt{c.taker.server, query}, c.taker}, nil
}

type takerTx struct{ taker *taker }

func (t *takerTx) Commit() error {
	if t.taker.commitErr == nil {
		t.taker.committed++
	}
	return t.taker.commitErr
}

func (t *takerTx) Rollback() error { t.taker.ended++; return nil }

type takerStmt struct {
	fakeStmt
	taker *taker
}

func (s *takerStmt) ExecContext(_ context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.taker.written = append(s.taker.written, s.query)
	if s.taker.exec != nil {
		values := make([]driver.Value, len(args))
		for i, a := range args {
			values[i] = a.Value
		}
		if err := s.taker.exec(s.query, values); err != nil {
			return nil, err
		}
	}
	return driver.RowsAffected(1), nil
}

func (s *takerStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.taker.query != nil {
		if rows := s.taker.query(s.query); rows != nil {
			return rows, nil
		}
	}
	switch {
	case s.query == earlierSQL && s.taker.earlier == nil:
		return resultOf(), nil
	case s.query == earlierSQL:
		return resultOf([]driver.Value{s.taker.earlier}), nil
	case strings.Contains(s.query, "EXEC @portalsync_return"):
		s.taker.written = append(s.taker.written, s.query)
		own := &outcomeRows{result: *resultOf(s.taker.outcome)}
		return &noise{outcome: own}, nil
	case strings.Contains(s.query, "VALUES (0, N'[dbo].[Sted]')"):
		t := s.taker.tables["Sted"]
		return resultOf([]driver.Value{int64(0), t.object, "U", "x", int64(2), int64(1), int64(1), int64(1), nil, nil}), nil
	}
	return s.fakeStmt.QueryContext(ctx, args)
}

// outcomeRows has the name of the column by which the call's own row is known.
type outcomeRows struct{ result }

func (*outcomeRows) Columns() []string { return []string{outcomeColumn, "status", "message"} }

// noise is a result that the procedure itself selects, before the outcome.
type noise struct {
	outcome *outcomeRows
	own     bool
	rows    int
}

func (n *noise) Columns() []string {
	if n.own {
		return n.outcome.Columns()
	}
	return []string{"stoej"}
}
func (n *noise) Close() error { return nil }

func (n *noise) Next(dest []driver.Value) error {
	if n.own {
		return n.outcome.Next(dest)
	}
	if n.rows++; n.rows > 1 {
		return io.EOF
	}
	dest[0] = int64(1)
	return nil
}
func (n *noise) HasNextResultSet() bool { return !n.own }

func (n *noise) NextResultSet() error {
	if n.own {
		return io.EOF
	}
	n.own = true
	return nil
}

func (s *taker) deliver(t *testing.T, r protocol.Report) (protocol.Ack, error) {
	t.Helper()
	src, err := newSource(s, parsed(t, fakeInbox), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	return src.Deliver(t.Context(), r)
}

func reportOf(typ string) protocol.Report {
	return protocol.Report{ID: "R1", Type: typ, Fields: map[string]string{"nr": "7"}}
}

func TestDeliverIsOneTransaction(t *testing.T) {
	for typ, last := range map[string]string{
		"absence": "INSERT INTO [dbo].[Sted] ([Navn], [Nr])\nSELECT @p1, CAST(@p2 AS int)\nWHERE  NOT EXISTS (SELECT 1 FROM [dbo].[Sted] WHERE [Navn] = ",
		"mileage": "SET NOCOUNT ON;\nDECLARE @portalsync_return int, @portalsync_status int, @portalsync_message nvarchar(4000);\n" +
			"EXEC @portalsync_return = [dbo].[Koersel] @RapportID = @p1, @Nr = @p2;\n" +
			"SELECT @@TRANCOUNT AS portalsync_open, @portalsync_return, @portalsync_message;",
	} {
		t.Run(typ, func(t *testing.T) {
			s := newTaker()
			ack, err := s.deliver(t, reportOf(typ))
			want := protocol.Ack{ID: "R1", Outcome: protocol.AckStored, Lineage: "ct-fork-A-F1", Position: 101}
			if err != nil || ack != want || s.committed != 1 {
				t.Errorf("ack %+v, %v with %d commits, want %+v", ack, err, s.committed, want)
			}
			if len(s.written) != 2 || s.written[0] != rememberSQL || !strings.HasPrefix(s.written[1], last) {
				t.Errorf("written %q, want the id, then %q", s.written, last)
			}
			if diff := cmp.Diff([]driver.IsolationLevel{driver.IsolationLevel(sql.LevelReadCommitted)}, s.levels); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeliverTheSameIDAgain(t *testing.T) {
	s := newTaker()
	s.earlier = int64(42)
	ack, err := s.deliver(t, reportOf("mileage"))
	if err != nil || ack.Outcome != protocol.AckStored || ack.Position != 42 || len(s.written) != 0 {
		t.Errorf("ack %+v, %v; written %q, want stored at 42 and nothing written", ack, err, s.written)
	}
}

func TestDeliverHoldsAnExpectedRecord(t *testing.T) {
	s := newTaker()
	r := reportOf("absence")
	r.Expected = &protocol.Expected{Kind: "place", Key: protocol.KeyBytes(placeSchema(t), []protocol.Value{protocol.TextValue("1"), {}}), RowHash: 1}
	ack, err := s.deliver(t, r)
	if err != nil || ack.Outcome != protocol.AckConflict || len(s.written) != 0 || s.committed != 0 {
		t.Errorf("ack %+v, %v; written %q, want a conflict", ack, err, s.written)
	}
	if diff := cmp.Diff([]driver.IsolationLevel{driver.IsolationLevel(sql.LevelSerializable)}, s.levels); diff != "" {
		t.Errorf("nothing holds the record until the report is in\n%s", diff)
	}
}

func placeSchema(t *testing.T) *protocol.SectionSchema {
	t.Helper()
	schema, err := parsed(t, fakeInbox).Kind("place").Schema()
	if err != nil {
		t.Fatal(err)
	}
	return protocol.PrepareSchema(schema)
}

// TestDeliverTellsErrorsApart has each error at the statement that writes into the table.
func TestDeliverTellsErrorsApart(t *testing.T) {
	said := func(number int32, message string) error {
		return mssql.Error{Number: number, Message: message, Class: 16}
	}
	tests := map[string]struct {
		err    error
		is     error  // of the error returned
		reason string // of a refusal; empty with an error
	}{
		"a deadlock is tried again":            {err: said(1205, "deadlock"), is: source.ErrBusy},
		"a snapshot conflict is tried again":   {err: said(3960, "conflict"), is: source.ErrBusy},
		"a lock timeout is tried again":        {err: said(1222, "timeout"), is: source.ErrBusy},
		"a dead connection is tried again":     {err: io.ErrUnexpectedEOF, is: source.ErrGone},
		"a database that stops is tried again": {err: mssql.Error{Number: 6005, Class: 14}, is: source.ErrGone},
		"a missing right is tried again":       {err: said(229, "The INSERT permission was denied")},
		"a rule of the table refuses":          {err: said(547, `The INSERT statement conflicted with the CHECK constraint "CK_Km". The conflict occurred in database "loen"`), reason: "table Sted does not take it: a rule of the table forbids it (CK_Km)"},
		"a duplicate refuses":                  {err: said(2627, "Violation of UNIQUE KEY constraint 'UQ_Nr'. The duplicate key value is (1007)."), reason: "table Sted does not take it: the table has such a row already (UQ_Nr)"},
		"a missing value refuses":              {err: said(515, "Cannot insert the value NULL"), reason: "table Sted does not take it: a value is missing"},
		"a text that is too long refuses":      {err: said(2628, "String or binary data would be truncated. Truncated value: 'Hemmelig'."), reason: "table Sted does not take it: a text is longer than its column"},
		"the vendor's own error refuses":       {err: said(50001, "Perioden er lukket"), reason: "Perioden er lukket"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTaker()
			s.exec = func(query string, _ []driver.Value) error {
				if strings.HasPrefix(query, "INSERT INTO [dbo]") {
					return tt.err
				}
				return nil
			}
			ack, err := s.deliver(t, reportOf("absence"))
			if s.committed != 0 || s.ended != 1 {
				t.Errorf("%d commits, %d rollbacks, want one rollback", s.committed, s.ended)
			}
			if tt.reason != "" {
				if err != nil || ack.Outcome != protocol.AckRefused || ack.Reason != tt.reason {
					t.Errorf("ack %+v, %v, want refused: %s", ack, err, tt.reason)
				}
				return
			}
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("ack %+v, %v, want an error that is %v", ack, err, tt.is)
			}
		})
	}
	t.Run("a commit whose answer is lost is tried again", func(t *testing.T) {
		s := newTaker()
		s.commitErr = driver.ErrBadConn
		if ack, err := s.deliver(t, reportOf("absence")); !errors.Is(err, source.ErrGone) {
			t.Errorf("ack %+v, %v, want %v", ack, err, source.ErrGone)
		}
	})
	t.Run("an id that another writes in this moment is tried again", func(t *testing.T) {
		s := newTaker()
		s.exec = func(string, []driver.Value) error { return said(2627, "duplicate") }
		if ack, err := s.deliver(t, reportOf("absence")); err == nil {
			t.Errorf("ack %+v, want an error", ack)
		}
	})
}

func TestAProcedureTellsItsOutcome(t *testing.T) {
	tests := map[string]struct {
		outcome []driver.Value // transactions open, status, message
		kept    bool           // the id is there afterwards, because the procedure committed
		want    string         // outcome and reason, or part of an error
	}{
		"taken":                               {outcome: []driver.Value{int64(1), int64(0), nil}, want: "stored"},
		"refused":                             {outcome: []driver.Value{int64(1), int64(4), " for sent "}, want: "refused for sent"},
		"refused without a word":              {outcome: []driver.Value{int64(1), int64(4), nil}, want: "refused procedure Koersel refused it with status 4"},
		"refused, rolled back by itself":      {outcome: []driver.Value{int64(0), int64(4), "nej"}, want: "refused nej"},
		"later":                               {outcome: []driver.Value{int64(1), int64(90), nil}, want: "asks for the report again later"},
		"no status":                           {outcome: []driver.Value{int64(1), nil, nil}, want: "tells no status"},
		"taken, but rolled back by itself":    {outcome: []driver.Value{int64(0), int64(0), nil}, want: "must leave ROLLBACK to its caller"},
		"taken, and committed by itself":      {outcome: []driver.Value{int64(0), int64(0), nil}, kept: true, want: "stored"},
		"a message longer than anybody reads": {outcome: []driver.Value{int64(1), int64(4), strings.Repeat("æ", 1001)}, want: "refused " + strings.Repeat("æ", 1000)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTaker()
			s.outcome = tt.outcome
			s.query = func(query string) driver.Rows {
				if tt.kept && query == earlierSQL && len(s.written) > 1 {
					return resultOf([]driver.Value{int64(101)})
				}
				return nil
			}
			ack, err := s.deliver(t, reportOf("mileage"))
			got := strings.TrimSpace(ack.Outcome + " " + ack.Reason)
			if err != nil && !strings.Contains(err.Error(), tt.want) || err == nil && got != tt.want {
				t.Errorf("%s, %v, want %s", got, err, tt.want)
			}
			if stored := got == "stored" && !tt.kept; stored != (s.committed == 1) {
				t.Errorf("%s with %d commits", got, s.committed)
			}
		})
	}
}

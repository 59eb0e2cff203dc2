package storetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/receiver/store"
)

func transactions(t *testing.T, o Opened) {
	boom := errors.New("boom")
	t.Run("rows and checkpoint are committed together or not at all", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		st := f.stage(t, "department", dept("10", "Savværk"))
		write := func(end error) error {
			return f.Store.InStream(t.Context(), f.tenant, f.stream, func(tx *store.StreamTx) error {
				if _, err := tx.Apply(t.Context(), st, stamps); err != nil {
					return err
				}
				c := store.Checkpoint{AppliedSeq: 1, Lineage: "line-1", Position: 7, CapturedAt: 3, AppliedAt: 4, Rows: 1}
				if err := tx.SetCheckpoint(t.Context(), c); err != nil {
					return err
				}
				return end
			})
		}
		if err := write(boom); !errors.Is(err, boom) {
			t.Fatalf("err = %v, want boom", err)
		}
		check := func(seq protocol.Seq, want ...string) {
			t.Helper()
			s, _, err := f.Store.StreamState(t.Context(), f.tenant, f.stream)
			if err != nil || s.AppliedSeq != seq {
				t.Errorf("seq = %d (err %v), want %d", s.AppliedSeq, err, seq)
			}
			if diff := cmp.Diff(want, f.depts(t)); diff != "" {
				t.Error(diff)
			}
		}
		check(0)
		if err := write(nil); err != nil {
			t.Fatal(err)
		}
		check(1, "10=Savværk")
	})
	t.Run("a failed attempt is undone and the transaction goes on", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		first, second, third := f.stage(t, "department", dept("10", "Savværk")), f.stage(t, "department", dept("20", "Kontor")), f.stage(t, "department", noDept("30"))
		f.apply(t, "department", dept("30", "Lager"))
		f.in(t, func(tx *store.StreamTx) error {
			if _, err := tx.Apply(t.Context(), first, stamps); err != nil {
				return err
			}
			err := tx.Attempt(t.Context(), func() error {
				_, err := tx.Apply(t.Context(), second, stamps)
				return errors.Join(err, tx.SetKind(t.Context(), protocol.KindStatus{Kind: "department", State: protocol.KindNeeded}, store.Cause{}), boom)
			})
			if !errors.Is(err, boom) {
				t.Errorf("err = %v, want boom", err)
			}
			_, err = tx.Apply(t.Context(), third, stamps)
			return err
		})
		if diff := cmp.Diff([]string{"10=Savværk"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("two transactions on one stream take turns", func(t *testing.T) {
		f := newFixture(t, o, "one")
		const turns = 8
		var group errgroup.Group
		for range turns {
			group.Go(func() error {
				return f.Store.InStream(t.Context(), f.tenant, f.stream, func(tx *store.StreamTx) error {
					next := tx.Stream().AppliedSeq + 1
					return tx.SetCheckpoint(t.Context(), store.Checkpoint{AppliedSeq: next, AppliedAt: 1})
				})
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if s, _, err := f.Store.StreamState(t.Context(), f.tenant, f.stream); err != nil || s.AppliedSeq != turns {
			t.Errorf("seq = %d (err %v), want %d", s.AppliedSeq, err, turns)
		}
	})
	t.Run("a kind's age is that of the last cut while it was ok", func(t *testing.T) {
		f := newFixture(t, o, "one", "department", "shift")
		f.running(t, "shift", 5)
		f.in(t, func(tx *store.StreamTx) error {
			return tx.SetCheckpoint(t.Context(), store.Checkpoint{AppliedSeq: 1, CapturedAt: 77, AppliedAt: 78})
		})
		if n := f.count(t, "stream_kind", "kind = 'department' AND captured_at = 77"); n != 1 {
			t.Error("the kind that is ok did not get the age of the cut")
		}
		if n := f.count(t, "stream_kind", "kind = 'shift' AND captured_at = 0"); n != 1 {
			t.Error("the running kind got the age of a cut")
		}
	})
}

func apply(t *testing.T, o Opened) {
	t.Run("a second time changes nothing and writes nothing", func(t *testing.T) {
		f := newFixture(t, o, "one", "payslip_line")
		rows := protocoltest.PayslipLines(200, 1)
		first := f.apply(t, "payslip_line", rows...)
		before := f.Writes(t, "rec_payslip_line")
		second := f.apply(t, "payslip_line", rows...)
		if diff := cmp.Diff([]store.Applied{{Changed: 200}, {Unchanged: 200}}, []store.Applied{first, second}); diff != "" {
			t.Error(diff)
		}
		if f.Writes(t, "rec_payslip_line") != before {
			t.Error("unchanged rows were rewritten")
		}
	})
	t.Run("only rows whose content differs are written", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
		got := f.apply(t, "department", dept("10", "Savværk"), dept("20", "Administration"), dept("30", "Lager"))
		if diff := cmp.Diff(store.Applied{Changed: 2, Unchanged: 1}, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"10=Savværk", "20=Administration", "30=Lager"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the later of two rows of one key wins", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Før"), dept("20", "Kontor"), dept("10", "Efter"))
		if diff := cmp.Diff([]string{"10=Efter", "20=Kontor"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("every cell arrives as it was sent", func(t *testing.T) {
		f := newFixture(t, o, "one", "department", "employee", "document", "payslip_line")
		odd := "tab\t newline\n return\r back\\slash \\N \\. 'quote' \"double\" æøå 🌲 $1 ? %s"
		f.apply(t, "department", dept(odd, odd), dept("20", ""))
		f.apply(t, "payslip_line", protocol.Row{Values: []protocol.Value{
			protocol.TextValue("P1"), protocol.IntValue(-1 << 63), protocol.TextValue("E1"), protocol.TextValue(""), protocol.TextValue(odd),
			{}, {}, {}, protocol.IntValue(-999_999_999_999_999_999), {}, {}, {},
		}})
		if n := f.count(t, "rec_department", "department_no = name AND group_name IS NULL AND LENGTH(name) > 60"); n != 1 {
			t.Error("odd characters did not arrive")
		}
		if n := f.count(t, "rec_department", "department_no = '20' AND name = ''"); n != 1 {
			t.Error("the empty text is not the empty text")
		}
		if n := f.count(t, "rec_payslip_line", "line_no = -9223372036854775807 - 1 AND amount = -999999999999999999 AND quantity IS NULL"); n != 1 {
			t.Error("extreme numbers did not arrive")
		}
		var got string
		if err := f.DB.QueryRowContext(t.Context(), "SELECT label FROM rec_payslip_line WHERE tenant_id = $1", f.tenant).Scan(&got); err != nil || got != odd {
			t.Errorf("label = %q (err %v), want %q", got, err, odd)
		}
	})
	t.Run("a row that the table cannot hold is named and leaves the others alone", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		schema := protocoltest.Schema(t, "department")
		st := f.Store.NewStage(schema)
		long := protocol.TextValue(strings.Repeat("x", store.MaxKeyBytes+1))
		for field, values := range map[string][]protocol.Value{
			"name":          {protocol.TextValue("1"), {}, {}, {}},
			"group_name":    {protocol.TextValue("1"), protocol.TextValue("n"), protocol.IntValue(4), {}},
			"department_no": {long, protocol.TextValue("n"), {}, {}},
		} {
			var bad *store.RowError
			err := st.Upsert(&protocol.DecodedRow{Row: protocol.Row{Values: values}})
			if !errors.As(err, &bad) || bad.Field != field {
				t.Errorf("err = %v, want a RowError of %s", err, field)
			}
		}
		good := decoded(t, schema, []protocol.Row{dept("10", "Savværk")})
		if err := st.Upsert(&good[0]); err != nil || st.Rows() != 1 {
			t.Errorf("rows = %d (err %v), want 1", st.Rows(), err)
		}
	})
	t.Run("rows of a kind that is needed or suspended are refused", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		for _, state := range []protocol.KindState{protocol.KindNeeded, protocol.KindSuspended} {
			f.set(t, protocol.KindStatus{Kind: "department", State: state})
			st := f.stage(t, "department", dept("10", "Savværk"))
			err := f.Store.InStream(t.Context(), f.tenant, f.stream, func(tx *store.StreamTx) error {
				_, err := tx.Apply(t.Context(), st, stamps)
				return err
			})
			if !errors.Is(err, store.ErrKindClosed) {
				t.Errorf("%s: err = %v, want ErrKindClosed", state, err)
			}
		}
	})
	t.Run("upserts and deletes of several stages of one kind fit one transaction", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		stages := []*store.Stage{
			f.stage(t, "department", dept("10", "Savværk"), dept("20", "Kontor")),
			f.stage(t, "department", dept("30", "Lager"), noDept("10")),
			f.stage(t, "department", noDept("30")),
		}
		f.in(t, func(tx *store.StreamTx) error {
			for _, st := range stages {
				if _, err := tx.Apply(t.Context(), st, stamps); err != nil {
					return err
				}
			}
			return nil
		})
		if diff := cmp.Diff([]string{"20=Kontor"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
}

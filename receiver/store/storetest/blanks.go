package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// grouped is a department with a field that may be empty.
func grouped(no, name, group string) protocol.Row {
	r := dept(no, name)
	if group != "" {
		r.Values[2] = protocol.TextValue(group)
	}
	return r
}

// keptFields checks rows that are not to empty what is stored.
func keptFields(t *testing.T, o Opened) {
	const many = 100 // of a stage: enough for a look at the range to pay
	chunk := func(group func(i int) string) (rows []protocol.Row) {
		for i := range many {
			rows = append(rows, grouped(fmt.Sprintf("%03d", i), "Ny", group(i)))
		}
		return rows
	}
	all := func(group string) func(int) string { return func(int) string { return group } }
	filled := func() (rows []protocol.Row) {
		for i := range many {
			rows = append(rows, grouped(fmt.Sprintf("%03d", i), "Gammel", "Øst"))
		}
		return rows
	}
	ok, running := protocol.KindStatus{State: protocol.KindOK}, protocol.KindStatus{State: protocol.KindRunning, Snapshot: 7}
	for name, c := range map[string]struct {
		state         protocol.KindStatus
		stored, rows  []protocol.Row
		want          store.Applied
		empty, marked int // rows without a group; rows that the sweep spares
	}{
		"all rows of a chunk that replaces its range":    {running, filled(), chunk(all("")), store.Applied{Unchanged: many, Kept: many}, 0, many},
		"some rows of a chunk that replaces its range":   {running, filled(), chunk(func(i int) string { return "Vest"[:i%2*4] }), store.Applied{Changed: many / 2, Unchanged: many / 2, Kept: many / 2}, 0, many},
		"none of a chunk that replaces its range":        {running, filled(), chunk(all("Vest")), store.Applied{Changed: many}, 0, many},
		"a chunk beside other rows":                      {running, append(filled(), dept("050-1", "Anden")), chunk(all("")), store.Applied{Unchanged: many, Kept: many}, 1, many},
		"a few rows":                                     {running, filled()[:10], chunk(all(""))[:10], store.Applied{Unchanged: 10, Kept: 10}, 0, 10},
		"rows of a kind that is ok":                      {ok, filled()[:10], chunk(all(""))[:10], store.Applied{Unchanged: 10, Kept: 10}, 0, 0},
		"rows that had nothing there":                    {running, chunk(all(""))[:10], []protocol.Row{grouped("000", "Nyt navn", ""), grouped("001", "Ny", "")}, store.Applied{Changed: 1, Unchanged: 1}, 10, 2},
		"new rows":                                       {running, nil, chunk(all("")), store.Applied{Changed: many}, many, many},
		"rows that are stored as they are":               {running, filled(), filled(), store.Applied{Unchanged: many}, 0, many},
		"a name is as good as a group, an empty one not": {running, filled()[:1], []protocol.Row{grouped("000", "", "Øst")}, store.Applied{Unchanged: 1, Kept: 1}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, o, "one", "department")
			if len(c.stored) > 0 {
				f.apply(t, "department", c.stored...)
			}
			c.state.Kind = "department"
			f.set(t, c.state)
			before := f.hashes(t)
			keep := stamps
			keep.KeepFilled = true
			var got store.Applied
			st := f.stage(t, "department", c.rows...)
			f.in(t, func(tx *store.StreamTx) (err error) {
				got, err = tx.Apply(t.Context(), st, keep)
				return err
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if n := f.count(t, "rec_department", "group_name IS NULL"); n != c.empty {
				t.Errorf("%d rows without a group, want %d", n, c.empty)
			}
			rewritten := 0
			for key, hash := range f.hashes(t) {
				if was, stored := before[key]; !stored || was != hash {
					rewritten++
				}
			}
			if int64(rewritten) != c.want.Changed {
				t.Errorf("%d rows have another hash, want %d", rewritten, c.want.Changed)
			}
			if c.state.Snapshot == 0 {
				return
			}
			f.sweeping(t, "department", c.state.Snapshot)
			f.sweepAll(t, "department", 1000)
			if n := f.count(t, "rec_department", "TRUE"); n != c.marked {
				t.Errorf("%d rows outlive the sweep, want %d", n, c.marked)
			}
		})
	}
}

// hashes returns the row hash of every department, by key.
func (f *fixture) hashes(t *testing.T) map[string]int64 {
	t.Helper()
	rows, err := f.DB.QueryContext(t.Context(), "SELECT department_no, row_hash FROM rec_department WHERE tenant_id = $1", f.tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	found := map[string]int64{}
	for rows.Next() {
		var key string
		var hash int64
		if err := rows.Scan(&key, &hash); err != nil {
			t.Fatal(err)
		}
		found[key] = hash
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// holds checks what the store remembers of a kind that waits for a person.
func holds(t *testing.T, o Opened) {
	lost := store.Cause{Code: store.CauseLostFields, Rows: 30}
	status := func(state protocol.KindState, id protocol.SnapshotID, held bool) protocol.KindStatus {
		return protocol.KindStatus{Kind: "department", State: state, Snapshot: id, Held: held}
	}
	blanks := func(t *testing.T, name string) *fixture {
		t.Helper()
		f := newFixture(t, o, name, "department", "employee")
		f.running(t, "department", 7)
		f.in(t, func(tx *store.StreamTx) error { return tx.AddBlanked(t.Context(), "department", 20) })
		f.in(t, func(tx *store.StreamTx) error { return tx.HoldBlanks(t.Context(), "department", lost) })
		f.in(t, func(tx *store.StreamTx) error { return tx.AddBlanked(t.Context(), "department", 10) })
		return f
	}
	is := func(t *testing.T, f *fixture, hold store.Hold, rows int64) {
		t.Helper()
		f.in(t, func(tx *store.StreamTx) error {
			if h, n := tx.Blanks("department"); h != hold || n != rows {
				t.Errorf("hold = %d with %d rows, want %d with %d", h, n, hold, rows)
			}
			return nil
		})
		if got, want := f.state(t, "department").Held, hold == store.HoldSweep || hold == store.HoldBlanks; got != want {
			t.Errorf("held = %t, want %t", got, want)
		}
	}
	release := func(t *testing.T, f *fixture) {
		t.Helper()
		if err := f.Store.ReleaseKind(t.Context(), f.tenant, f.stream, "department"); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a hold for blanks begins to count anew, and operations see why and how many", func(t *testing.T) {
		f := blanks(t, "one")
		is(t, f, store.HoldBlanks, 10)
		kinds, err := f.Store.FleetKinds(t.Context(), f.tenant, f.stream)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range kinds {
			if k.Kind == "department" && (!k.Held || k.Hold != store.HoldBlanks || k.Kept != 10 || k.Cause != lost) {
				t.Errorf("department = %+v", k)
			}
		}
		if a, err := f.Store.FleetAgent(t.Context(), f.tenant, f.agent); err != nil || a.Held != 1 {
			t.Errorf("%d kinds held (err %v), want 1", a.Held, err)
		}
	})
	t.Run("what a kind is held for it stays held for, and a new snapshot counts anew", func(t *testing.T) {
		f := blanks(t, "one")
		f.set(t, status(protocol.KindSweeping, 7, true))
		is(t, f, store.HoldBlanks, 10)
		f.set(t, status(protocol.KindNeeded, 0, true))
		is(t, f, store.HoldBlanks, 0)
		f.set(t, status(protocol.KindOK, 0, false))
		is(t, f, store.HoldNone, 0)
		f.set(t, status(protocol.KindSweeping, 8, true))
		is(t, f, store.HoldSweep, 0)
		release(t, f)
		is(t, f, store.HoldNone, 0)
		if got := f.state(t, "department").State; got != protocol.KindSweeping {
			t.Errorf("a released sweep is %s", got)
		}
	})
	t.Run("a release has the kind read again, and is valid until that has ended", func(t *testing.T) {
		f := blanks(t, "one")
		release(t, f)
		is(t, f, store.HoldPassed, 0)
		if got := f.state(t, "department"); got.State != protocol.KindNeeded || got.Snapshot != 0 {
			t.Errorf("released = %+v, want needed", got)
		}
		if a, err := f.Store.FleetAgent(t.Context(), f.tenant, f.agent); err != nil || a.Held != 0 {
			t.Errorf("%d kinds held (err %v), want none", a.Held, err)
		}
		release(t, f) // once more does nothing
		f.running(t, "department", 8)
		f.set(t, status(protocol.KindNeeded, 0, false))
		f.running(t, "department", 9)
		is(t, f, store.HoldPassed, 0)
		f.sweeping(t, "department", 9)
		is(t, f, store.HoldNone, 0)
	})
	t.Run("a sweep may wait although blanks were let pass", func(t *testing.T) {
		f := blanks(t, "one")
		release(t, f)
		f.set(t, status(protocol.KindSweeping, 8, true))
		is(t, f, store.HoldSweep, 0)
	})
	t.Run("a refused kind is suspended and no longer held", func(t *testing.T) {
		f := blanks(t, "one")
		if err := f.Store.SuspendKind(t.Context(), f.tenant, f.stream, "department", lost); err != nil {
			t.Fatal(err)
		}
		is(t, f, store.HoldNone, 0)
		release(t, f)
		is(t, f, store.HoldNone, 0)
	})
	t.Run("a changed plan takes back what was let pass, but not what is held", func(t *testing.T) {
		f, passed := blanks(t, "held"), blanks(t, "passed")
		release(t, passed)
		passed.running(t, "department", 8)
		for _, f := range []*fixture{f, passed} {
			o := opening1("department", "employee")
			o.PlanHash = strings.Repeat("b", 8)
			if _, _, err := f.open(t, o); err != nil {
				t.Fatal(err)
			}
		}
		is(t, f, store.HoldBlanks, 0)
		is(t, passed, store.HoldNone, 0)
		f.in(t, func(tx *store.StreamTx) error {
			if got := tx.KindCause("department"); got != lost {
				t.Errorf("cause = %+v, want %+v", got, lost)
			}
			return nil
		})
	})
}

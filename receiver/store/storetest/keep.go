package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// keepDept is a department that the main system holds and that could not be read.
func keepDept(no string) protocol.Row {
	return protocol.Row{Op: protocol.Keep, Version: 101, Values: []protocol.Value{protocol.TextValue(no), {}, {}, {}}}
}

func keeps(t *testing.T, o Opened) {
	t.Run("outlive the sweep as they are, in no count", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"), dept("30", "Lager"))
		before := f.Writes(t, "rec_department")
		f.running(t, "department", 7)
		for range 2 {
			got := f.apply(t, "department", dept("30", "Lager"), keepDept("10"))
			if diff := cmp.Diff(store.Applied{Unchanged: 1}, got); diff != "" {
				t.Error(diff)
			}
		}
		if f.Writes(t, "rec_department") != before {
			t.Error("rows were rewritten")
		}
		f.sweeping(t, "department", 7)
		f.sweepAll(t, "department", 10)
		if diff := cmp.Diff([]string{"10=Savværk", "30=Lager"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
		if n := f.count(t, marks, all); n != 0 {
			t.Errorf("marks left = %d, want 0", n)
		}
	})
	t.Run("are saved from a sweep that runs already", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
		f.sweeping(t, "department", 7)
		f.apply(t, "department", keepDept("20"))
		f.sweepAll(t, "department", 1)
		if diff := cmp.Diff([]string{"20=Kontor"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("that are deleted afterwards are swept", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
		f.running(t, "department", 7)
		f.apply(t, "department", keepDept("10"), keepDept("20"))
		f.apply(t, "department", noDept("10"))
		f.sweeping(t, "department", 7)
		f.sweepAll(t, "department", 10)
		if diff := cmp.Diff([]string{"20=Kontor"}, f.depts(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("of which nothing is stored, or no snapshot runs, leave nothing", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.apply(t, "department", keepDept("10"))
		if n := f.count(t, marks, all); n != 0 {
			t.Errorf("marks = %d without a snapshot, want 0", n)
		}
		f.running(t, "department", 7)
		f.apply(t, "department", keepDept("10"))
		f.sweeping(t, "department", 7)
		f.sweepAll(t, "department", 10)
		if got := f.depts(t); len(got) != 0 {
			t.Errorf("departments = %v, want none", got)
		}
	})
	t.Run("leave a waiting dead letter of their key as it is", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.letter(t, "10")
		f.running(t, "department", 7)
		f.apply(t, "department", keepDept("10"))
		if got := f.waiting(t); len(got) != 1 {
			t.Errorf("waiting letters = %v, want one", got)
		}
	})
	t.Run("may be as many as a batch holds", func(t *testing.T) {
		const rows = 600
		f := newFixture(t, o, "one", "department")
		var there, kept []protocol.Row
		for i := range rows {
			no := fmt.Sprint(i)
			there, kept = append(there, dept(no, "A")), append(kept, keepDept(no))
		}
		f.apply(t, "department", there...)
		f.running(t, "department", 7)
		f.apply(t, "department", kept...)
		f.sweeping(t, "department", 7)
		if n := f.sweepAll(t, "department", rows); n != 0 {
			t.Errorf("swept = %d, want 0", n)
		}
	})
}

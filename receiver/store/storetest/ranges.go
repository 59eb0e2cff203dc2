package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// ranges checks chunks that a database may write by filling a range of keys instead of offering row by row: whatever
// the table holds in the range or beside it, the rows of the chunk are there afterwards and no other row is touched.
func ranges(t *testing.T, o Opened) {
	const rows = 100 // of a chunk: enough for a look at the range to pay
	numbered := func(name, suffix string) (out []protocol.Row) {
		for i := range rows {
			out = append(out, dept(fmt.Sprintf("%03d%s", i, suffix), name))
		}
		return out
	}
	chunk, before := slices.Clip(numbered("Ny", "")), slices.Clip(numbered("Gammel", ""))
	beside := []protocol.Row{dept("-", "Gammel"), dept("999", "Gammel")}
	turned := slices.Concat(chunk[rows/2:], chunk[:rows/2]) // from its first row to its last there is no key
	for name, c := range map[string]struct {
		stored, chunk []protocol.Row
		want          store.Applied
	}{
		"an empty range is filled":                               {beside, chunk, store.Applied{Changed: rows}},
		"a range of which every row changed":                     {slices.Concat(before, beside), chunk, store.Applied{Changed: rows}},
		"a range that holds some of the rows":                    {before[10:20], chunk, store.Applied{Changed: rows}},
		"a row that the chunk does not name stays":               {append(before, dept("050-1", "Gammel")), chunk, store.Applied{Changed: rows}},
		"a row that holds nothing, and is not named, stays":      {append(before, dept("050-2", "")), chunk, store.Applied{Changed: rows}},
		"rows that are stored outside of an empty range":         {before, turned, store.Applied{Changed: rows}},
		"one row that is stored outside of an empty range":       {before[:1], chunk[1:], store.Applied{Changed: rows - 1}},
		"rows that are stored as they are":                       {slices.Concat(chunk[:20], beside), chunk, store.Applied{Changed: rows - 20, Unchanged: 20}},
		"a range with more other rows than are looked at":        {slices.Concat(numbered("Gammel", "-1"), numbered("Gammel", "-2"), numbered("Gammel", "-3")), chunk, store.Applied{Changed: rows}},
		"a row that the chunk deletes stays until it is swept":   {append(before, dept("050-1", "Gammel")), append(chunk, noDept("050-1")), store.Applied{Changed: rows}},
		"a row that the chunk wrote and deletes has no id again": {before, append(chunk, noDept("050")), store.Applied{Changed: rows, Deleted: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, o, name, "department")
			want := map[string]string{}
			for _, r := range c.stored {
				want[r.Values[0].S] = r.Values[1].S
			}
			for _, r := range c.chunk {
				no := r.Values[0].S
				switch {
				case r.Op == protocol.Delete:
					want[no] = strings.TrimSuffix(want[no], "@7")
				case want[no] != r.Values[1].S: // else it gets a mark beside the table
					want[no] = r.Values[1].S + "@7"
				}
			}
			f.apply(t, "department", c.stored...)
			f.running(t, "department", 7)
			if diff := cmp.Diff(c.want, f.apply(t, "department", c.chunk...)); diff != "" {
				t.Error(diff)
			}
			got := map[string]string{}
			for _, line := range f.depts(t) {
				no, name, _ := strings.Cut(line, "=")
				got[no] = name
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

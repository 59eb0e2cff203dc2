package sqlserver

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/protocol"
)

// textKeys returns record keys of one text.
func textKeys(texts ...string) [][]protocol.Value {
	var keys [][]protocol.Value
	for _, text := range texts {
		keys = append(keys, []protocol.Value{protocol.TextValue(text)})
	}
	return keys
}

// TestManyKeysAreSoughtTogether: two texts with their parameters, however many keys are sought (trap 15).
func TestManyKeysAreSoughtTogether(t *testing.T) {
	s := newServer()
	seen := map[string]int{}
	asked := 0
	there := map[string]bool{}
	s.rows = func(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
		found := resultOf()
		for _, a := range args {
			query += fmt.Sprintf(" %T", a.Value)
			if nr := string(a.Value.(mssql.NVarCharMax)); len(found.rows) == 0 || found.rows[0][0] != nr {
				found.rows = append(found.rows, []driver.Value{nr, "Allerød"})
				there[nr] = true
			}
		}
		seen[query]++
		asked++
		return found, nil
	}
	tx := s.begin(t, s.source(t, fakePlan))
	for _, n := range []int{1, 2, 49, 50, 51, 2000} {
		var keys [][]protocol.Value
		for i := range n {
			keys = append(keys, textKeys(fmt.Sprintf("D%d", i))...)
		}
		asked = 0
		clear(there)
		updates := 0
		err := tx.ByKey(t.Context(), "department", keys, func(r *protocol.Row) error {
			if r.Op == protocol.Update {
				updates++
			}
			return nil
		})
		if most := (n + keysAtOnce - 1) / keysAtOnce; err != nil || asked != most || len(there) != n || updates < n {
			t.Errorf("%d keys: %v, %d statements for %d keys, %d rows, want %d for all", n, err, asked, len(there), updates, most)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d texts with their parameters' types, want one for a key and one for many", len(seen))
	}
}

func TestEachKeyIsAnswered(t *testing.T) {
	rows := [][]driver.Value{{"D1", "Løn"}, {"d2", "Drift"}, {"D3", "\xff"}}
	tests := map[string]struct {
		keys [][]protocol.Value
		want string
	}{
		"the row, a Keep of one that cannot be converted, a Delete of one that is not there": {
			textKeys("D9", "D3", "D1"), "update D1, keep D3, delete D9"},
		"a row whose key is the same to the collation alone is not the key's": {textKeys("D1", "D2"), "update D1, delete D2"},
		"a key that is asked for twice is not gone the second time":           {textKeys("D1", "D9", "D1"), "update D1, delete D9"},
		"no key": {nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.rows = func(context.Context, string, []driver.NamedValue) (driver.Rows, error) { return resultOf(rows...), nil }
			tx := s.begin(t, s.source(t, fakePlan))
			var got []string
			ops := map[protocol.Op]string{protocol.Update: "update", protocol.Keep: "keep", protocol.Delete: "delete"}
			err := tx.ByKey(t.Context(), "department", tt.keys, func(r *protocol.Row) error {
				got = append(got, ops[r.Op]+" "+r.Values[0].S)
				return nil
			})
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); err != nil || diff != "" {
				t.Errorf("ByKey: %v (-want +got)\n%s", err, diff)
			}
		})
	}
}

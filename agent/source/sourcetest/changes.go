package sourcetest

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
)

var changePromises = map[string]func(*mainSystem){
	"an inserted row is an upsert": func(m *mainSystem) {
		m.expect("department", func() { m.exec(`INSERT INTO "Afdeling" ("Nr", "Navn") VALUES (3, 'Kantine')`) }, []string{"3"}, nil)
	},
	"an updated row is an upsert, and no other row": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`UPDATE "Medarbejder" SET "Navn" = 'Ny' WHERE "Firma" = 1 AND "Nr" = '7'`) },
			[]string{"1-7"}, nil)
	},
	"a deleted row is a delete with its record key": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`DELETE FROM "Medarbejder" WHERE "Firma" = 2 AND "Nr" = '7'`) }, nil, []string{"2-7"})
	},
	"many changes to a row are its last state once": func(m *mainSystem) {
		m.expect("department", func() {
			m.exec(`UPDATE "Afdeling" SET "Navn" = 'Et' WHERE "Nr" = 1`)
			m.exec(`UPDATE "Afdeling" SET "Navn" = 'To' WHERE "Nr" = 1`)
			m.exec(`INSERT INTO "Afdeling" ("Nr", "Navn") VALUES (3, 'Kort')`)
			m.exec(`DELETE FROM "Afdeling" WHERE "Nr" = 3`)
		}, []string{"1"}, []string{"3"})
	},
	"a row deleted and inserted again is an upsert": func(m *mainSystem) {
		m.expect("department", func() {
			m.exec(`DELETE FROM "Afdeling" WHERE "Nr" = 1`)
			m.exec(`INSERT INTO "Afdeling" ("Nr", "Navn") VALUES (1, 'Salg igen')`)
		}, []string{"1"}, nil)
	},
	"a changed key is a delete of the old and an upsert of the new": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`UPDATE "Medarbejder" SET "Nr" = '9' WHERE "Firma" = 1 AND "Nr" = '70'`) },
			[]string{"1-9"}, []string{"1-70"})
	},
	"two keys that change places are two upserts": func(m *mainSystem) {
		m.expect("department", func() {
			m.exec(`UPDATE "Afdeling" SET "Nr" = 99 WHERE "Nr" = 1`)
			m.exec(`UPDATE "Afdeling" SET "Nr" = 1 WHERE "Nr" = 2`)
			m.exec(`UPDATE "Afdeling" SET "Nr" = 2 WHERE "Nr" = 99`)
		}, []string{"1", "2"}, []string{"99"})
	},
	"a key of several columns and types moves in each": func(m *mainSystem) {
		m.expect("pay_rate", func() {
			m.exec(`UPDATE "Sats" SET "Fra" = '2026-02-01' WHERE "Fra" = '2026-01-01'`)
			m.exec(`DELETE FROM "Sats" WHERE "Fra" = '2026-07-01'`)
		}, []string{`1-7" 20485`}, []string{`1-7" 20454`, `1-7" 20635`})
	},
	"a row that leaves the filter is a delete": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`UPDATE "Medarbejder" SET "Status" = 'X' WHERE "Nr" = '70'`) }, nil, []string{"1-70"})
	},
	"a row that enters the filter is an upsert": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`UPDATE "Medarbejder" SET "Status" = 'A' WHERE "Nr" = '8'`) }, []string{"2-8"}, nil)
	},
	"a change in another table is none": func(m *mainSystem) {
		m.expect("pay_rate", func() { m.exec(`UPDATE "Afdeling" SET "Navn" = 'Ny' WHERE "Nr" = 1`) }, nil, nil)
	},
	"nothing is between a position and itself": func(m *mainSystem) {
		m.exec(`UPDATE "Afdeling" SET "Navn" = 'Ny' WHERE "Nr" = 1`)
		tx := m.begin()
		for _, kind := range kinds {
			c, err := changes(m.Context(), m.source, tx, kind, tx.State().Position)
			if err != nil || len(c.upserts)+len(c.deletes) > 0 {
				m.Errorf("%s: %v, %v, want nothing", kind, c, err)
			}
		}
	},
	"a row holds what the plan says, by name": func(m *mainSystem) {
		tx := m.begin()
		got, err := all(m.Context(), m.source, tx, "employee", 100)
		if err != nil {
			m.Fatal(err)
		}
		want := view{
			`"1-7"`:  `"1-7" "Asta Prøve" "11" "Roskilde" "1" 1 "da"`,
			`"1-70"`: `"1-70" "Bo Prøve" "22" "Køge" "1" 1 "da"`,
			`"2-7"`:  `"2-7" "Dan Prøve" - - "2" 0 "da"`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			m.Errorf("employees (-want +got)\n%s", diff)
		}
		if got, err = all(m.Context(), m.source, tx, "pay_rate", 100); err != nil {
			m.Fatal(err)
		}
		want = view{`"1-7" 20454`: `"1-7" 20454 2105000`, `"1-7" 20635`: `"1-7" 20635 2152500`}
		if diff := cmp.Diff(want, got); diff != "" {
			m.Errorf("pay rates (-want +got)\n%s", diff)
		}
	},
	"a row by key is the row now, or a delete": func(m *mainSystem) {
		tx := m.begin()
		k := kindOf(m.source, "employee")
		got := map[string]protocol.Op{}
		keys := [][]protocol.Value{{protocol.TextValue("1-70")}, {protocol.TextValue("2-8")}, {protocol.TextValue("9-9")}}
		err := tx.ByKey(m.Context(), "employee", keys, func(r *protocol.Row) error {
			key, _ := spell(k, r)
			got[key] = r.Op
			return nil
		})
		want := map[string]protocol.Op{`"1-70"`: protocol.Update, `"2-8"`: protocol.Delete, `"9-9"`: protocol.Delete}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			m.Errorf("ByKey: %v (-want +got)\n%s", err, diff)
		}
	},
	"a key of text that is stored as a number is found": func(m *mainSystem) {
		tx := m.begin()
		var ops []protocol.Op
		keys := [][]protocol.Value{{protocol.TextValue("1")}, {protocol.TextValue("01")}}
		err := tx.ByKey(m.Context(), "department", keys, func(r *protocol.Row) error {
			ops = append(ops, r.Op)
			return nil
		})
		if want := []protocol.Op{protocol.Update, protocol.Delete}; err != nil || !cmp.Equal(ops, want) {
			m.Errorf("ByKey = %v, %v, want %v", ops, err, want)
		}
	},
	"of many keys each is answered, and one that is asked for twice is not gone the second time": func(m *mainSystem) {
		tx := m.begin()
		k := kindOf(m.source, "department")
		var keys [][]protocol.Value
		for i := range 121 {
			keys = append(keys, []protocol.Value{protocol.TextValue(strconv.Itoa(i))})
		}
		keys = append(keys, keys[2], keys[1], keys[2])
		got := map[string]protocol.Op{}
		err := tx.ByKey(m.Context(), "department", keys, func(r *protocol.Row) error {
			key, _ := spell(k, r)
			if op, told := got[key]; told && op != r.Op {
				m.Errorf("department %s is %v and %v", key, op, r.Op)
			}
			got[key] = r.Op
			return nil
		})
		there := 0
		for _, op := range got {
			if op == protocol.Update {
				there++
			}
		}
		if err != nil || len(got) != 121 || there != 2 || got[`"1"`] != protocol.Update || got[`"2"`] != protocol.Update {
			m.Errorf("ByKey: %v, %d keys answered, %d rows, want 121 and departments 1 and 2", err, len(got), there)
		}
	},
	"a row that cannot be converted is left out, counted, and comes when mended": badRow,
	"of a row that is kept nothing but the key is told, not even constants": func(m *mainSystem) {
		m.exec(`UPDATE "Medarbejder" SET "Status" = 'Z' WHERE "Nr" = '70'`)
		keep(m, "employee", "1-70", protocol.TextValue("1-70"))
	},
	"a row that was converted once and no longer can be is kept, not deleted": func(m *mainSystem) {
		from := m.state().Position
		m.exec(`UPDATE "Sats" SET "Kr" = 0.000001 WHERE "Fra" = '2026-07-01'`)
		c, err := changes(m.Context(), m.source, m.begin(), "pay_rate", from)
		if err != nil || len(c.upserts)+len(c.deletes) > 0 {
			m.Errorf("changes = %v, %v, want none", c, err)
		}
		keep(m, "pay_rate", `1-7" 20635`, protocol.TextValue("1-7"), protocol.IntValue(20635))
	},
	"an error of yield ends the read and comes back as it is": func(m *mainSystem) {
		stop := errors.New("stop")
		tx := m.begin()
		_, _, err := tx.Chunk(m.Context(), "employee", nil, 100, func(*protocol.Row) error { return stop })
		if err != stop { //nolint:errorlint // as it is, not wrapped
			m.Errorf("Chunk = %v, want %v", err, stop)
		}
		if got, err := all(m.Context(), m.source, tx, "employee", 100); err != nil || len(got) != 3 {
			m.Errorf("the transaction reads %d rows after it, %v", len(got), err)
		}
	},
	"a cancelled read says so": func(m *mainSystem) {
		tx := m.begin()
		ctx, cancel := context.WithCancel(m.Context())
		cancel()
		_, _, err := tx.Chunk(ctx, "employee", nil, 100, func(*protocol.Row) error { return nil })
		if !errors.Is(err, context.Canceled) {
			m.Errorf("Chunk = %v, want %v", err, context.Canceled)
		}
	},
}

func badRow(m *mainSystem) {
	m.expect("pay_rate", func() {
		m.exec(`INSERT INTO "Sats" ("Firma", "Nr", "Fra", "Kr") VALUES (1, '8', '2026-01-01', 0.000001)`)
		m.exec(`INSERT INTO "Sats" ("Firma", "Nr", "Fra", "Kr") VALUES (1, '9', '2026-01-01', 7)`)
	}, []string{`1-9" 20454`}, nil)
	tx := m.begin()
	if _, err := all(m.Context(), m.source, tx, "pay_rate", 1); err != nil {
		m.Fatal(err)
	}
	bad := tx.Bad()
	if len(bad) != 1 || bad[0].Kind != "pay_rate" || bad[0].Field != "rate" || bad[0].Rows != 1 || bad[0].Reason == nil {
		m.Errorf("Bad = %+v, want one row of pay_rate.rate", bad)
	}
	tx.Close()
	keep(m, "pay_rate", `1-8" 20454`, protocol.TextValue("1-8"), protocol.IntValue(20454))
	m.expect("pay_rate", func() { m.exec(`UPDATE "Sats" SET "Kr" = 0.0001 WHERE "Nr" = '8'`) }, []string{`1-8" 20454`}, nil)
}

// keep checks that a chunk, and a look by key, say of one record that it is there, and nothing but its key.
func keep(m *mainSystem, kind, spelled string, key ...protocol.Value) {
	m.Helper()
	tx := m.begin()
	defer tx.Close()
	k := kindOf(m.source, kind)
	check := func(ways string, read func(yield func(*protocol.Row) error) error) {
		var got []string
		err := read(func(r *protocol.Row) error {
			if r.Op != protocol.Keep {
				return nil
			}
			key, row := spell(k, r)
			got = append(got, strings.Trim(key, `"`))
			if row != key+strings.Repeat(" -", len(r.Values)-len(k.Record.Key)) || r.Version != tx.State().Position {
				m.Errorf("%s keeps %s at version %d", ways, row, r.Version)
			}
			return nil
		})
		if want := []string{spelled}; err != nil || !cmp.Equal(got, want) {
			m.Errorf("%s keeps %q, %v, want %q", ways, got, err, want)
		}
	}
	check("Chunk", func(yield func(*protocol.Row) error) error {
		last, _, err := tx.Chunk(m.Context(), kind, nil, 100, yield)
		if err == nil && len(last) == 0 {
			m.Error("the cursor stands still")
		}
		return err
	})
	check("ByKey", func(yield func(*protocol.Row) error) error {
		return tx.ByKey(m.Context(), kind, [][]protocol.Value{key}, yield)
	})
}

var joinPromises = map[string]func(*mainSystem){
	"a change in a joined table sends the rows that use it": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`UPDATE "Telefon" SET "Tal" = '99' WHERE "Nr" = '70'`) }, []string{"1-70"}, nil)
	},
	"a joined row that is new sends the rows that use it": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`INSERT INTO "Telefon" ("Firma", "Nr", "Slags", "Tal") VALUES (2, '7', 1, '33')`) }, []string{"2-7"}, nil)
	},
	"a joined row that goes sends the rows that used it": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`DELETE FROM "Telefon" WHERE "Nr" = '70'`) }, []string{"1-70"}, nil)
	},
	"a joined row that moves sends both": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`UPDATE "Telefon" SET "Firma" = 2, "Nr" = '7' WHERE "Nr" = '70'`) },
			[]string{"1-70", "2-7"}, nil)
	},
	"of several joined rows the first decides": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`DELETE FROM "Telefon" WHERE "Nr" = '7' AND "Slags" = 1`) }, []string{"1-7"}, nil)
	},
	"a change two tables away sends the rows that use it": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`UPDATE "Bynavn" SET "By navn" = 'Ny by' WHERE "PostNr" = 4600`) }, []string{"1-70"}, nil)
	},
	"a link in between that moves sends the rows that use it": func(m *mainSystem) {
		m.expect("employee", func() { m.exec(`UPDATE "Adresse" SET "PostNr" = 4600 WHERE "AdrNr" = 10`) }, []string{"1-7"}, nil)
	},
	"changes on every step at once send each row once": func(m *mainSystem) {
		m.expect("employee", func() {
			m.exec(`DELETE FROM "Bynavn" WHERE "PostNr" = 4000`)
			m.exec(`DELETE FROM "Adresse" WHERE "AdrNr" = 10`)
			m.exec(`UPDATE "Medarbejder" SET "AdrNr" = 11 WHERE "Nr" = '7' AND "Firma" = 1`)
			m.exec(`DELETE FROM "Medarbejder" WHERE "Nr" = '70'`)
		}, []string{"1-7"}, []string{"1-70"})
	},
	"a joined row that a row needs takes it along": func(m *mainSystem) {
		m.source = m.open(replace(m, planText, "on: {AdrNr: m.AdrNr}, optional: true", "on: {AdrNr: m.AdrNr}"))
		m.expect("employee", func() { m.exec(`DELETE FROM "Adresse" WHERE "AdrNr" = 11`) }, nil, []string{"1-70"})
		m.expect("employee", func() { m.exec(`INSERT INTO "Adresse" ("AdrNr", "PostNr") VALUES (11, 4000)`) }, []string{"1-70"}, nil)
	},
	"a join that could meet several rows is refused": func(m *mainSystem) {
		refused(m, replace(m, planText, ", first: Slags", ""))
	},
	"a join that could not be tracked is refused": func(m *mainSystem) {
		refused(m, replace(m, planText, "on: {PostNr: a.PostNr}", "on: {By navn: a.PostNr}"))
	},
}

// refused checks that the employees cannot be read through the plan while departments can.
func refused(m *mainSystem, text string) {
	m.source = m.open(text)
	tx := m.begin()
	if tx.State().Kinds["employee"].Err == nil {
		m.Error("the kind can be read")
	}
	if err := tx.Upserts(m.Context(), "employee", 0, nil); !isKindError(err) {
		m.Errorf("Upserts = %v, want a KindError", err)
	}
	if _, err := all(m.Context(), m.source, tx, "department", 10); err != nil {
		m.Errorf("departments: %v", err)
	}
}

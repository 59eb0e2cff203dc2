package sourcetest

import (
	"strings"

	"github.com/google/go-cmp/cmp"
)

// replace changes a plan's text and fails when it stays the same.
func replace(m *mainSystem, text, old, new string) string {
	m.Helper()
	changed := strings.Replace(text, old, new, 1)
	if changed == text {
		m.Fatalf("the plan does not hold %q", old)
	}
	return changed
}

var statePromises = map[string]func(*mainSystem){
	"what is committed after Begin is not seen, and is seen next time": func(m *mainSystem) {
		tx := m.begin()
		from := tx.State().Position
		m.exec(`UPDATE "Afdeling" SET "Navn" = 'Senere' WHERE "Nr" = 1`)
		m.exec(`INSERT INTO "Afdeling" ("Nr", "Navn") VALUES (3, 'Senere')`)
		before, err := all(m.Context(), m.source, tx, "department", 100)
		if err != nil {
			m.Fatal(err)
		}
		if want := (view{`"1"`: `"1" "Salg"`, `"2"`: `"2" "Lager"`}); !cmp.Equal(before, want) {
			m.Errorf("inside the transaction %v, want %v", before, want)
		}
		tx.Close()
		tx = m.begin()
		c, err := changes(m.Context(), m.source, tx, "department", from)
		if err != nil || len(c.upserts) != 2 {
			m.Errorf("next time %v, %v, want two upserts", c, err)
		}
	},
	"a lineage and a position stay when nothing happens": func(m *mainSystem) {
		one, two := m.state(), m.state()
		if one.Lineage == "" || one.Lineage != two.Lineage || one.Position != two.Position {
			m.Errorf("%s %d, then %s %d", one.Lineage, one.Position, two.Lineage, two.Position)
		}
	},
	"a position read now is valid for every kind": func(m *mainSystem) {
		s := m.state()
		for _, kind := range kinds {
			if k := s.Kinds[kind]; k.MinValid > s.Position || k.Epoch == "" || k.Err != nil {
				m.Errorf("%s: %+v at position %d", kind, k, s.Position)
			}
		}
	},
	"TRUNCATE ends the validity of its kind alone": func(m *mainSystem) {
		before := m.state()
		m.Truncate("Sats")
		after := m.state()
		if after.Kinds["pay_rate"].MinValid <= before.Position {
			m.Errorf("minimum %d, want above %d", after.Kinds["pay_rate"].MinValid, before.Position)
		}
		for _, kind := range []string{"department", "employee"} {
			if after.Kinds[kind].MinValid > before.Position {
				m.Errorf("%s: minimum %d, want at most %d", kind, after.Kinds[kind].MinValid, before.Position)
			}
		}
		if after.Kinds["pay_rate"].MinValid > after.Position {
			m.Errorf("minimum %d is past the position %d", after.Kinds["pay_rate"].MinValid, after.Position)
		}
	},
	"TRUNCATE of a joined table ends the validity of the kind that uses it": func(m *mainSystem) {
		before := m.state()
		m.Truncate("Bynavn")
		if after := m.state(); after.Kinds["employee"].MinValid <= before.Position {
			m.Errorf("minimum %d, want above %d", after.Kinds["employee"].MinValid, before.Position)
		}
	},
	"clean-up ends the validity of positions before it, of its kind alone": func(m *mainSystem) {
		before := m.state()
		m.exec(`DELETE FROM "Afdeling" WHERE "Nr" = 2`)
		m.Forget()
		after := m.state()
		if after.Kinds["department"].MinValid <= before.Position {
			m.Errorf("minimum %d, want above %d", after.Kinds["department"].MinValid, before.Position)
		}
		if after.Kinds["department"].MinValid > after.Position {
			m.Errorf("minimum %d is past the position %d", after.Kinds["department"].MinValid, after.Position)
		}
		if after.Kinds["pay_rate"].MinValid > before.Position {
			m.Errorf("pay_rate: minimum %d, want at most %d", after.Kinds["pay_rate"].MinValid, before.Position)
		}
	},
	"an idle table's minimum never passes a position that was read": func(m *mainSystem) {
		for range 3 {
			m.exec(`UPDATE "Afdeling" SET "Navn" = CONCAT("Navn", '.') WHERE "Nr" = 1`)
			read := m.state().Position
			m.Forget()
			for _, kind := range kinds {
				if k := m.state().Kinds[kind]; k.MinValid > read {
					m.Errorf("%s: minimum %d, want at most %d", kind, k.MinValid, read)
				}
			}
		}
	},
	"tracking switched off and on again begins another epoch": func(m *mainSystem) {
		before := m.state()
		m.Untrack("Sats")
		if off := m.state(); off.Kinds["pay_rate"].Err == nil || off.Kinds["department"].Err != nil {
			m.Errorf("off: %+v", off.Kinds)
		}
		m.exec(`DELETE FROM "Sats" WHERE "Fra" = '2026-01-01'`)
		m.Track("Sats")
		after := m.state()
		if k := after.Kinds["pay_rate"]; k.Err != nil || k.Epoch == before.Kinds["pay_rate"].Epoch || k.MinValid <= before.Position {
			m.Errorf("on: %+v, want another epoch than %s and a minimum above %d", k, before.Kinds["pay_rate"].Epoch, before.Position)
		}
		if after.Kinds["employee"].Epoch != before.Kinds["employee"].Epoch {
			m.Error("another kind's epoch changed")
		}
	},
	"another mapping is another epoch of its kind": func(m *mainSystem) {
		before := m.state()
		m.source = m.open(replace(m, planText, "m.Status <> 'X'", "m.Status = 'A'"))
		after := m.state()
		if after.Kinds["employee"].Epoch == before.Kinds["employee"].Epoch {
			m.Error("the employees' epoch is the same")
		}
		if after.Kinds["department"].Epoch != before.Kinds["department"].Epoch {
			m.Error("the departments' epoch changed")
		}
	},
	"a restored database has another lineage": func(m *mainSystem) {
		restore := m.Backup()
		before := m.state()
		m.exec(`UPDATE "Afdeling" SET "Navn" = 'Tabt' WHERE "Nr" = 1`)
		restore()
		after := m.state()
		if after.Lineage == before.Lineage {
			m.Errorf("the lineage is still %s", after.Lineage)
		}
		tx := m.begin()
		got, err := all(m.Context(), m.source, tx, "department", 100)
		if want := `"1" "Salg"`; err != nil || got[`"1"`] != want {
			m.Errorf("department 1 = %s, %v, want %s", got[`"1"`], err, want)
		}
		tx.Close()
		m.expect("department", func() { m.exec(`DELETE FROM "Afdeling" WHERE "Nr" = 2`) }, nil, []string{"2"})
	},
	"a restore that passes the old position again has another lineage": func(m *mainSystem) {
		restore := m.Backup()
		m.exec(`UPDATE "Afdeling" SET "Navn" = 'Tabt' WHERE "Nr" = 1`)
		before := m.state()
		restore()
		for m.state().Position <= before.Position {
			m.exec(`UPDATE "Afdeling" SET "Navn" = CONCAT("Navn", '.') WHERE "Nr" = 2`)
		}
		if after := m.state(); after.Lineage == before.Lineage {
			m.Errorf("the lineage is still %s", after.Lineage)
		}
	},
	"a transaction can be closed twice": func(m *mainSystem) {
		tx := m.begin()
		if err := tx.Close(); err != nil {
			m.Error(err)
		}
		if err := tx.Close(); err != nil {
			m.Error(err)
		}
	},
	"a restart sees the same": func(m *mainSystem) {
		before := m.state()
		m.source = m.open(planText)
		after := m.state()
		before.At = after.At
		if diff := cmp.Diff(before, after); diff != "" {
			m.Errorf("after a restart (-before +after)\n%s", diff)
		}
	},
}

var driftPromises = map[string]func(*mainSystem){
	"a dropped column stops its kind with a sentence, the others flow": func(m *mainSystem) {
		m.exec(`ALTER TABLE "Sats" DROP COLUMN "Kr"`)
		drifted(m, "Kr")
	},
	"a renamed column stops its kind, and named back it flows": func(m *mainSystem) {
		m.Rename("Sats", "Kr", "Beløb")
		drifted(m, "Kr")
		m.Rename("Sats", "Beløb", "Kr")
		tx := m.begin()
		if got, err := all(m.Context(), m.source, tx, "pay_rate", 100); err != nil || len(got) != 2 {
			m.Errorf("named back: %v, %v", got, err)
		}
	},
	"a dropped table stops its kind": func(m *mainSystem) {
		m.Untrack("Sats")
		m.exec(`DROP TABLE "Sats"`)
		drifted(m, "Sats")
	},
	"a column that the plan does not read may go and come": func(m *mainSystem) {
		before := m.state()
		m.exec(`ALTER TABLE "Medarbejder" DROP COLUMN "Intern"`)
		m.exec(`ALTER TABLE "Medarbejder" ADD "Andet" VARCHAR(10)`)
		after := m.state()
		if k := after.Kinds["employee"]; k.Err != nil || k.Epoch != before.Kinds["employee"].Epoch {
			m.Errorf("employee: %+v", k)
		}
	},
	"a plan's key that is not the primary key is refused": func(m *mainSystem) {
		m.source = m.open(replace(m, replace(m, planText, "key: [Firma, Nr, Fra]", "key: [Nr, Fra]"), `CONCAT(s.Firma, '-', s.Nr)`, "s.Nr"))
		drifted(m, "Firma")
	},
	"SQL that names a column without its alias is refused": func(m *mainSystem) {
		m.source = m.open(replace(m, planText, "rate: s.Kr", "rate: {expr: s.Kr + 0 * Firma}"))
		drifted(m, "Firma")
	},
	"SQL that the database does not accept is refused": func(m *mainSystem) {
		m.source = m.open(replace(m, planText, "rate: s.Kr", "rate: {expr: s.Kr +}"))
		drifted(m, "")
	},
}

// drifted checks that pay rates are refused with a sentence naming what, while departments change.
func drifted(m *mainSystem, what string) {
	m.Helper()
	s := m.state()
	if err := s.Kinds["pay_rate"].Err; err == nil || !strings.Contains(err.Error(), what) {
		m.Errorf("pay_rate: %v, want a sentence naming %s", err, what)
	}
	m.expect("department", func() { m.exec(`INSERT INTO "Afdeling" ("Nr", "Navn") VALUES (3, 'Kantine')`) }, []string{"3"}, nil)
}

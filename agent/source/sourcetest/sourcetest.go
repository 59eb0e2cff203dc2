// Package sourcetest holds the promises of package source as sentences, to be shown on a real database of each
// kind. A [Promise] makes its own tables through a [Harness], changes them as a main system does, and looks at what
// the source tells. Tests show them, and so does the agent on a customer's server.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// Harness is an empty main system's database. Its functions fail the test on trouble, but for Exec, which
// the hammer calls from several goroutines.
type Harness struct {
	// Mode is how the source finds changes; empty is [plan.ChangeTracking].
	Mode plan.Mode
	// Cannot names the promises that this database has no means to show, and why.
	Cannot map[string]string
	// Exec runs one statement as any user of the main system. The suite keeps to SQL that all dialects read.
	Exec func(statement string) error
	// Track and Untrack switch change tracking on and off; or add what the mode needs.
	Track, Untrack func(tables ...string)
	// Truncate empties a table without noting deletes.
	Truncate func(table string)
	// Forget drops every change noted so far, as the end of the retention does.
	Forget func()
	// Backup keeps the database as it is and returns what restores it.
	Backup func() (restore func())
	// Rename renames a column.
	Rename func(table, from, to string)
	// Open returns a source on the database through a plan; it is closed by whoever asks for it.
	Open func(p *plan.Plan) source.Source
}

const planText = `
version: 1
timezone: Europe/Copenhagen
kinds:
  department:
    table: Afdeling
    as: d
    key: Nr
    fields: {department_no: d.Nr, name: d.Navn}
  employee:
    table: Medarbejder
    as: m
    key: [Firma, Nr]
    join:
      - {table: Telefon, as: t, on: {Firma: m.Firma, Nr: m.Nr}, first: Slags, optional: true}
      - {table: Adresse, as: a, on: {AdrNr: m.AdrNr}, optional: true}
      - {table: Bynavn, as: b, on: {PostNr: a.PostNr}, optional: true}
    fields:
      employee_no: {expr: "CONCAT(m.Firma, '-', m.Nr)"}
      name: m.Navn
      phone: t.Tal
      city: b.By navn
      department_no: m.AfdNr
      active: {column: m.Status, map: {A: true, P: false}}
      language: {value: da}
    filter: m.Status <> 'X'
  pay_rate:
    table: Sats
    as: s
    key: [Firma, Nr, Fra]
    fields:
      employee_no: {expr: "CONCAT(s.Firma, '-', s.Nr)"}
      valid_from: s.Fra
      rate: s.Kr
`

var tables = []string{
	`CREATE TABLE "Afdeling" ("Nr" INTEGER NOT NULL PRIMARY KEY, "Navn" VARCHAR(50) NOT NULL)`,
	`CREATE TABLE "Medarbejder" ("Firma" INTEGER NOT NULL, "Nr" VARCHAR(20) NOT NULL, "Navn" VARCHAR(50) NOT NULL,
		"Status" CHAR(1) NOT NULL, "AfdNr" INTEGER, "AdrNr" INTEGER, "Intern" VARCHAR(50), PRIMARY KEY ("Firma", "Nr"))`,
	`CREATE TABLE "Telefon" ("Firma" INTEGER NOT NULL, "Nr" VARCHAR(20) NOT NULL, "Slags" INTEGER NOT NULL,
		"Tal" VARCHAR(20), PRIMARY KEY ("Firma", "Nr", "Slags"))`,
	`CREATE TABLE "Adresse" ("AdrNr" INTEGER NOT NULL PRIMARY KEY, "PostNr" INTEGER)`,
	`CREATE TABLE "Bynavn" ("PostNr" INTEGER NOT NULL PRIMARY KEY, "By navn" VARCHAR(50))`,
	`CREATE TABLE "Sats" ("Firma" INTEGER NOT NULL, "Nr" VARCHAR(20) NOT NULL, "Fra" DATE NOT NULL,
		"Kr" DECIMAL(12,6) NOT NULL, PRIMARY KEY ("Firma", "Nr", "Fra"))`,
}

// Kinds of the suite's plan.
var kinds = []string{"department", "employee", "pay_rate"}

// all promises, by what they speak of.
var promises = []map[string]func(*mainSystem){changePromises, joinPromises, statePromises, driftPromises, chunkPromises}

// trackingOnly are the promises that only change tracking makes: by rowversion a row that is gone tells nothing, nor does
// a table that was emptied, and comparing needs no tracking at all. There digests find it.
var trackingOnly = []string{
	"a joined row that goes sends the rows that used it",
	"a joined row that moves sends both",
	"of several joined rows the first decides",
	"changes on every step at once send each row once",
	"a joined row that a row needs takes it along",
	"a join that could not be tracked is refused",
	"a restored database has another lineage",
	"a restore that passes the old position again has another lineage",
	"TRUNCATE ends the validity of its kind alone",
	"TRUNCATE of a joined table ends the validity of the kind that uses it",
	"clean-up ends the validity of positions before it, of its kind alone",
	"tracking switched off and on again begins another epoch",
	"cuts and chunks read while others write reproduce the database",
}

// changesOnly are the promises that a compared kind does not make, which tells no changes at all.
var changesOnly = []string{
	"what is committed after Begin is not seen, and is seen next time",
	"a row that cannot be converted is left out, counted, and comes when mended",
}

// mainSystem is a main system under test with a few rows in it.
type mainSystem struct {
	T
	Harness
	source source.Source
}

func newMain(t T, h Harness) *mainSystem {
	m := &mainSystem{T: t, Harness: h}
	for _, table := range tables {
		m.exec(table)
	}
	m.exec(`INSERT INTO "Afdeling" ("Nr", "Navn") VALUES (1, 'Salg'), (2, 'Lager')`)
	m.exec(`INSERT INTO "Bynavn" ("PostNr", "By navn") VALUES (4000, 'Roskilde'), (4600, 'Køge')`)
	m.exec(`INSERT INTO "Adresse" ("AdrNr", "PostNr") VALUES (10, 4000), (11, 4600), (12, 4000)`)
	m.exec(`INSERT INTO "Medarbejder" ("Firma", "Nr", "Navn", "Status", "AfdNr", "AdrNr", "Intern") VALUES (1, '7', 'Asta Prøve', 'A', 1, 10, NULL), (1, '70', 'Bo Prøve', 'A', 1, 11, NULL),
		(2, '7', 'Dan Prøve', 'P', 2, NULL, NULL), (2, '8', 'Eja Prøve', 'X', 2, 12, NULL)`)
	m.exec(`INSERT INTO "Telefon" ("Firma", "Nr", "Slags", "Tal") VALUES (1, '7', 1, '11'), (1, '7', 2, '12'), (1, '70', 2, '22')`)
	m.exec(`INSERT INTO "Sats" ("Firma", "Nr", "Fra", "Kr") VALUES (1, '7', '2026-01-01', 210.5), (1, '7', '2026-07-01', 215.25)`)
	m.Track("Afdeling", "Medarbejder", "Telefon", "Adresse", "Bynavn", "Sats")
	m.source = m.open(planText)
	return m
}

func (m *mainSystem) open(text string) source.Source {
	m.Helper()
	switch m.Mode {
	case plan.Rowversion:
		text = strings.Replace(text, "version: 1\n", "version: 1\nmode: rowversion\n", 1)
	case plan.Compare:
		text = strings.ReplaceAll(text, "    table:", "    mode: compare\n    table:")
	case plan.ChangeTracking:
	}
	p, err := plan.Parse("plan.yaml", []byte(text))
	if err != nil {
		m.Fatal(err)
	}
	s := m.Open(p)
	m.Cleanup(func() { s.Close() })
	return s
}

func (m *mainSystem) exec(statement string) {
	m.Helper()
	if err := m.Exec(statement); err != nil {
		m.Fatalf("%s: %v", statement, err)
	}
}

func (m *mainSystem) begin() source.Tx {
	m.Helper()
	tx, err := m.source.Begin(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { tx.Close() })
	return tx
}

// state looks at the database once.
func (m *mainSystem) state() source.State {
	m.Helper()
	tx := m.begin()
	defer tx.Close()
	return tx.State()
}

// view is one kind's records: the key's spelling to the row's.
type view map[string]string

// spell writes a row's key and all of it.
func spell(k source.Kind, r *protocol.Row) (key, row string) {
	var keys, cells []string
	for i, f := range k.Schema.Fields {
		v := r.Values[i]
		cell := "-"
		switch v.Kind {
		case protocol.Null:
		case protocol.Text, protocol.Bytes, protocol.Big:
			cell = fmt.Sprintf("%q", v.S)
		case protocol.Bool, protocol.Int:
			cell = fmt.Sprint(v.N)
		}
		cells = append(cells, cell)
		if k.Record.IsKey(f.Name) {
			keys = append(keys, cell)
		}
	}
	return strings.Join(keys, " "), strings.Join(cells, " ")
}

func kindOf(s source.Source, name string) source.Kind {
	for _, k := range s.Kinds() {
		if k.Record.Name == name {
			return k
		}
	}
	return source.Kind{}
}

// kept stands for the row of a record of which a chunk says only that it is there.
const kept = "kept"

// all reads a whole kind in chunks of limit rows; a record met twice is an error. What is only to be kept is left out.
func all(ctx context.Context, s source.Source, tx source.Tx, kind string, limit int) (view, error) {
	k := kindOf(s, kind)
	v := view{}
	var after []byte
	for {
		last, done, err := tx.Chunk(ctx, kind, after, limit, func(r *protocol.Row) error {
			key, row := spell(k, r)
			if _, twice := v[key]; twice {
				return fmt.Errorf("%s %s is read twice", kind, key)
			}
			if r.Op == protocol.Delete {
				return fmt.Errorf("%s %s: a chunk holds a delete", kind, key)
			}
			if v[key] = row; r.Op == protocol.Keep {
				v[key] = kept
			}
			return nil
		})
		if err != nil || done {
			maps.DeleteFunc(v, func(_, row string) bool { return row == kept })
			return v, err
		}
		if string(last) == string(after) {
			return v, fmt.Errorf("%s: the cursor stands still", kind)
		}
		after = last
	}
}

// cut is what changed in one kind.
type cut struct {
	upserts view
	deletes view
}

// changes reads a kind's cut; a record in it twice is an error.
func changes(ctx context.Context, s source.Source, tx source.Tx, kind string, from protocol.Position) (cut, error) {
	k := kindOf(s, kind)
	c := cut{upserts: view{}, deletes: view{}}
	into := func(v view, del bool) func(*protocol.Row) error {
		return func(r *protocol.Row) error {
			key, row := spell(k, r)
			_, upserted := c.upserts[key]
			_, deleted := c.deletes[key]
			if upserted || deleted {
				return fmt.Errorf("%s %s is in one cut twice", kind, key)
			}
			if (r.Op == protocol.Delete) != del || r.Version != tx.State().Position {
				return fmt.Errorf("%s %s has operation %d and version %d", kind, key, r.Op, r.Version)
			}
			v[key] = row
			return nil
		}
	}
	if err := tx.Upserts(ctx, kind, from, into(c.upserts, false)); err != nil {
		return c, err
	}
	if err := tx.Deletes(ctx, kind, from, into(c.deletes, true)); err != nil {
		return c, err
	}
	n, err := tx.CountChanges(ctx, kind, from)
	if err != nil {
		return c, err
	}
	if n < int64(len(c.upserts)+len(c.deletes)) {
		return c, fmt.Errorf("%s: counted %d changes, read %d", kind, n, len(c.upserts)+len(c.deletes))
	}
	return c, nil
}

// expect runs change and compares the keys that one kind's cut since before holds.
func (m *mainSystem) expect(kind string, change func(), upserts, deletes []string) {
	m.Helper()
	tx := m.begin()
	from := tx.State().Position
	whole, err := all(m.Context(), m.source, tx, kind, 100)
	if err != nil {
		m.Fatal(err)
	}
	tx.Close()
	change()
	tx = m.begin()
	defer tx.Close()
	if tx.State().Position <= from && m.Mode != plan.Compare {
		m.Errorf("position %d after a change, %d before", tx.State().Position, from)
	}
	c, err := changes(m.Context(), m.source, tx, kind, from)
	if err != nil {
		m.Fatal(err)
	}
	if m.Mode == plan.Compare {
		upserts = nil
	}
	if m.Mode != plan.ChangeTracking {
		deletes = nil
	}
	sorted := func(v view) []string {
		keys := []string{}
		for key := range v {
			keys = append(keys, strings.Trim(key, `"`))
		}
		return keys
	}
	less := cmp.Transformer("set", func(list []string) map[string]bool {
		set := map[string]bool{}
		for _, s := range list {
			set[s] = true
		}
		return set
	})
	if diff := cmp.Diff(upserts, sorted(c.upserts), less); diff != "" {
		m.Errorf("upserts of %s (-want +got)\n%s", kind, diff)
	}
	if diff := cmp.Diff(deletes, sorted(c.deletes), less); diff != "" {
		m.Errorf("deletes of %s (-want +got)\n%s", kind, diff)
	}
	apply(whole, c)
	now, err := all(m.Context(), m.source, tx, kind, 100)
	if err != nil {
		m.Fatal(err)
	}
	if m.Mode != plan.ChangeTracking {
		maps.DeleteFunc(whole, func(key, _ string) bool { return now[key] == "" }) // what digests find
	}
	if m.Mode == plan.Compare {
		maps.Copy(whole, now)
	}
	if diff := cmp.Diff(now, whole); diff != "" {
		m.Errorf("%s after its cut (-source +applied)\n%s", kind, diff)
	}
}

func apply(v view, c cut) {
	maps.Copy(v, c.upserts)
	for key := range c.deletes {
		delete(v, key)
	}
}

// isKindError reports whether err speaks of one kind.
func isKindError(err error) bool {
	var k *source.KindError
	return errors.As(err, &k)
}

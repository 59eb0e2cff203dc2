package sqlserver

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/plan"
)

var update = flag.Bool("update", false, "write the statements in testdata anew")

const goldenPlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  employee:
    table: Medarbejder
    as: m
    key: [Firma, Nr]
    join:
      - {table: Telefon, as: t, on: {Firma: m.Firma, Nr: m.Nr, Slags: {value: Løn}}, first: [Tal, Nr], optional: true}
      - {schema: lon, table: Adresse, as: a, on: {AdrNr: m.AdrNr}}
      - {table: Bynavn, as: b, on: {PostNr: a.PostNr}, optional: true}
    fields:
      employee_no: {expr: "CONCAT(m.Firma, '-', m.Nr)"}
      name: m.Navn
      phone: t.Tal
      city: b.By navn
      active: {value: true}
    filter: m.Status <> 'X'
`

const businessCentralPlan = `version: 1
timezone: Europe/Copenhagen
mode: rowversion
kinds:
  employee:
    table: CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972
    as: e
    key: No_
    fields:
      employee_no: e.No_
      name: "e.Search ] 'Name'"
      active: {column: e.Status, map: {0: true}, others: false}
`

const spellingPlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: Afdeling, as: d, key: Nr, fields: {department_no: d.Nr, name: d.Navn}, filter: d.Navn <> ''}
`

const viewPlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  shift:
    mode: compare
    schema: rapport
    table: Fravær
    as: f
    key: [Nr, Dag, Id]
    fields:
      shift_no: {expr: "CONCAT(f.Nr, '/', CONVERT(varchar(10), f.Dag, 23), '/', f.Id)"}
      name: f.Art
      starts_at: f.Fra
      ends_at: f.Til
`

// tableOf makes a table of columns that the account may read.
func tableOf(typ string, columns ...column) *table {
	t := &table{object: 1, typ: typ}
	for i, c := range columns {
		c.id = i + 1
		c.readable = true
		t.columns = append(t.columns, c)
	}
	return t
}

// keyed makes the first n columns the primary key.
func keyed(t *table, n int) *table {
	t.key = t.columns[:n]
	t.unique = [][]string{names(t.key)}
	return t
}

const danish = "Danish_Norwegian_CI_AS"

func whole(name string) column { return column{name: name, typ: "int", length: 4} }
func varchar(name string) column {
	return column{name: name, typ: "varchar", length: 20, collation: danish}
}
func nvarchar(name string) column {
	return column{name: name, typ: "nvarchar", length: 40, collation: danish}
}

func TestStatements(t *testing.T) {
	rv := column{name: "timestamp", typ: "timestamp", length: 8}
	tests := map[string]struct {
		plan, kind string
		tables     []*table // in the plan's order
	}{
		"change-tracking": {goldenPlan, "employee", []*table{
			keyed(tableOf("U", whole("Firma"), varchar("Nr"), nvarchar("Navn"), varchar("Status"), whole("AdrNr")), 2),
			keyed(tableOf("U", whole("Firma"), varchar("Nr"), varchar("Slags"), nvarchar("Tal")), 3),
			keyed(tableOf("U", whole("AdrNr"), whole("PostNr")), 1),
			keyed(tableOf("U", whole("PostNr"), nvarchar("By navn")), 1),
		}},
		"rowversion": {strings.Replace(goldenPlan, "version: 1\n", "version: 1\nmode: rowversion\n", 1), "employee", []*table{
			keyed(tableOf("U", whole("Firma"), varchar("Nr"), nvarchar("Navn"), varchar("Status"), whole("AdrNr"), rv), 2),
			keyed(tableOf("U", whole("Firma"), varchar("Nr"), varchar("Slags"), nvarchar("Tal"), rv), 3),
			keyed(tableOf("U", whole("AdrNr"), whole("PostNr"), rv), 1),
			keyed(tableOf("U", whole("PostNr"), nvarchar("By navn"), rv), 1),
		}},
		"key-spelling": {spellingPlan, "department", []*table{
			keyed(tableOf("U", nvarchar("Nr"), nvarchar("Navn")), 1),
		}},
		"business-central": {businessCentralPlan, "employee", []*table{
			keyed(tableOf("U", nvarchar("No_"), nvarchar("Search ] 'Name'"), whole("Status"), rv), 1),
		}},
		"compare": {viewPlan, "shift", []*table{
			tableOf("V", varchar("Nr"), column{name: "Dag", typ: "date"}, column{name: "Id", typ: "uniqueidentifier", nullable: true}, varchar("Art"),
				column{name: "Fra", typ: "time", scale: 7}, column{name: "Til", typ: "datetime"}),
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := parsed(t, tt.plan)
			c := &catalog{plan: p, tables: map[plan.Table]*table{}, glances: map[plan.Table]glance{}}
			for i, table := range p.Tables() {
				c.tables[table] = tt.tables[i]
				c.glances[table] = glance{object: 1, tracked: true, seesChanges: true}
			}
			k := p.Kind(tt.kind)
			if problems := c.check(k); problems != nil {
				t.Fatal(problems)
			}
			s := c.builder(k).statements()
			parts := []golden{
				{"The rows that changed, or depend on a row that changed, as they are now. " + basis[k.Mode], s.upserts},
				{"The keys that changed and have no row. W and T: only the key is known of a deleted row; the LEFT JOIN from\n-- CHANGETABLE on every key column, kept to the rows without a match.", s.deletes},
				{"An upper bound of both.", s.count},
				{"The first chunk: key order, one processor, its own short snapshot (trap 5).", s.first},
			}
			for i := len(s.next) - 1; i >= 0; i-- {
				parts = append(parts, golden{"The rows after a key, as far as its first columns are the same; each one seek (trap 3).", s.next[i]})
			}
			parts = append(parts, golden{"The rows that may have a record key.", s.byKey},
				golden{"The rows that may have one of so many record keys: each key typed and collated as its column, so that each is one seek\n-- (trap 3); the same text for 2 keys and for 50 (trap 15). TRY_CAST: a key that is no value of the type has no row.", s.byKeys})
			compareGolden(t, name, parts)
		})
	}
}

// basis names the documentation that a mode's statement follows.
var basis = map[plan.Mode]string{
	plan.ChangeTracking: "W: join CHANGETABLE(CHANGES)\n-- with the table on every key column; T: net changes after @p1, a bigint and no expression.",
	plan.Rowversion:     "R: rows up to MIN_ACTIVE_ROWVERSION,\n-- @p2, below which no transaction is active; compared as binary(8), the column's own type.",
}

func TestPollStatements(t *testing.T) {
	p := parsed(t, goldenPlan)
	tables := p.Tables()
	compareGolden(t, "poll", []golden{
		{"Before the transaction: V_pre (trap 1), and the lineage: W, \"a database version id checked each time\".", factsText(plan.ChangeTracking, true)},
		{"The same in rowversion mode, where the recovery fork cannot be read. R: not @@DBTS.", factsText(plan.Rowversion, false)},
		{"In the snapshot transaction: each table's object, definition, rights and tracking, in one text (trap 15).", glancesText(tables, plan.ChangeTracking)},
		{"The same in rowversion mode.", glancesText(tables, plan.Rowversion)},
		{"Then, after data was touched, W and MV: each table's own minimum valid version by its object, and the current version.", validityText(tables)},
		{"When the definition changed: columns and rights.", columnsSQL},
		{"When the definition changed: keys.", indexesSQL},
		{"When the definition changed: whether the server accepts the plan's SQL, without running it (trap 12: no SHOWPLAN).", describeSQL},
		{"Every quarter of an hour: about how many rows.", estimateSQL},
		{"At agent plan check: C, the history of clean-ups (trap 14).", cleanupSQL},
		{"Every reading session.", readSession},
		{"The session that writes reports (trap 13: row counts stay on).", writeSession},
	})
}

type golden struct{ comment, statement string }

func compareGolden(t *testing.T, name string, parts []golden) {
	t.Helper()
	var b strings.Builder
	for _, p := range parts {
		if p.statement != "" {
			b.WriteString("-- " + p.comment + "\n" + strings.TrimSpace(p.statement) + "\n\n")
		}
	}
	got := strings.TrimSuffix(b.String(), "\n")
	file := filepath.Join("testdata", name+".sql")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), write it anew with -update\n%s", file, diff)
	}
}

func parsed(t testing.TB, text string) *plan.Plan {
	t.Helper()
	p, err := plan.Parse("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

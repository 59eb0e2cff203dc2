package sqlite_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlite"
)

const checkPlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: Afd, as: d, key: Nr, fields: {department_no: d.Nr, name: d.Navn, group_name: d.Gruppe}}
  employee:
    table: Medarb
    as: m
    key: Nr
    join: [{table: Afd, as: d, on: {Nr: m.Afd}, optional: true}]
    fields: {employee_no: {expr: "trim(m.Nr)"}, name: m.Navn, job_title: d.Navn, active: {value: true}}
inbox:
  absence: {table: Ind, id: Id, columns: {Fra: fields.first_day}}
`

var checkTables = []string{
	`CREATE TABLE Afd (Nr TEXT PRIMARY KEY, Navn TEXT, Gruppe TEXT)`,
	`CREATE TABLE Medarb (Nr TEXT PRIMARY KEY, Navn TEXT, Afd TEXT)`,
	`CREATE INDEX MedarbAfd ON Medarb (Afd)`,
	`CREATE TABLE Ind (Id TEXT PRIMARY KEY, Fra TEXT, Til TEXT DEFAULT '')`,
	`INSERT INTO Afd VALUES ('1', 'Salg', 'A'), ('2', 'Lager', 'B')`,
	`INSERT INTO Medarb VALUES ('7', 'Asta Prøve', '1'), ('8', 'Bo Prøve', NULL)`,
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		change []string
		track  []string
		want   []string
	}{
		"a plan that fits": {},
		"everything that is wrong is told at once": {
			change: []string{`ALTER TABLE Afd DROP COLUMN Navn`, `ALTER TABLE Afd DROP COLUMN Gruppe`, `ALTER TABLE Ind DROP COLUMN Fra`,
				`ALTER TABLE Ind RENAME COLUMN Til TO Fra2`, `ALTER TABLE Ind ADD COLUMN Art TEXT NOT NULL DEFAULT ''`},
			want: []string{
				"stop: line 4: kinds.department: table Afd has no column Navn, which the plan reads for name; put it back or change the plan",
				"stop: line 4: kinds.department: table Afd has no column Gruppe, which the plan reads for group_name; put it back or change the plan",
				"stop: line 5: kinds.employee: table Afd has no column Navn, which the plan reads for job_title; put it back or change the plan",
				"stop: line 12: inbox.absence: table Ind has no column Fra; add it or change the plan",
			},
		},
		"a table without tracking": {
			track: []string{"Afd"},
			want:  []string{"stop: line 5: kinds.employee: table Medarb is not tracked; switch change tracking on for it"},
		},
		"a column of the inbox that nothing fills": {
			change: []string{`DROP TABLE Ind`, `CREATE TABLE Ind (Id TEXT PRIMARY KEY, Fra TEXT, Art TEXT NOT NULL)`},
			want:   []string{"stop: line 12: inbox.absence: column Art of table Ind needs a value that the plan does not give; add it under columns"},
		},
		"rows that cannot leave and a join that costs": {
			change: []string{`DROP INDEX MedarbAfd`, `INSERT INTO Medarb VALUES (NULL, 'x', NULL), ('9', NULL, NULL)`},
			want: []string{
				"note: line 5: kinds.employee: column Afd of table Medarb begins no index; a change in table Afd reads all of it, so add an index",
				"note: line 5: kinds.employee: 1 rows of table Medarb have no value in a key column and stay at home",
				"note: line 5: kinds.employee: 1 of the first 1000 rows leave with their key only: employee.name from table Medarb is empty but the field needs a value",
			},
		},
		"rows that would be one record": {
			change: []string{`INSERT INTO Medarb VALUES (' 7', 'Asta igen', NULL)`},
			want:   []string{"stop: line 5: kinds.employee: 1 rows have the record key of another row; make the key fields tell every row apart"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db, path := database(t)
			execute(t, db, checkTables...)
			if tt.track == nil {
				tt.track = []string{"Afd", "Medarb"}
			}
			if err := sqlite.Install(t.Context(), db, tt.track); err != nil {
				t.Fatal(err)
			}
			execute(t, db, tt.change...)
			p, err := plan.Parse("plan.yaml", []byte(checkPlan))
			if err != nil {
				t.Fatal(err)
			}
			findings, err := plan.Check(t.Context(), p, open(t, path, checkPlan))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range findings {
				got = append(got, f.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPreview(t *testing.T) {
	db, path := database(t)
	execute(t, db, checkTables...)
	if err := sqlite.Install(t.Context(), db, []string{"Afd", "Medarb"}); err != nil {
		t.Fatal(err)
	}
	execute(t, db, `INSERT INTO Medarb VALUES ('9', NULL, NULL)`)
	p, err := plan.Parse("plan.yaml", []byte(checkPlan))
	if err != nil {
		t.Fatal(err)
	}
	preview, err := plan.Look(t.Context(), p, open(t, path, checkPlan))
	if err != nil {
		t.Fatal(err)
	}
	render := func(samples bool) string {
		var b strings.Builder
		if err := preview.Print(&b, samples); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := `department: 2 rows, about 1 kB, from Afd
  department_no  public  Afd.Nr      1     2
  name           public  Afd.Navn    Salg  Lager
  group_name     public  Afd.Gruppe  A     B

employee: 2 rows, about 1 kB, from Medarb, Afd
  employee_no  personal  trim(m.Nr)   7           8
  name         personal  Medarb.Navn  Asta Prøve  Bo Prøve
  job_title    personal  Afd.Navn     Salg        
  active       public    a constant   true        true
  1 rows leave with their key only: employee.name from table Medarb is empty but the field needs a value

Together 4 rows, about 1 kB before compression. Nothing was sent.
`
	if diff := cmp.Diff(want, render(true)); diff != "" {
		t.Errorf("with samples (-want +got)\n%s", diff)
	}
	if quiet := render(false); strings.Contains(quiet, "Asta") || strings.Contains(quiet, "Salg") {
		t.Errorf("without samples it holds values:\n%s", quiet)
	}
}

package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
)

const good = `version: 1
timezone: Europe/Copenhagen
kinds:
  employee:
    table: Medarbejder
    as: m
    key: [MedarbejderNr]
    join:
      - {table: Adresse, as: a, on: {AdresseID: m.AdresseID, Slags: {value: P}}, optional: true}
    fields:
      employee_no: m.MedarbejderNr
      name: {expr: "m.Fornavn || ' ' || m.Efternavn"}
      active: {column: m.Status, map: {A: true, 0: false}, others: false}
      postal_code: a.Post nr.
      language: {value: da}
    filter: "m.Status <> 'X'"
    poll: 2s
  department: {table: Afdeling, as: d, key: Nr, fields: {department_no: d.Nr, name: d.Navn}}
inbox:
  absence:
    table: PortalIndberetning
    id: RapportID
    columns: {MedarbejderNr: employee_no, Fra: fields.first_day, Kilde: {value: portal}}
`

func TestParse(t *testing.T) {
	p, err := Parse("plan.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{p.Kinds[0].Record.Name, p.Kinds[1].Record.Name}; !cmp.Equal(got, []string{"department", "employee"}) {
		t.Errorf("kinds = %v, want parents first", got)
	}
	k := p.Kind("employee")
	names := map[string]Field{}
	for _, f := range k.Fields {
		names[f.Name] = f
	}
	if got, want := names["postal_code"].Column, (Ref{"a", "Post nr."}); got != want {
		t.Errorf("postal_code = %v, want %v", got, want)
	}
	if got := names["active"].Map["A"]; got != protocol.BoolValue(true) {
		t.Errorf("map A = %v", got.N)
	}
	if got, want := names["name"].Reads, []Ref{{"m", "Fornavn"}, {"m", "Efternavn"}}; !cmp.Equal(got, want) {
		t.Errorf("name reads %v, want %v", got, want)
	}
	want := []On{{Column: "AdresseID", Ref: Ref{"m", "AdresseID"}}, {Column: "Slags", Value: "P", Text: true}}
	if diff := cmp.Diff(want, k.Joins[0].On); diff != "" {
		t.Errorf("on (-want +got)\n%s", diff)
	}
	if got := p.Tables(); len(got) != 3 {
		t.Errorf("tables = %v, want three", got)
	}
	if in := p.Inbox("absence"); in == nil || len(in.Columns) != 3 {
		t.Errorf("inbox = %+v", in)
	}
}

func TestHash(t *testing.T) {
	hash := func(text string) (string, string) {
		p, err := Parse("plan.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash(), p.Mapping(p.Kind("employee"))
	}
	whole, mapping := hash(good)
	tests := map[string]struct {
		text                 string
		sameHash, sameMapped bool
	}{
		"a comment changes nothing":        {text: "# note\n" + good, sameHash: true, sameMapped: true},
		"a poll interval is no mapping":    {text: strings.Replace(good, "2s", "3s", 1), sameMapped: true},
		"a filter is a mapping":            {text: strings.Replace(good, "'X'", "'Y'", 1)},
		"a map is a mapping":               {text: strings.Replace(good, "A: true", "B: true", 1)},
		"another mode is a mapping":        {text: strings.Replace(good, "version: 1", "version: 1\nmode: rowversion", 1)},
		"the default mode, written out":    {text: strings.Replace(good, "version: 1", "version: 1\nmode: change-tracking", 1), sameHash: true, sameMapped: true},
		"a compared kind is a mapping":     {text: strings.Replace(good, "poll: 2s", "mode: compare", 1)},
		"another kind is another's matter": {text: strings.Replace(good, "d.Navn", "d.Kort", 1), sameMapped: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			gotWhole, gotMapping := hash(tt.text)
			if (gotWhole == whole) != tt.sameHash || (gotMapping == mapping) != tt.sameMapped {
				t.Errorf("same hash %t, same mapping %t; want %t, %t", gotWhole == whole, gotMapping == mapping, tt.sameHash, tt.sameMapped)
			}
		})
	}
}

func TestModes(t *testing.T) {
	text := strings.Replace(good, "version: 1", "version: 1\nmode: rowversion", 1)
	p, err := Parse("plan.yaml", []byte(strings.Replace(text, "poll: 2s", "mode: compare", 1)))
	if err != nil {
		t.Fatal(err)
	}
	got := []Mode{p.Mode, p.Kind("department").Mode, p.Kind("employee").Mode}
	if want := []Mode{Rowversion, Rowversion, Compare}; !cmp.Equal(got, want) {
		t.Errorf("modes of plan, department and employee = %v, want %v", got, want)
	}
}

func TestParseErrors(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"an unknown key":                   {"poll: 2s", "polls: 2s", "plan.yaml:17: kinds.employee.polls: is not a key that a plan knows here; use one of as, fields, filter, join, key, mode, poll, quiet, schema, table"},
		"a missing key":                    {"    as: m\n", "", "plan.yaml:5: kinds.employee: lacks the key as; add it"},
		"a missing section":                {"timezone: Europe/Copenhagen\n", "", "plan.yaml:1: lacks the key timezone; add it"},
		"an unknown kind":                  {"employee:\n", "employe:\n", "plan.yaml:4: kinds.employe: is not a record kind of the portal; did you mean employee?"},
		"an unknown field":                 {"language:", "langauge:", "plan.yaml:15: kinds.employee.fields.langauge: is not a field of employee; did you mean language?"},
		"a missing field":                  {"      active: {column: m.Status, map: {A: true, 0: false}, others: false}\n", "", "plan.yaml:10: kinds.employee.fields: lacks the field active, without which the portal takes no employee; add it"},
		"a key given twice":                {"    poll: 2s\n", "    poll: 2s\n    poll: 3s\n", "plan.yaml:18: kinds.employee.poll: is given twice, first in line 17; remove one of them"},
		"a literal of the wrong type":      {"A: true", "A: 1", "plan.yaml:13: kinds.employee.fields.active.map.A: \"1\" is not a value of type bool; write true or false"},
		"a constant without value":         {"language: {value: da}", "language: 7", "plan.yaml:15: kinds.employee.fields.language: is a constant; write {value: 7}"},
		"null in a field that needs one":   {"A: true", "A: null", "plan.yaml:13: kinds.employee.fields.active.map.A: is empty, but active needs a value of type bool"},
		"an unknown alias":                 {"m.MedarbejderNr", "x.MedarbejderNr", "plan.yaml:11: kinds.employee.fields.employee_no: x is not an alias known here; use one of m, a"},
		"an unknown alias in an expr":      {"m.Fornavn", "x.Fornavn", "plan.yaml:12: kinds.employee.fields.name.expr: x is not an alias known here; use one of m, a"},
		"no column reference":              {"m.MedarbejderNr", "MedarbejderNr", "plan.yaml:11: kinds.employee.fields.employee_no: \"MedarbejderNr\" is not a column reference; write alias.column like m.Nr"},
		"a record key from another column": {"employee_no: m.MedarbejderNr", "employee_no: m.Initialer", "plan.yaml:11: kinds.employee.fields.employee_no: reads m.Initialer, which is not a key column; the key of a record must follow from MedarbejderNr, because nothing else is known of a deleted row"},
		"a key column not in the record":   {"key: [MedarbejderNr]", "key: [MedarbejderNr, Firma]", "plan.yaml:10: kinds.employee.fields: do not use the key column Firma in employee_no; two rows that differ only there would be one record"},
		"a join that links nothing":        {"AdresseID: m.AdresseID", "AdresseID: 7", "plan.yaml:9: kinds.employee.join.on: links the table to no other; add a column with a reference like m.Nr"},
		"an alias used twice":              {"as: a,", "as: m,", "plan.yaml:9: kinds.employee.join: uses the alias m a second time; choose another"},
		"an expr that breaks out":          {"m.Status <> 'X'", "1) OR (1", "plan.yaml:16: kinds.employee.filter: closes a parenthesis that it did not open"},
		"an expr with a comment":           {"m.Status <> 'X'", "m.Status <> 'X' --", "plan.yaml:16: kinds.employee.filter: holds a comment; write it as a YAML comment"},
		"an expr with a second statement":  {"m.Status <> 'X'", "1; DROP TABLE Medarbejder", "plan.yaml:16: kinds.employee.filter: holds a semicolon; write one expression"},
		"an expr that reads the clock":     {"m.Status <> 'X'", "m.Til > date('now')", "plan.yaml:16: kinds.employee.filter: reads the clock; its answer would change without a change in the table"},
		"an expr that reads another table": {"m.Status <> 'X'", "m.Nr IN (SELECT Nr FROM Valgt)", "plan.yaml:16: kinds.employee.filter: uses SELECT; other tables belong under join, and the clock or chance would change answers unnoticed"},
		"two sources of a field":           {"{value: da}", "{value: da, column: m.Sprog}", "plan.yaml:15: kinds.employee.fields.language: needs exactly one of column, expr and value"},
		"a poll that is no interval":       {"poll: 2s", "poll: often", "plan.yaml:17: kinds.employee.poll: is not an interval between 100ms and 24h0m0s; write something like 5s"},
		"a timezone that is none":          {"Europe/Copenhagen", "Europa/København", "plan.yaml:2: timezone: \"Europa/København\" is not a timezone; write a name like Europe/Copenhagen"},
		"a mode that is none":              {"version: 1", "version: 1\nmode: polling", "plan.yaml:2: mode: \"polling\" is not a mode; use one of change-tracking, rowversion, compare"},
		"all kinds compared":               {"version: 1", "version: 1\nmode: compare", "plan.yaml:2: mode: is for single kinds; write mode: compare below the kind, and change-tracking or rowversion here"},
		"two counters in one plan":         {"    poll: 2s", "    mode: rowversion", "plan.yaml:17: kinds.employee.mode: mixes rowversion with the plan's change-tracking; they count positions differently and a stream has only one, so let all kinds be change-tracking, or this one compare"},
		"another version":                  {"version: 1", "version: 2", "plan.yaml:1: version: is not a version that this program reads; write 1"},
		"a part no report has":             {"MedarbejderNr: employee_no", "MedarbejderNr: employee", "plan.yaml:23: inbox.absence.columns.MedarbejderNr: \"employee\" is not a part of a report; use one of employee_no, submitted_at, type, report_id, fields.NAME"},
		"an anchor":                        {"table: Medarbejder", "table: &x Medarbejder", "plan.yaml:5: kinds.employee.table: needs a text"},
		"not YAML":                         {"kinds:", "kinds: [", "plan.yaml:19: is not YAML: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if text == good {
				t.Fatal("the case changes nothing")
			}
			_, err := Parse("plan.yaml", []byte(text))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Parse =\n%v\nwant\n%s", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := Parse("plan.yaml", []byte(text)); (p == nil) == (err == nil) {
			t.Fatal("neither a plan nor an error")
		}
	})
}

package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/source"
)

const procedural = `version: 1
timezone: Europe/Copenhagen
quiet: ["06:00-08:00", "22:00-02:00"]
kinds:
  place: {table: Sted, as: s, key: Nr, fields: {place_no: s.Nr, name: s.Navn}}
  department: {table: Afdeling, as: d, key: Nr, fields: {department_no: d.Nr, name: d.Navn}, quiet: "12:00-12:30"}
inbox:
  mileage:
    schema: dbo
    procedure: IndlaesKoersel
    id: RapportID
    parameters: {Nr: employee_no, Km: fields.distance}
    status: Status
    message: Besked
    later: [90, 91]
`

func TestParseProcedure(t *testing.T) {
	p, err := Parse("plan.yaml", []byte(procedural))
	if err != nil {
		t.Fatal(err)
	}
	want := &Inbox{Type: "mileage", ID: "RapportID", Line: 8,
		Procedure: &Procedure{Name: Table{"dbo", "IndlaesKoersel"}, Status: "Status", Message: "Besked", Later: []int64{90, 91}},
		Columns:   []InboxColumn{{Name: "Nr", From: "employee_no", Line: 12}, {Name: "Km", From: "fields.distance", Line: 12}}}
	if diff := cmp.Diff(want, p.Inbox("mileage")); diff != "" {
		t.Errorf("inbox (-want +got)\n%s", diff)
	}
	if got := want.Object(); got != "procedure dbo.IndlaesKoersel" {
		t.Errorf("Object = %s", got)
	}
	other, err := Parse("plan.yaml", []byte(strings.Replace(procedural, "[90, 91]", "90", 1)))
	if err != nil || other.Hash() == p.Hash() {
		t.Errorf("another list of statuses has the same hash (%v)", err)
	}
}

func TestParseQuiet(t *testing.T) {
	p, err := Parse("plan.yaml", []byte(procedural))
	if err != nil {
		t.Fatal(err)
	}
	plan := []source.Window{{From: 6 * time.Hour, To: 8 * time.Hour}, {From: 22 * time.Hour, To: 2 * time.Hour}}
	if diff := cmp.Diff(plan, p.Kind("place").Quiet.Windows); diff != "" {
		t.Errorf("place (-want +got)\n%s", diff)
	}
	own := append(plan, source.Window{From: 12 * time.Hour, To: 12*time.Hour + 30*time.Minute})
	if diff := cmp.Diff(own, p.Kind("department").Quiet.Windows); diff != "" {
		t.Errorf("department (-want +got)\n%s", diff)
	}
	if zone := p.Kind("place").Quiet.Zone; zone != p.Timezone {
		t.Errorf("zone = %v, want the plan's", zone)
	}
	other, err := Parse("plan.yaml", []byte(strings.Replace(procedural, "12:30", "12:45", 1)))
	if err != nil || other.Hash() == p.Hash() || other.Mapping(other.Kind("department")) != p.Mapping(p.Kind("department")) {
		t.Errorf("other quiet hours change the mapping, or not the hash (%v)", err)
	}
}

func TestInboxErrors(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"an hour that is none":              {"06:00-08:00", "6-8", `plan.yaml:3: quiet: "6-8" is not a time of day; write it like "22:00-02:00", in quotes`},
		"a window of no length":             {"12:00-12:30", "12:00-12:00", `plan.yaml:6: kinds.department.quiet: "12:00-12:00" is not a time of day; write it like "22:00-02:00", in quotes`},
		"neither table nor procedure":       {"    procedure: IndlaesKoersel\n", "", "plan.yaml:8: inbox.mileage: needs a table or a procedure that takes the report"},
		"both":                              {"    id:", "    table: Koersel\n    id:", "plan.yaml:11: inbox.mileage.table: does not go with a procedure; remove one of them"},
		"columns of a procedure":            {"    parameters:", "    columns:", "plan.yaml:8: inbox.mileage: lacks the key parameters; add it"},
		"a status of a table":               {"procedure: IndlaesKoersel", "table: Koersel", "plan.yaml:8: inbox.mileage: lacks the key columns; add it"},
		"a parameter that cannot be named":  {"Km:", "'Km = 1; DROP':", `plan.yaml:8: inbox.mileage: "Km = 1; DROP" is not the name of a parameter; write it without the @, in letters and digits`},
		"a parameter twice":                 {"message: Besked", "message: status", "plan.yaml:8: inbox.mileage: names the parameter status twice; keep one"},
		"the id a second time":              {"Nr: employee_no", "rapportid: employee_no", "plan.yaml:8: inbox.mileage: names the parameter rapportid twice; keep one"},
		"taken as a status that comes late": {"[90, 91]", "[0]", `plan.yaml:15: inbox.mileage.later: "0" is not a status that asks to come later; write a whole number other than 0`},
		"an unknown key":                    {"message:", "mesage:", "plan.yaml:14: inbox.mileage.mesage: is not a key that a plan knows here; use one of columns, id, later, message, parameters, procedure, schema, status, table"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(procedural, tt.old, tt.new, 1)
			if text == procedural {
				t.Fatal("the case changes nothing")
			}
			if _, err := Parse("plan.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Parse =\n%v\nwant\n%s", err, tt.want)
			}
		})
	}
}

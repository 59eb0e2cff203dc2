package sqlserver

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// adventurePlan reads the vendor's sample database in its own schemas.
const adventurePlan = `version: 1
timezone: America/Los_Angeles
kinds:
  department: {schema: HumanResources, table: Department, as: d, key: DepartmentID, fields: {department_no: d.DepartmentID, name: d.Name}}
  employee:
    schema: HumanResources
    table: Employee
    as: e
    key: BusinessEntityID
    join:
      - {schema: Person, table: PersonPhone, as: p, on: {BusinessEntityID: e.BusinessEntityID}, first: PhoneNumberTypeID, optional: true}
      - {schema: HumanResources, table: EmployeeDepartmentHistory, as: h, on: {BusinessEntityID: e.BusinessEntityID}, last: [StartDate, DepartmentID, ShiftID], optional: true}
    fields:
      employee_no: e.BusinessEntityID
      name: {expr: "UPPER(e.LoginID)"}
      phone: p.PhoneNumber
      department_no: h.DepartmentID
      active: e.CurrentFlag
    filter: e.JobTitle <> 'X'
inbox:
  absence:
    schema: portalsync
    table: Indberetning
    id: RapportID
    columns: {MedarbejderNr: employee_no, Fra: fields.first_day, Til: fields.last_day}
  overtime:
    schema: portalsync
    table: Indberetning
    id: RapportID
    columns: {MedarbejderNr: employee_no}
`

func TestSetupScript(t *testing.T) {
	tests := map[string]struct {
		plan, database string
		account        Account
	}{
		"setup-adventureworks":   {adventurePlan, "AdventureWorks2022", Account{Name: `FIRMA\portalsync$`, Windows: true}},
		"setup-business-central": {businessCentralPlan, "Løn ] 'prod' $1", Account{Name: "O'Holm ]"}},
		"setup-entra":            {viewPlan, "loen", Account{Name: "portalsync-agent", Entra: true}},
		"setup-compare":          {viewPlan, "loen", Account{Name: "portalsync"}},
	}
	for name, tt := range tests {
		for part, undo := range map[string]bool{"": false, "-undo": true} {
			t.Run(name+part, func(t *testing.T) {
				got := SetupScript(tt.database, tt.account, parsed(t, tt.plan), undo)
				file := filepath.Join("testdata", name+part+".sql")
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
			})
		}
	}
}

var madeMark = regexp.MustCompile(`PortalSync\.made\.[a-z0-9.]+`)

// TestUndoTakesBackWhatSetupMade holds the two scripts to each other: every mark that one sets the other asks for and
// removes, and every right granted is revoked.
func TestUndoTakesBackWhatSetupMade(t *testing.T) {
	for name, text := range map[string]string{"change tracking": adventurePlan, "rowversion": businessCentralPlan, "compare": viewPlan} {
		t.Run(name, func(t *testing.T) {
			p := parsed(t, text)
			made := SetupScript("loen", Account{Name: "portalsync"}, p, false)
			undone := SetupScript("loen", Account{Name: "portalsync"}, p, true)
			marks := map[string]int{}
			for _, mark := range madeMark.FindAllString(made, -1) {
				marks[mark]++
			}
			for mark := range marks {
				if n := strings.Count(undone, "sp_dropextendedproperty @name = N'"+mark+"'"); n != 1 {
					t.Errorf("the undo script drops the mark %s %d times", mark, n)
				}
			}
			grants := regexp.MustCompile(`(?m)^GRANT (.*) TO (.*);$`).FindAllStringSubmatch(made, -1)
			if len(grants) == 0 {
				t.Error("nothing is granted")
			}
			for _, g := range grants {
				if !strings.Contains(undone, "REVOKE "+g[1]+" FROM "+g[2]+";") {
					t.Errorf("the undo script does not revoke %s", g[1])
				}
			}
		})
	}
}

// TestSetupHoldsNoSecret: a password in the address is not in the script.
func TestSetupHoldsNoSecret(t *testing.T) {
	account, err := AccountOf("sqlserver://portalsync:Hemmelig-1@db?database=loen", "")
	if err != nil {
		t.Fatal(err)
	}
	if script := SetupScript("loen", account, parsed(t, fakePlan), false); strings.Contains(script, "Hemmelig") {
		t.Error("the script holds the password of the address")
	}
}

func TestAccountOf(t *testing.T) {
	tests := map[string]struct {
		address, given string
		want           Account
		refused        bool
	}{
		"the address's SQL login":                  {"sqlserver://portalsync@db?database=loen", "", Account{Name: "portalsync"}, false},
		"an account of Windows in the address":     {`sqlserver://FIRMA%5Cloen@db?database=loen`, "", Account{Name: `FIRMA\loen`, Windows: true}, false},
		"a gMSA that is given":                     {"sqlserver://db?database=loen", `FIRMA\portalsync$`, Account{Name: `FIRMA\portalsync$`, Windows: true}, false},
		"nobody says which account the service is": {"sqlserver://db?database=loen", "", Account{}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := AccountOf(tt.address, tt.given)
			if got != tt.want || (err != nil) != tt.refused {
				t.Errorf("AccountOf = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

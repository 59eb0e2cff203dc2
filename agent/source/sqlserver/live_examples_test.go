package sqlserver_test

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlserver"
)

const (
	baseApp = "$437dbf0e-84ff-417a-965d-ed2bb9650972"
	payroll = "$5d1c7a52-3b0e-4c0e-9f1d-0c7b64a1e2f3"
	company = "CRONUS Danmark A_S$"
)

// businessCentral are the tables of the example: name without the company, columns without the rowversion, a row.
var businessCentral = [][3]string{
	{"Dimension Value" + baseApp, "[Dimension Code] nvarchar(20) NOT NULL, [Code] nvarchar(20) NOT NULL, [Name] nvarchar(50) NOT NULL, [Blocked] tinyint NOT NULL, PRIMARY KEY ([Dimension Code], [Code])",
		"N'AFDELING', N'SALG', N'Salg og service', 0"},
	{"Employee" + baseApp, `[No_] nvarchar(20) NOT NULL PRIMARY KEY, [First Name] nvarchar(30) NOT NULL, [Middle Name] nvarchar(30) NOT NULL, [Last Name] nvarchar(30) NOT NULL,
		[Company E-Mail] nvarchar(80) NOT NULL, [E-Mail] nvarchar(80) NOT NULL, [Mobile Phone No_] nvarchar(30) NOT NULL, [Address] nvarchar(100) NOT NULL, [Post Code] nvarchar(20) NOT NULL,
		[City] nvarchar(30) NOT NULL, [Global Dimension 1 Code] nvarchar(20) NOT NULL, [Job Title] nvarchar(30) NOT NULL, [Employment Date] datetime NOT NULL, [Status] int NOT NULL`,
		"N'M-007', N'Ditte', N'', N'Ravnholt', N'', N'ditte@example.dk', N'', N'Prøvevej 1', N'9999', N'Prøveby', N'SALG', N'Sælger', '1753-01-01T00:00:00.000', 0"},
	{"Employee" + baseApp + "$ext", "[No_] nvarchar(20) NOT NULL PRIMARY KEY, [Payslip Language" + payroll + "] nvarchar(10) NOT NULL", "N'M-007', N'SVE'"},
	{"Cause of Absence" + baseApp, "[Code] nvarchar(10) NOT NULL PRIMARY KEY, [Description] nvarchar(100) NOT NULL, [Unit of Measure Code] nvarchar(10) NOT NULL", "N'FERIE', N'Ferie', N'DAG'"},
	{"Employee Absence" + baseApp, `[Entry No_] int NOT NULL PRIMARY KEY, [Employee No_] nvarchar(20) NOT NULL, [Cause of Absence Code] nvarchar(10) NOT NULL, [From Date] datetime NOT NULL,
		[To Date] datetime NOT NULL, [Quantity] decimal(38,20) NOT NULL, [Unit of Measure Code] nvarchar(10) NOT NULL`, "1, N'M-007', N'FERIE', '2026-07-06T00:00:00.000', '1753-01-01T00:00:00.000', 1.5, N'DAG'"},
	{"Posted Payslip Header" + payroll, `[No_] nvarchar(20) NOT NULL PRIMARY KEY, [Employee No_] nvarchar(20) NOT NULL, [Period Start Date] datetime NOT NULL, [Period End Date] datetime NOT NULL,
		[Payment Date] datetime NOT NULL, [Gross Amount] decimal(38,20) NOT NULL, [A Tax Amount] decimal(38,20) NOT NULL, [AM Contribution] decimal(38,20) NOT NULL, [Net Amount] decimal(38,20) NOT NULL`,
		"N'L1', N'M-007', '2026-06-01T00:00:00.000', '2026-06-30T00:00:00.000', '2026-06-30T00:00:00.000', 30000.5, 8000, 2400.04, 19600.46"},
	{"Posted Payslip Line" + payroll, `[Payslip No_] nvarchar(20) NOT NULL, [Line No_] int NOT NULL, [Pay Type Code] nvarchar(10) NOT NULL, [Description] nvarchar(100) NOT NULL,
		[Amount] decimal(38,20) NOT NULL, PRIMARY KEY ([Payslip No_], [Line No_])`, "N'L1', 10000, N'1010', N'Månedsløn', 30000.5"},
	{"Employee Balance" + payroll, "[Employee No_] nvarchar(20) NOT NULL, [Balance Type] nvarchar(10) NOT NULL, [Remaining Quantity] decimal(38,20) NOT NULL, [Calculated Date] datetime NOT NULL, PRIMARY KEY ([Employee No_], [Balance Type])",
		"N'M-007', N'FERIE', 12.5, '2026-06-30T00:00:00.000'"},
	{"Portal Absence" + payroll, `[Report ID] nvarchar(64) NOT NULL PRIMARY KEY, [Employee No_] nvarchar(20) NOT NULL, [Cause of Absence Code] nvarchar(10) NOT NULL, [From Date] datetime NOT NULL, [To Date] datetime NOT NULL,
		[Quantity] decimal(38,20) NOT NULL, [Unit of Measure Code] nvarchar(10) NOT NULL, [Description] nvarchar(100) NULL, [Status] int NOT NULL, [Submitted At] datetime NOT NULL`, ""},
}

// declared finds the columns of a declaration.
var declared = regexp.MustCompile(`\[[^\]]+\] `)

// TestLiveBusinessCentral makes the tables of the example on a server and holds the plan against them.
func TestLiveBusinessCentral(t *testing.T) {
	address := live(t)
	db, err := sql.Open("sqlserver", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	do := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for _, table := range businessCentral {
		name := "[" + company + table[0] + "]"
		do("DROP TABLE IF EXISTS " + name)
		do("CREATE TABLE " + name + " ([timestamp] rowversion NOT NULL, " + table[1] + ")")
		if table[2] != "" {
			do("INSERT INTO " + name + " (" + strings.Join(declared.FindAllString(table[1], -1), ", ") + ") VALUES (" + table[2] + ")")
		}
		t.Cleanup(func() { db.Exec("DROP TABLE " + name) })
	}
	do("IF SCHEMA_ID('portalsync') IS NULL EXEC('CREATE SCHEMA portalsync')")
	do("DROP TABLE IF EXISTS [portalsync].[delivered]")
	do(sqlserver.DeliveredSQL)
	p, err := plan.Load("../../plan/examples/business-central.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlserver.Open(address, p, sqlserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	findings, err := plan.Check(t.Context(), p, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Stop {
			t.Error(f)
		}
	}
	preview, err := plan.Look(t.Context(), p, s)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int64{}
	for _, k := range preview.Kinds {
		rows[k.Kind] = k.Rows
		if len(k.LeftOut) > 0 {
			t.Errorf("%s leaves out %v", k.Kind, k.LeftOut)
		}
	}
	want := map[string]int64{"department": 1, "employee": 1, "absence_type": 1, "absence": 1, "payslip": 1, "payslip_line": 1, "balance": 1}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got)\n%s", diff)
	}
	var shown strings.Builder
	if err := preview.Print(&shown, true); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Ditte Ravnholt", "AFDELING/SALG", "10400.04", "19600.46", "2026-07-06", "12.5"} {
		if !strings.Contains(shown.String(), part) {
			t.Errorf("the preview lacks %s\n%s", part, shown.String())
		}
	}
	if strings.Count(shown.String(), "1753") != 1 { // the plan's own
		t.Error("an empty date is shown as 1753")
	}
}

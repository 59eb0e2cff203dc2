package sqlite_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
)

// The tables of AdventureWorks with a few invented rows.
var adventureWorks = []string{
	`CREATE TABLE HumanResources_Department (DepartmentID SMALLINT PRIMARY KEY, Name NVARCHAR(50), GroupName NVARCHAR(50), ModifiedDate DATETIME)`,
	`CREATE TABLE HumanResources_Employee (BusinessEntityID INTEGER PRIMARY KEY, NationalIDNumber NVARCHAR(15), LoginID NVARCHAR(256),
		OrganizationNode TEXT, OrganizationLevel SMALLINT, JobTitle NVARCHAR(50), BirthDate DATE, MaritalStatus NCHAR(1), Gender NCHAR(1),
		HireDate DATE, SalariedFlag BIT, VacationHours SMALLINT, SickLeaveHours SMALLINT, CurrentFlag BIT, rowguid TEXT, ModifiedDate DATETIME)`,
	`CREATE TABLE HumanResources_EmployeeDepartmentHistory (BusinessEntityID INT, DepartmentID SMALLINT, ShiftID TINYINT, StartDate DATE,
		EndDate DATE, ModifiedDate DATETIME, PRIMARY KEY (BusinessEntityID, StartDate, DepartmentID, ShiftID))`,
	`CREATE TABLE HumanResources_EmployeePayHistory (BusinessEntityID INT, RateChangeDate DATETIME, Rate MONEY, PayFrequency TINYINT,
		ModifiedDate DATETIME, PRIMARY KEY (BusinessEntityID, RateChangeDate))`,
	`CREATE TABLE HumanResources_Shift (ShiftID TINYINT PRIMARY KEY, Name NVARCHAR(50), StartTime TIME, EndTime TIME, ModifiedDate DATETIME)`,
	`CREATE TABLE Person_EmailAddress (BusinessEntityID INT, EmailAddressID INT, EmailAddress NVARCHAR(50), rowguid TEXT, ModifiedDate DATETIME,
		PRIMARY KEY (BusinessEntityID, EmailAddressID))`,
	`CREATE TABLE Person_PersonPhone (BusinessEntityID INT, PhoneNumber NVARCHAR(25), PhoneNumberTypeID INT, ModifiedDate DATETIME,
		PRIMARY KEY (BusinessEntityID, PhoneNumber, PhoneNumberTypeID))`,
	`CREATE TABLE Person_BusinessEntityAddress (BusinessEntityID INT, AddressID INT, AddressTypeID INT, rowguid TEXT, ModifiedDate DATETIME,
		PRIMARY KEY (BusinessEntityID, AddressID, AddressTypeID))`,
	`CREATE TABLE Person_Address (AddressID INTEGER PRIMARY KEY, AddressLine1 NVARCHAR(60), AddressLine2 NVARCHAR(60), City NVARCHAR(30),
		StateProvinceID INT, PostalCode NVARCHAR(15), rowguid TEXT, ModifiedDate DATETIME)`,

	`INSERT INTO HumanResources_Department VALUES (1, 'Vognpark', 'Drift', '2020-01-01 00:00:00.000'), (2, 'Butik', 'Salg', NULL)`,
	`INSERT INTO HumanResources_Employee VALUES
		(11, '1234', 'proeve\asta0', NULL, NULL, 'Chauffør', '1980-02-29', 'S', 'F', '2019-05-01', 1, 10, 20, 1, 'G1', NULL),
		(12, '5678', 'proeve\bo0', '58', 1, 'Ekspedient', '1990-12-31', 'M', 'M', '2020-05-01', 0, 10, 20, 0, 'G2', NULL)`,
	`INSERT INTO HumanResources_EmployeeDepartmentHistory VALUES (11, 1, 1, '2019-05-01', '2021-12-31', NULL),
		(11, 2, 3, '2022-01-01', NULL, NULL), (12, 2, 1, '2020-05-01', NULL, NULL)`,
	`INSERT INTO HumanResources_EmployeePayHistory VALUES (11, '2019-05-01 00:00:00.000', '63.4615', 2, NULL), (12, '2020-05-01 00:00:00.000', '25.0000', 1, NULL)`,
	`INSERT INTO HumanResources_Shift VALUES (1, 'Dag', '07:00:00.0000000', '15:00:00.0000000', NULL), (3, 'Nat', '23:00:00.0000000', '07:00:00.0000000', NULL)`,
	`INSERT INTO Person_EmailAddress VALUES (11, 1, 'asta@example.dk', 'G', NULL), (11, 2, 'anden@example.dk', 'G', NULL)`,
	`INSERT INTO Person_PersonPhone VALUES (11, '555-0100', 3, NULL), (11, '555-0199', 1, NULL)`,
	`INSERT INTO Person_BusinessEntityAddress VALUES (11, 70, 2, 'G', NULL), (12, 71, 2, 'G', NULL)`,
	`INSERT INTO Person_Address VALUES (70, 'Prøvevej 1', '2. tv', 'Prøveby', 79, '04000', 'G', NULL), (71, 'Prøvevej 2', NULL, 'Prøveby', 79, '04000', 'G', NULL)`,
}

// records reads every kind whole and spells each record.
func records(t *testing.T, s *sqlite.Source, tx source.Tx) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	for _, k := range s.Kinds() {
		name := k.Record.Name
		_, done, err := tx.Chunk(t.Context(), name, nil, 5000, func(r *protocol.Row) error {
			got[name] = append(got[name], spell(r))
			return nil
		})
		if err != nil || !done {
			t.Fatalf("%s: %t, %v", name, done, err)
		}
	}
	return got
}

func spell(r *protocol.Row) string {
	var cells []string
	for _, v := range r.Values {
		switch {
		case v.IsNull():
			cells = append(cells, "-")
		case v.Kind == protocol.Text:
			cells = append(cells, v.S)
		default:
			cells = append(cells, fmt.Sprint(v.N))
		}
	}
	return strings.Join(cells, "|")
}

// openAdventureWorks makes the database, tracks it and opens it through the example plan.
func openAdventureWorks(t *testing.T) (*sql.DB, *sqlite.Source) {
	t.Helper()
	p, err := plan.Load("../../plan/examples/adventureworks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	db, path := database(t)
	execute(t, db, adventureWorks...)
	var tables []string
	for _, table := range p.Tables() {
		tables = append(tables, table.Name)
	}
	if err := sqlite.Install(t.Context(), db, tables); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(path, p, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return db, s
}

func TestAdventureWorks(t *testing.T) {
	_, s := openAdventureWorks(t)
	tx := begin(t, s)
	want := map[string][]string{
		"department": {"1|Vognpark|Drift", "2|Butik|Salg"},
		"employee": {
			"11|asta0|asta@example.dk|555-0199|Prøvevej 1, 2. tv|04000|Prøveby|2|Chauffør|18017|3711|1|en",
			"12|bo0|-|-|Prøvevej 2|04000|Prøveby|2|Ekspedient|18383|7669|0|en",
		},
		"employment": {"11/2019-05-01/1/1|11|1|18017|18992|1", "11/2022-01-01/2/3|11|2|18993|-|3", "12/2020-05-01/2/1|12|2|18383|-|1"},
		"pay_rate":   {"11|18017|634615|hour|USD|2", "12|18383|250000|hour|USD|1"},
		"shift":      {"1|Dag|252000000000|540000000000", "3|Nat|828000000000|252000000000"},
	}
	if diff := cmp.Diff(want, records(t, s, tx)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if bad := tx.Bad(); len(bad) > 0 {
		t.Errorf("left out: %+v", bad)
	}
}

func TestAdventureWorksChanges(t *testing.T) {
	tests := map[string]struct {
		change, kind     string
		upserts, deletes string
	}{
		"an address two tables away": {`UPDATE Person_Address SET City = 'Nyby' WHERE AddressID = 70`, "employee", "11", ""},
		"another address":            {`UPDATE Person_BusinessEntityAddress SET AddressID = 71 WHERE BusinessEntityID = 11`, "employee", "11", ""},
		"a new department": {`INSERT INTO HumanResources_EmployeeDepartmentHistory VALUES (12, 1, 1, '2026-01-01', NULL, NULL)`,
			"employee", "12", ""},
		"an employee who goes": {`DELETE FROM HumanResources_Employee WHERE BusinessEntityID = 12`, "employee", "", "12"},
		"an employment that moves to another shift": {`UPDATE HumanResources_EmployeeDepartmentHistory SET ShiftID = 2 WHERE ShiftID = 3`,
			"employment", "11/2022-01-01/2/2", "11/2022-01-01/2/3"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db, s := openAdventureWorks(t)
			from := begin(t, s).State().Position
			execute(t, db, tt.change)
			tx := begin(t, s)
			var upserts, deletes []string
			keep := func(list *[]string) func(*protocol.Row) error {
				return func(r *protocol.Row) error { *list = append(*list, r.Values[0].S); return nil }
			}
			if err := tx.Upserts(t.Context(), tt.kind, from, keep(&upserts)); err != nil {
				t.Fatal(err)
			}
			if err := tx.Deletes(t.Context(), tt.kind, from, keep(&deletes)); err != nil {
				t.Fatal(err)
			}
			if strings.Join(upserts, " ") != tt.upserts || strings.Join(deletes, " ") != tt.deletes {
				t.Errorf("upserts %v, deletes %v, want %s, %s", upserts, deletes, tt.upserts, tt.deletes)
			}
		})
	}
}

package adventureworks

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files writes one invented row per table; replace exchanges a file's content.
func files(t *testing.T, replace map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	content := map[string]string{
		"Department.csv":                "1\tVærksted\tDrift\t2020-01-01 00:00:00.000\n",
		"Employee.csv":                  "7\t123\tproeve\\asta0\t\t\tSmed\t1980-02-29\tS\tF\t2019-05-01\t1\t9\t8\t1\tG\t\n",
		"EmployeeDepartmentHistory.csv": "7\t1\t1\t2019-05-01\t\t\n",
		"EmployeePayHistory.csv":        "7\t2019-05-01 00:00:00.000\t63.4615\t2\t\n",
		"Shift.csv":                     "1\tDag\t07:00:00.0000000\t15:00:00.0000000\t\n",
		"EmailAddress.csv":              "7\t1\tasta@example.dk\tG\t\n",
		"PersonPhone.csv":               "7\t555-0100\t1\t\n",
		"BusinessEntityAddress.csv":     "7\t70\t2\tG\t\n",
		"Address.csv":                   "70\tPrøvevej 1\t\tPrøveby\t79\t04000\tG\t\n",
	}
	for name, text := range replace {
		content[name] = text
	}
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "aw.db")
	loaded, err := Load(t.Context(), files(t, nil), file)
	if err != nil || len(loaded) != 9 {
		t.Fatalf("Load = %v, %v, want nine tables", loaded, err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rate, post string
	var line2 sql.NullString
	err = db.QueryRowContext(t.Context(), "SELECT Rate, PostalCode, AddressLine2 FROM HumanResources_EmployeePayHistory, Person_Address").Scan(&rate, &post, &line2)
	if err != nil || rate != "63.4615" || post != "04000" || line2.Valid {
		t.Errorf("rate %q, postal code %q, second line %v, %v; want them as in the files and empty as NULL", rate, post, line2, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := map[string]struct {
		replace map[string]string
		want    string
	}{
		"a line with a column too few": {map[string]string{"Shift.csv": "1\tDag\t07:00\t15:00\t\n2\tNat\n"}, "Shift.csv:2: has 2 tab-separated columns, want 5"},
		"a key that comes twice":       {map[string]string{"Shift.csv": "1\tDag\t07:00\t15:00\t\n1\tNat\t1\t2\t\n"}, "Shift.csv:2: "},
		"text that is not UTF-8":       {map[string]string{"Shift.csv": "1\tD\xe6g\t07:00\t15:00\t\n"}, "Shift.csv:1: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "aw.db")
			_, err := Load(t.Context(), files(t, tt.replace), file)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load = %v, want %q", err, tt.want)
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("an unfinished database was left")
			}
		})
	}
}

package compare

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlite"
)

const planText = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: Afdeling, as: a, key: [Nr], fields: {department_no: a.Nr, name: a.Navn}}
  document:
    table: Bilag
    as: b
    key: [Nr]
    fields: {document_no: b.Nr, employee_no: {value: "1"}, title: {value: Løn}, media_type: {value: application/pdf}, size: b.Bytes, content: b.Indhold}
`

// What the portal's store keeps of the two kinds, and their content.
const portalSQL = `
CREATE TABLE rec_department (tenant_id INTEGER, stream_id INTEGER, department_no TEXT, name TEXT);
CREATE TABLE rec_document (tenant_id INTEGER, stream_id INTEGER, document_no TEXT, employee_no TEXT, title TEXT, media_type TEXT,
	size INTEGER, content TEXT);
CREATE TABLE blob (tenant_id INTEGER, name TEXT, content BLOB);
INSERT INTO rec_department VALUES (1, 2, '10', 'Salg'), (1, 2, '20', 'Lager'), (1, 3, '30', 'another stream'), (9, 2, '40', 'another tenant');
INSERT INTO rec_document VALUES (1, 2, 'D', '1', 'Løn', 'application/pdf', 3, 'b1');
INSERT INTO blob VALUES (1, 'b1', 'PDF'), (9, 'b1', 'XXX')`

const mainSQL = `
CREATE TABLE Afdeling (Nr TEXT PRIMARY KEY, Navn TEXT);
CREATE TABLE Bilag (Nr TEXT PRIMARY KEY, Bytes INTEGER, Indhold BLOB);
INSERT INTO Afdeling VALUES ('10', 'Salg'), ('20', 'Lager'), ('50', NULL);
INSERT INTO Bilag VALUES ('D', 3, CAST('PDF' AS BLOB))`

func TestRun(t *testing.T) {
	equal := []Result{{Kind: "department", Rows: 2, Fields: 4}, {Kind: "document", Rows: 1, Fields: 6}}
	tests := map[string]struct {
		portal string // done to the portal's store
		want   []Result
	}{
		"equal": {want: equal},
		"a row that the portal lacks": {
			portal: "DELETE FROM rec_department WHERE department_no = '20' AND stream_id = 2",
			want: []Result{{Kind: "department", Rows: 2, Fields: 4, Missing: 1,
				Differences: []string{"row 2 of the main system is not in the portal"}}, equal[1]},
		},
		"a row that only the portal has": {
			portal: "INSERT INTO rec_department VALUES (1, 2, '99', 'Nedlagt')",
			want:   []Result{{Kind: "department", Rows: 2, Fields: 4, Extra: 1}, equal[1]},
		},
		"an earlier state of a row that cannot be read": {
			portal: "INSERT INTO rec_department VALUES (1, 2, '50', 'Før')",
			want:   equal,
		},
		"a field that differs": {
			portal: "UPDATE rec_department SET name = 'Salgg' WHERE department_no = '10'",
			want: []Result{{Kind: "department", Rows: 2, Fields: 4, Differing: 1,
				Differences: []string{"field name of row 1 differs"}}, equal[1]},
		},
		"a document with another content": {
			portal: "UPDATE blob SET content = 'PDf' WHERE tenant_id = 1",
			want: []Result{equal[0], {Kind: "document", Rows: 1, Fields: 6, Differing: 1,
				Differences: []string{"field content of row 1 differs"}}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := open(t, tt.portal)
			got, err := c.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// open makes both sides and changes the portal's.
func open(t *testing.T, change string) *Comparison {
	t.Helper()
	p, err := plan.Parse("plan.yaml", []byte(planText))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mainFile, portalFile := filepath.Join(dir, "main.db"), filepath.Join(dir, "portal.db")
	main := database(t, mainFile, mainSQL)
	if err := sqlite.Install(t.Context(), main, []string{"Afdeling", "Bilag"}); err != nil {
		t.Fatal(err)
	}
	database(t, portalFile, portalSQL+";"+change)
	src, err := sqlite.Open(mainFile, p, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	c, err := Open(src, "sqlite:"+portalFile, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func database(t *testing.T, file, statements string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
	return db
}

package sqlite_test

import (
	"strings"
	"testing"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
)

const comparePlan = `
version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: Afdeling, as: d, key: Nr, mode: compare, fields: {department_no: d.Nr, name: d.Navn}}
`

func TestCompare(t *testing.T) {
	db, path := database(t)
	for _, s := range []string{`CREATE TABLE "Andet" ("Nr" INTEGER PRIMARY KEY)`, `CREATE TABLE "Afdeling" ("Nr" INTEGER PRIMARY KEY, "Navn" TEXT)`} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := sqlite.Install(t.Context(), db, []string{"Andet"}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO "Afdeling" VALUES (1, 'Salg'), (2, 'Lager')`); err != nil {
		t.Fatal(err)
	}
	p, err := plan.Parse("plan.yaml", []byte(comparePlan))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(path, p, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	if k := s.Kinds()[0]; k.Digest != source.DigestAll || tx.State().Kinds["department"].Err != nil {
		t.Fatalf("digest %s, state %+v", k.Digest, tx.State().Kinds["department"])
	}
	none := func(*protocol.Row) error { t.Error("a change is told"); return nil }
	if err := tx.Upserts(t.Context(), "department", 0, none); err != nil {
		t.Error(err)
	}
	if err := tx.Deletes(t.Context(), "department", 0, none); err != nil {
		t.Error(err)
	}
	rows := 0
	if _, done, err := tx.Chunk(t.Context(), "department", nil, 10, func(*protocol.Row) error { rows++; return nil }); err != nil || !done || rows != 2 {
		t.Errorf("a chunk of %d rows, done %t, %v; want both rows of a table that is not tracked", rows, done, err)
	}
}

func TestRowversionIsRefused(t *testing.T) {
	_, path := database(t)
	p, err := plan.Parse("plan.yaml", []byte(strings.Replace(strings.Replace(comparePlan, "version: 1", "version: 1\nmode: rowversion", 1), ", mode: compare", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(path, p, sqlite.Config{}); err == nil || !strings.Contains(err.Error(), "SQLite does not have") {
		t.Errorf("Open = %v, want that SQLite has no rowversion", err)
	}
}

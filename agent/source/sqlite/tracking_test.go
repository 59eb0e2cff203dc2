package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
)

func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func open(t testing.TB, path, text string) *sqlite.Source {
	t.Helper()
	p, err := plan.Parse("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(path, p, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func begin(t testing.TB, s *sqlite.Source) source.Tx {
	t.Helper()
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Close() })
	return tx
}

// departments reads all departments in chunks as number to name.
func departments(t testing.TB, tx source.Tx, limit int) map[string]string {
	t.Helper()
	got := map[string]string{}
	var after []byte
	for done := false; !done; {
		var err error
		after, done, err = tx.Chunk(t.Context(), "department", after, limit, func(r *protocol.Row) error {
			if _, twice := got[r.Values[0].S]; twice {
				t.Errorf("%s is read twice", r.Values[0].S)
			}
			if r.Op == protocol.Keep {
				got[r.Values[0].S] = "kept"
				return nil
			}
			got[r.Values[0].S] = r.Values[1].S
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// cut applies what changed after from to have.
func cut(t testing.TB, tx source.Tx, from protocol.Position, have map[string]string) (upserts, deletes int) {
	t.Helper()
	err := tx.Upserts(t.Context(), "department", from, func(r *protocol.Row) error {
		have[r.Values[0].S] = r.Values[1].S
		upserts++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = tx.Deletes(t.Context(), "department", from, func(r *protocol.Row) error {
		delete(have, r.Values[0].S)
		deletes++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return upserts, deletes
}

func departmentPlan(table, key, name string) string {
	return fmt.Sprintf(`{version: 1, timezone: UTC, kinds: {department: {table: %q, as: d, key: [%q], fields: {department_no: %q, name: %q}}}}`,
		table, key, "d."+key, "d."+name)
}

func TestTracking(t *testing.T) {
	tests := map[string]struct {
		create, table, key, name string
		changes                  []string
		upserts, deletes         int
	}{
		"a name of another system with blanks, quotes and dollars": {
			create: `CREATE TABLE "CRONUS Danmark A_S$Employee$437dbf0e ""x""" ("No_ $" TEXT PRIMARY KEY, "Na'me [""]" TEXT)`,
			table:  `CRONUS Danmark A_S$Employee$437dbf0e "x"`, key: "No_ $", name: `Na'me ["]`,
			changes: []string{`INSERT INTO "CRONUS Danmark A_S$Employee$437dbf0e ""x""" VALUES ('1', 'En')`},
			upserts: 1,
		},
		"a table without rowid": {
			create: `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT) WITHOUT ROWID`, table: "d", key: "n", name: "navn",
			changes: []string{`INSERT INTO d VALUES ('1', 'En')`, `INSERT INTO d VALUES ('2', 'To')`, `DELETE FROM d WHERE n = '1'`},
			upserts: 1, deletes: 1,
		},
		"INSERT OR REPLACE, OR IGNORE and upserts of the main system": {
			create: `CREATE TABLE d (n INTEGER PRIMARY KEY, navn TEXT)`, table: "d", key: "n", name: "navn",
			changes: []string{
				`INSERT INTO d VALUES (1, 'En')`, `INSERT OR REPLACE INTO d VALUES (1, 'Et'), (2, 'To')`,
				`INSERT OR IGNORE INTO d VALUES (1, 'Nej'), (3, 'Tre')`, `INSERT OR FAIL INTO d VALUES (4, 'Fire')`,
				`INSERT INTO d VALUES (4, 'x') ON CONFLICT DO UPDATE SET navn = 'Fem'`, `UPDATE OR REPLACE d SET n = 5 WHERE n = 4`,
			},
			upserts: 4, deletes: 1,
		},
		"a key that changes only its case": {
			create: `CREATE TABLE d (n TEXT PRIMARY KEY COLLATE NOCASE, navn TEXT)`, table: "d", key: "n", name: "navn",
			changes: []string{`INSERT INTO d VALUES ('a', 'En')`, `UPDATE d SET n = 'A'`},
			upserts: 1, deletes: 1,
		},
		"a null key neither fails nor leaves": {
			create: `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`, table: "d", key: "n", name: "navn",
			changes: []string{`INSERT INTO d VALUES (NULL, 'x'), ('1', 'En')`, `UPDATE d SET navn = 'y'`, `UPDATE d SET n = NULL WHERE n = '1'`},
			deletes: 1,
		},
		"a foreign key that cascades": {
			create: `PRAGMA foreign_keys = on; CREATE TABLE f (i INTEGER PRIMARY KEY); INSERT INTO f VALUES (1), (2);
				CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT, i REFERENCES f ON DELETE CASCADE);
				INSERT INTO d VALUES ('1', 'En', 1), ('2', 'To', 2)`, table: "d", key: "n", name: "navn",
			changes: []string{`DELETE FROM f WHERE i = 1`},
			deletes: 1,
		},
		"a change that is rolled back": {
			create: `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`, table: "d", key: "n", name: "navn",
			changes: []string{`BEGIN; INSERT INTO d VALUES ('1', 'En'); ROLLBACK`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db, path := database(t)
			db.SetMaxOpenConns(1)
			execute(t, db, tt.create)
			if err := sqlite.Install(t.Context(), db, []string{tt.table}); err != nil {
				t.Fatal(err)
			}
			s := open(t, path, departmentPlan(tt.table, tt.key, tt.name))
			tx := begin(t, s)
			have, from := departments(t, tx, 10), tx.State().Position
			tx.Close()
			execute(t, db, tt.changes...)
			tx = begin(t, s)
			upserts, deletes := cut(t, tx, from, have)
			if upserts != tt.upserts || deletes != tt.deletes {
				t.Errorf("%d upserts and %d deletes, want %d and %d", upserts, deletes, tt.upserts, tt.deletes)
			}
			if diff := cmp.Diff(departments(t, tx, 1), have); diff != "" {
				t.Errorf("(-source +applied)\n%s", diff)
			}
		})
	}
}

func TestAKeyOfAnyStorageClassIsReadInPieces(t *testing.T) {
	db, path := database(t)
	execute(t, db, `CREATE TABLE d (n PRIMARY KEY NOT NULL, navn TEXT)`,
		`INSERT INTO d VALUES (1, 'a'), (-5, 'b'), (2.5, 'c'), (1e300, 'd'), ('', 'e'), ('Å', 'f'), ('x''y', 'g'), (CAST('b' AS BLOB), 'h'),
			(9223372036854775807, 'i'), (X'', 'j')`)
	if err := sqlite.Install(t.Context(), db, []string{"d"}); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, open(t, path, strings.Replace(departmentPlan("d", "n", "navn"), `"d.n"`, `{expr: "hex(d.n) || typeof(d.n)"}`, 1)))
	if got := departments(t, tx, 1); len(got) != 10 {
		t.Errorf("%d rows, want 10: %v", len(got), got)
	}
}

func TestARecordKeyFindsItsRowHoweverItIsStored(t *testing.T) {
	db, path := database(t)
	execute(t, db, `CREATE TABLE d (n PRIMARY KEY NOT NULL, navn TEXT)`,
		`INSERT INTO d VALUES (1, 'whole'), (2.5, 'float'), ('3', 'text'), (CAST('4' AS BLOB), 'bytes')`)
	if err := sqlite.Install(t.Context(), db, []string{"d"}); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, open(t, path, departmentPlan("d", "n", "navn")))
	got := map[string]string{}
	var keys [][]protocol.Value
	for _, key := range []string{"1", "2.5", "3", "4", "5"} {
		keys = append(keys, []protocol.Value{protocol.TextValue(key)})
	}
	err := tx.ByKey(t.Context(), "department", keys, func(r *protocol.Row) error {
		got[r.Values[0].S] = r.Values[1].S
		return nil
	})
	want := map[string]string{"1": "whole", "2.5": "float", "3": "text", "4": "bytes", "5": ""}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestTextThatIsNotUTF8IsLeftOut(t *testing.T) {
	db, path := database(t)
	execute(t, db, `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`,
		`INSERT INTO d VALUES ('1', CAST(X'4BF8' AS TEXT)), ('2', CAST(X'610062' AS TEXT)), ('3', 'Køge'), ('4', NULL)`)
	if err := sqlite.Install(t.Context(), db, []string{"d"}); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, open(t, path, departmentPlan("d", "n", "navn")))
	if diff := cmp.Diff(map[string]string{"1": "kept", "2": "kept", "3": "Køge", "4": "kept"}, departments(t, tx, 2)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var got []string
	for _, b := range tx.Bad() {
		got = append(got, fmt.Sprintf("%d: %v", b.Rows, b.Reason))
	}
	want := []string{
		"1: department.name from table d holds a NUL character",
		"1: department.name from table d holds bytes that are not UTF-8",
		"1: department.name from table d is empty but the field needs a value",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDrift(t *testing.T) {
	tests := map[string]struct {
		changes []string
		want    string
	}{
		"a table made again":   {[]string{`DROP TABLE d`, `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`}, "table d is not tracked"},
		"a table renamed":      {[]string{`ALTER TABLE d RENAME TO e`}, "table d is not in the database"},
		"a trigger taken away": {[]string{`DROP TRIGGER portalsync_ct_d_u`}, "table d is not tracked"},
		"a column retyped": {[]string{`PRAGMA writable_schema = on`,
			`UPDATE sqlite_master SET sql = replace(sql, 'navn TEXT', 'navn BLOB') WHERE name = 'd'`, `PRAGMA writable_schema = reset`,
			`CREATE TABLE later (i)`}, "column navn of table d changed from type TEXT to BLOB"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db, path := database(t)
			db.SetMaxOpenConns(1)
			execute(t, db, `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`)
			if err := sqlite.Install(t.Context(), db, []string{"d"}); err != nil {
				t.Fatal(err)
			}
			s := open(t, path, departmentPlan("d", "n", "navn"))
			begin(t, s).Close()
			execute(t, db, tt.changes...)
			err := begin(t, s).State().Kinds["department"].Err
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Err = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestGone(t *testing.T) {
	dir := t.TempDir()
	noDatabase := filepath.Join(dir, "not.db")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("not a database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	untracked := filepath.Join(dir, "untracked.db")
	db, err := sql.Open("sqlite", untracked)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	execute(t, db, `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`)
	p, err := plan.Parse("plan.yaml", []byte(departmentPlan("d", "n", "navn")))
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no file": filepath.Join(dir, "missing.db"), "no database": noDatabase, "no tracking": untracked,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqlite.Open(path, p, sqlite.Config{})
			if err == nil {
				defer s.Close()
				_, err = s.Begin(t.Context())
			}
			if !errors.Is(err, source.ErrGone) {
				t.Errorf("err = %v, want %v", err, source.ErrGone)
			}
		})
	}
}

func TestAFileThatIsReplacedIsOpenedAnew(t *testing.T) {
	db, path := database(t)
	execute(t, db, `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`, `INSERT INTO d VALUES ('1', 'Før')`)
	if err := sqlite.Install(t.Context(), db, []string{"d"}); err != nil {
		t.Fatal(err)
	}
	copied := path + ".copy"
	if err := sqlite.Backup(t.Context(), db, copied); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, departmentPlan("d", "n", "navn"))
	begin(t, s).Close()
	execute(t, db, `UPDATE d SET navn = 'Efter'`)
	db.Close()
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(path + suffix)
	}
	if err := os.Rename(copied, path); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"1": "Før"}, departments(t, begin(t, s), 10)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestStatementsThatFailOnARowAreTheKinds(t *testing.T) {
	db, path := database(t)
	execute(t, db, `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`, `INSERT INTO d VALUES ('1', 'no json')`)
	if err := sqlite.Install(t.Context(), db, []string{"d"}); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(departmentPlan("d", "n", "navn"), `"d.navn"`, `{expr: "json_extract(d.navn, '$.x')"}`, 1)
	s := open(t, path, text)
	tx := begin(t, s)
	_, _, err := tx.Chunk(context.Background(), "department", nil, 10, func(*protocol.Row) error { return nil })
	var kind *source.KindError
	if !errors.As(err, &kind) || kind.Kind != "department" {
		t.Errorf("Chunk = %v, want a KindError", err)
	}
	tx.Close()
	if err := begin(t, s).State().Kinds["department"].Err; err == nil {
		t.Error("the next transaction does not tell it as the kind's error")
	}
}

// A read that is stopped in its middle says so, and nobody holds it against the kind.
func TestAStoppedReadIsNotTheKindsFault(t *testing.T) {
	db, path := database(t)
	execute(t, db, `CREATE TABLE d (n TEXT PRIMARY KEY, navn TEXT)`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO d SELECT 'A' || i, 'Lager' FROM n`)
	if err := sqlite.Install(t.Context(), db, []string{"d"}); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, departmentPlan("d", "n", "navn"))
	tx := begin(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := tx.Chunk(ctx, "department", nil, 1000, func(*protocol.Row) error { cancel(); return nil })
	var kind *source.KindError
	if !errors.Is(err, context.Canceled) || errors.As(err, &kind) {
		t.Errorf("Chunk = %v, want %v of no kind", err, context.Canceled)
	}
	tx.Close()
	if err := begin(t, s).State().Kinds["department"].Err; err != nil {
		t.Errorf("the next transaction says of the kind: %v", err)
	}
}

package store_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol/record"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/testenv"
)

const (
	postgresColumns = `
SELECT c.table_name, c.column_name, c.data_type, c.is_nullable = 'NO',
       COALESCE((SELECT k.ordinal_position FROM information_schema.key_column_usage k
                 WHERE k.table_name = c.table_name AND k.column_name = c.column_name
                 AND   k.constraint_name = c.table_name || '_pkey'), 0)
FROM   information_schema.columns c
WHERE  c.table_schema = 'public' AND c.table_name LIKE 'rec\_%'
ORDER  BY c.table_name, c.ordinal_position`
	sqliteColumns = `
SELECT m.name, c.name, LOWER(c.type), c."notnull", c.pk
FROM   sqlite_schema m
JOIN   pragma_table_info(m.name) c
WHERE  m.type = 'table' AND m.name LIKE 'rec\_%' ESCAPE '\'
ORDER  BY m.name, c.cid`
	postgresIndexes = `SELECT tablename FROM pg_indexes WHERE tablename LIKE 'rec\_%'`
	sqliteIndexes   = `SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND tbl_name LIKE 'rec\_%' ESCAPE '\'`
)

// column is one column of a record table; Key is its place in the primary key.
type column struct {
	Name, Type string
	NotNull    bool
	Key        int
}

func TestRecordTablesAreTheCatalogue(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) {
		db := openDB(t, "pgx", testenv.PostgresFrom(t, "store", migrated))
		compareTables(t, db, postgresColumns, map[bool]string{true: "bigint", false: "text"}, "smallint", "bytea")
		checkIndexes(t, db, postgresIndexes, 2)
	})
	t.Run("SQLite", func(t *testing.T) {
		db := openDB(t, "sqlite", sqliteFile(t))
		compareTables(t, db, sqliteColumns, map[bool]string{true: "integer", false: "text"}, "integer", "blob")
		checkIndexes(t, db, sqliteIndexes, 2) // that of the primary key is listed too
	})
}

func compareTables(t *testing.T, db *sql.DB, query string, types map[bool]string, boolean, binary string) {
	t.Helper()
	want := map[string][]column{}
	for _, k := range record.All() {
		key := append([]string{"tenant_id", "stream_id"}, k.Key...)
		add := func(name, typ string, notNull bool) {
			want["rec_"+k.Name] = append(want["rec_"+k.Name], column{Name: name, Type: typ, NotNull: notNull, Key: slices.Index(key, name) + 1})
		}
		number := types[true]
		add("tenant_id", number, true)
		add("stream_id", number, true)
		for _, f := range k.Fields {
			switch f.Type {
			case record.Bool:
				add(f.Name, boolean, !f.Nullable)
			case record.Bytes:
				add(f.Name, binary, !f.Nullable)
			case record.Text, record.Document:
				add(f.Name, types[false], !f.Nullable)
			case record.Int, record.Decimal, record.Date, record.Time, record.Instant:
				add(f.Name, number, !f.Nullable)
			}
		}
		for _, name := range []string{"key_hash", "row_hash", "source_version"} {
			add(name, number, true)
		}
		add("snapshot_id", number, false)
		add("captured_at", number, true)
		add("received_at", number, true)
	}
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	got := map[string][]column{}
	for rows.Next() {
		var table string
		var c column
		if err := rows.Scan(&table, &c.Name, &c.Type, &c.NotNull, &c.Key); err != nil {
			t.Fatal(err)
		}
		got[table] = append(got[table], c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables differ from protocol/record (-catalogue +database):\n%s", diff)
	}
}

func checkIndexes(t *testing.T, db *sql.DB, query string, most int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	count := map[string]int{}
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		count[table]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for table, n := range count {
		if n > most {
			t.Errorf("%s has %d indexes, at most its key and one: each costs a third of the rate", table, n)
		}
	}
}

func TestMigrate(t *testing.T) {
	for name, url := range map[string]string{"PostgreSQL": testenv.Postgres(t), "SQLite": sqliteURL(t)} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, url)
			for range 2 {
				if err := s.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if current, target, err := s.SchemaVersion(t.Context()); current != target || current < 1 || err != nil {
				t.Errorf("version = %d of %d (err %v), want the newest", current, target, err)
			}
		})
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct{ url, want string }{
		"unknown scheme":        {"mysql://u:secret@h/d", `address begins with "mysql"`},
		"no file":               {"sqlite:", "names no file"},
		"directory is missing":  {"sqlite:" + t.TempDir() + "/none/portal.db", "open SQLite file"},
		"nobody listens":        {"postgres://u:secret@127.0.0.1:1/portal", "reach PostgreSQL database portal at 127.0.0.1"},
		"not an address at all": {"postgres://u:secret@[::1/portal", "read the PostgreSQL address"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Open(t.Context(), tt.url, store.Config{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("err = %v, want %q and no password", err, tt.want)
			}
		})
	}
}

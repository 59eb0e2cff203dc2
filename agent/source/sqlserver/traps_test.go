package sqlserver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/microsoft/go-mssqldb/msdsn"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// none fails the test on a row.
func none(t *testing.T) func(*protocol.Row) error {
	return func(*protocol.Row) error { t.Error("a row is told"); return nil }
}

// TestTraps holds the reader to the traps of SQL Server, by the numbers that the documentation of this program gives them.
func TestTraps(t *testing.T) {
	tests := map[string]func(*testing.T, *server){
		"trap 1: the counter is read before the transaction begins, and the smaller of both is the position": func(t *testing.T, s *server) {
			s.before, s.inside = int64(100), int64(103)
			tx := s.begin(t, s.source(t, fakePlan))
			if got := tx.State().Position; got != 100 {
				t.Errorf("position %d, want the 100 of before: a commit between the two would be skipped", got)
			}
			noted := s.noted()
			counter, begin := index(noted, "DATABASEPROPERTYEX"), index(noted, "BEGIN TRANSACTION")
			touch, valid := index(noted, "SELECT TOP (1) ["), index(noted, "CHANGE_TRACKING_MIN_VALID_VERSION")
			if counter < 0 || counter > begin || begin > touch || touch > valid {
				t.Errorf("counter %d, begin %d, first data %d, validity %d, want this order", counter, begin, touch, valid)
			}
		},
		"trap 1: a counter that is smaller inside is believed": func(t *testing.T, s *server) {
			s.before, s.inside = int64(100), int64(99)
			if got := s.look(t, s.source(t, fakePlan)).Position; got != 99 {
				t.Errorf("position %d, want 99", got)
			}
		},
		"trap 2: every transaction says its level, because a pooled session keeps the last one's": func(t *testing.T, s *server) {
			src := s.source(t, fakePlan)
			s.begin(t, src).Close()
			s.snapshot = 0
			s.begin(t, src).Close()
			want := []driver.IsolationLevel{driver.IsolationLevel(sql.LevelSnapshot), driver.IsolationLevel(sql.LevelReadCommitted)}
			if diff := cmp.Diff(want, s.levels); diff != "" {
				t.Errorf("levels (-want +got)\n%s", diff)
			}
		},
		"trap 4: the connection is encrypted and the certificate verified unless told otherwise": func(t *testing.T, _ *server) {
			plain, err := parameters("sqlserver://a:b@h?database=d", Config{})
			if err != nil || plain.Encryption != msdsn.EncryptionRequired || plain.TrustServerCertificate || plain.TLSConfig.InsecureSkipVerify {
				t.Errorf("encryption %v, trust %t, %v", plain.Encryption, plain.TrustServerCertificate, err)
			}
			trusting, err := parameters("sqlserver://a:b@h?database=d", Config{TrustServerCertificate: true})
			if err != nil || trusting.Encryption != msdsn.EncryptionRequired || !trusting.TrustServerCertificate {
				t.Errorf("told to trust: encryption %v, trust %t, %v", trusting.Encryption, trusting.TrustServerCertificate, err)
			}
		},
		"trap 5: a snapshot ends with its transaction": func(t *testing.T, s *server) {
			tx := s.begin(t, s.source(t, fakePlan))
			tx.Close()
			if s.ended != 1 {
				t.Errorf("%d transactions ended, want 1", s.ended)
			}
		},
		"trap 6: version 0 is a position like others": func(t *testing.T, s *server) {
			s.before, s.inside = int64(0), int64(0)
			s.minimum = map[string]any{"[dbo].[Afdeling]": int64(0), "[dbo].[Sted]": int64(0)}
			var from any
			s.rows = func(_ context.Context, _ string, args []driver.NamedValue) (driver.Rows, error) {
				from = args[0].Value
				return resultOf(), nil
			}
			tx := s.begin(t, s.source(t, fakePlan))
			if k := tx.State().Kinds["department"]; tx.State().Position != 0 || k.Err != nil || k.MinValid != 0 {
				t.Errorf("position %d, %+v", tx.State().Position, k)
			}
			if err := tx.Upserts(t.Context(), "department", 0, none(t)); err != nil || from != int64(0) {
				t.Errorf("asked for changes after %v, %v, want after 0", from, err)
			}
		},
		"trap 7: a lower version is told as it is, not as no change; a restore begins another lineage": func(t *testing.T, s *server) {
			src := s.source(t, fakePlan)
			before := s.look(t, src)
			s.before, s.inside, s.fork = int64(40), int64(40), "F2"
			after := s.look(t, src)
			if after.Position != 40 || after.Lineage == before.Lineage {
				t.Errorf("position %d of %s after %d of %s", after.Position, after.Lineage, before.Position, before.Lineage)
			}
		},
		"trap 7: without the right to the recovery fork the lineage is the weaker one, and said to be": func(t *testing.T, s *server) {
			s.noFork = true
			src := s.source(t, fakePlan)
			before := s.look(t, src)
			s.created = "2026-02-02T00:00:00.000"
			after := s.look(t, src)
			if before.Lineage == after.Lineage || src.Facts().LineageBy != ByCreation {
				t.Errorf("%s, then %s, by %s", before.Lineage, after.Lineage, src.Facts().LineageBy)
			}
			found, err := src.Inspect(t.Context())
			if err != nil || len(found) == 0 || !strings.Contains(found[0].Text, "GRANT VIEW ANY DATABASE") {
				t.Errorf("Inspect = %v, %v, want the missing right", found, err)
			}
		},
		"trap 8: an idle table moves on with the database's counter, and its minimum is its own": func(t *testing.T, s *server) {
			src := s.source(t, fakePlan)
			s.begin(t, src).Close()
			s.before, s.inside = int64(5000), int64(5000)
			s.minimum["[dbo].[Afdeling]"] = int64(4000)
			state := s.look(t, src)
			if state.Position != 5000 || state.Kinds["place"].MinValid != 20 || state.Kinds["department"].MinValid != 4000 {
				t.Errorf("%+v, want position 5000 and minimums 20 and 4000", state)
			}
		},
		"trap 9: whether snapshots are allowed is asked before, and change tracking without them refused": func(t *testing.T, s *server) {
			s.snapshot = 0
			tx := s.begin(t, s.source(t, fakePlan))
			err := tx.State().Kinds["department"].Err
			if err == nil || !strings.Contains(err.Error(), "ALTER DATABASE [loen] SET ALLOW_SNAPSHOT_ISOLATION ON") {
				t.Errorf("department: %v, want what to switch on", err)
			}
			if err := tx.Upserts(t.Context(), "department", 1, none(t)); !isKindError(err) {
				t.Errorf("Upserts = %v, want a KindError", err)
			}
		},
		"trap 9: a kind that is compared needs no snapshots": func(t *testing.T, s *server) {
			s.snapshot, s.before, s.inside = 0, nil, nil
			for _, table := range s.tables {
				table.tracked, table.sees = false, false
			}
			src := s.source(t, strings.NewReplacer("key: Nr", "key: Nr, mode: compare").Replace(fakePlan))
			state := s.look(t, src)
			for name, k := range state.Kinds {
				if k.Err != nil {
					t.Errorf("%s: %v", name, k.Err)
				}
			}
			if got := src.Kinds()[0].Digest; got != source.DigestAll {
				t.Errorf("digests find %s, want all", got)
			}
		},
		"trap 13: reading sessions count no rows, the one that writes reports does": func(t *testing.T, _ *server) {
			if !strings.Contains(readSession, "NOCOUNT ON") || !strings.Contains(writeSession, "NOCOUNT OFF") {
				t.Errorf("%s\n%s", readSession, writeSession)
			}
		},
		"trap 14: a clean-up of change data that stands still is told": func(t *testing.T, s *server) {
			s.rows = func(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
				if query == cleanupSQL {
					return resultOf([]driver.Value{int64(72)}), nil
				}
				return resultOf(), nil
			}
			found, err := s.source(t, fakePlan).Inspect(t.Context())
			if err != nil || len(found) != 1 || found[0].Stop || !strings.Contains(found[0].Text, "72 hours ago") {
				t.Errorf("Inspect = %v, %v, want a note", found, err)
			}
		},
		"trap 15: a poll's statements are the same each time, and no parameter is declared by its length": func(t *testing.T, s *server) {
			src := s.source(t, fakePlan)
			s.begin(t, src).Close()
			s.noted()
			poll := func() []string {
				tx := s.begin(t, src)
				if err := tx.Upserts(t.Context(), "department", tx.State().Position, none(t)); err != nil {
					t.Fatal(err)
				}
				tx.Close()
				return s.noted()
			}
			first := poll()
			s.before, s.inside = int64(101), int64(101)
			if diff := cmp.Diff(first, poll()); diff != "" {
				t.Errorf("statements (-first +second)\n%s", diff)
			}
			if len(first) > 7 {
				t.Errorf("%d statements in an idle poll of one kind: %q", len(first), first)
			}
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { tt(t, newServer()) })
	}
}

// TestStatementsAvoid looks through every statement for what they must not hold.
func TestStatementsAvoid(t *testing.T) {
	avoid := map[string]string{
		`(?i)SYS_CHANGE_CONTEXT`:                "trap 10: the context is that of a row's last change alone; a filter on it loses the change before",
		`(?i)COLUMN_IN_MASK|SYS_CHANGE_COLUMNS`: "trap 11: which columns changed is decided by the hash of what is sent",
		`(?i)SHOWPLAN`:                          "trap 12: it does not work with parameters",
		`(?i)EXISTS *\( *SELECT COUNT`:          "trap 16: it is always true",
		`(?i)@@DBTS`:                            "it lies above transactions that are still open",
		`(?i)NOLOCK|READUNCOMMITTED`:            "rows that were never committed are nobody's",
		`(?i)\b(INSERT|UPDATE|DELETE|MERGE)\b`:  "reading writes nothing",
	}
	for _, file := range []string{"poll", "change-tracking", "rowversion", "compare", "business-central"} {
		b, err := os.ReadFile(filepath.Join("testdata", file+".sql"))
		if err != nil {
			t.Fatal(err)
		}
		sql := regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(string(b), "")
		for pattern, why := range avoid {
			if found := regexp.MustCompile(pattern).FindString(sql); found != "" {
				t.Errorf("%s holds %s; %s", file, found, why)
			}
		}
	}
}

func TestASecondaryReplicaIsRefused(t *testing.T) {
	s := newServer()
	s.updateable, s.primary = "READ_ONLY", int64(0)
	_, err := s.source(t, fakePlan).Begin(t.Context())
	if !isGone(err) || !strings.Contains(err.Error(), "secondary replica of an availability group") {
		t.Errorf("Begin = %v, want why it is refused", err)
	}
}

func TestTheBudgetIsKept(t *testing.T) {
	b := newBudget(time.Minute / 1000)
	b.spend(time.Now().Add(-time.Hour))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := b.wait(ctx); err == nil {
		t.Error("an hour was spent of 60 ms a minute, and the next read goes on at once")
	}
	if err := newBudget(0).wait(t.Context()); err != nil {
		t.Errorf("without a budget: %v", err)
	}
	if err := newBudget(time.Second).wait(t.Context()); err != nil {
		t.Errorf("with all of the budget left: %v", err)
	}
}

func index(list []string, part string) int {
	for i, s := range list {
		if strings.Contains(s, part) {
			return i
		}
	}
	return -1
}

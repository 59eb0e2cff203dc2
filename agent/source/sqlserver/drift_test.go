package sqlserver

import (
	"errors"
	"strings"
	"testing"

	"lessor.dk/portalsync/agent/source"
)

// TestDrift changes the database between two looks: each change has its named outcome for its kind, the other flows.
func TestDrift(t *testing.T) {
	const (
		goesOn    = "goes on"
		isReRead  = "is read anew"
		suspended = "is suspended"
	)
	tests := map[string]struct {
		change  func(*server)
		outcome string
		tells   string // part of the sentence
		refused bool   // the change shows when a statement is refused, and in nothing else
	}{
		"a column is added": {func(s *server) {
			c := whole("Ny")
			c.id, c.readable = 3, true
			s.tables["Afdeling"].columns = append(s.tables["Afdeling"].columns, c)
		}, goesOn, "", false},
		"a column is dropped": {func(s *server) { s.tables["Afdeling"].columns = s.tables["Afdeling"].columns[:1] },
			suspended, "table Afdeling has no column Navn, which the plan reads for name", false},
		"a column is renamed": {func(s *server) { s.tables["Afdeling"].columns[1].name = "Kort" },
			suspended, "table Afdeling has no column Navn", false},
		"a column is dropped and made again": {func(s *server) { s.tables["Afdeling"].columns[1].id = 9 }, isReRead, "", false},
		"a column grows":                     {func(s *server) { s.tables["Afdeling"].columns[1].length = 200 }, isReRead, "", false},
		"a column becomes a sql_variant": {func(s *server) { s.tables["Afdeling"].columns[1].typ = "sql_variant" },
			suspended, "column Navn of table Afdeling, which the plan reads for name, is of type sql_variant", false},
		"a column becomes a hierarchyid": {func(s *server) { s.tables["Afdeling"].columns[1].typ = "hierarchyid" },
			suspended, "like m.Node.ToString()", false},
		"a column is no longer granted": {func(s *server) { s.tables["Afdeling"].columns[1].readable = false },
			suspended, "GRANT SELECT ON [dbo].[Afdeling] ([Navn]) TO the account", true},
		"the table is replaced": {func(s *server) { s.tables["Afdeling"].object = 77 }, isReRead, "", false},
		"the table is dropped":  {func(s *server) { delete(s.tables, "Afdeling") }, suspended, "table Afdeling is not in the database", false},
		"the key changes": {func(s *server) { s.tables["Afdeling"].key = []string{"Nr", "Navn"} },
			suspended, "table Afdeling has the primary key (Nr, Navn) but the plan says (Nr)", false},
		"tracking is switched off": {func(s *server) { s.tables["Afdeling"].tracked = false },
			suspended, "ALTER TABLE [dbo].[Afdeling] ENABLE CHANGE_TRACKING", false},
		"tracking is switched off and on, as a partition switch needs": {func(s *server) { s.tables["Afdeling"].begin = 90 }, isReRead, "", false},
		"the right to see changes is taken": {func(s *server) { s.tables["Afdeling"].sees = false },
			suspended, "GRANT VIEW CHANGE TRACKING ON [dbo].[Afdeling] TO the account", false},
		"the table is truncated":               {func(s *server) { s.minimum["[dbo].[Afdeling]"] = int64(101) }, isReRead, "", false},
		"its valid version is no longer told":  {func(s *server) { s.minimum["[dbo].[Afdeling]"] = nil }, suspended, "tells no valid version", false},
		"nothing but the counter":              {func(s *server) { s.before, s.inside = int64(101), int64(101) }, goesOn, "", false},
		"changes are cleaned up before we saw": {func(s *server) { s.minimum["[dbo].[Afdeling]"] = int64(100) }, goesOn, "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			src := s.source(t, fakePlan)
			before := s.look(t, src)
			tt.change(s)
			if tt.refused {
				src.fail("department", errors.New("the SELECT permission was denied"))
			}
			after := s.look(t, src)
			is := func(kind string) string {
				was, now := before.Kinds[kind], after.Kinds[kind]
				switch {
				case now.Err != nil:
					return suspended
				case now.Epoch != was.Epoch || now.MinValid > before.Position:
					return isReRead
				}
				return goesOn
			}
			if got := is("department"); got != tt.outcome {
				t.Errorf("department %s (%v), want it %s", got, after.Kinds["department"].Err, tt.outcome)
			}
			if tt.tells != "" && !strings.Contains(told(after), tt.tells) {
				t.Errorf("the sentence is %q, want %q in it", told(after), tt.tells)
			}
			if got := is("place"); got != goesOn {
				t.Errorf("place %s, which did not change", got)
			}
		})
	}
}

func told(s source.State) string {
	if err := s.Kinds["department"].Err; err != nil {
		return err.Error()
	}
	return ""
}

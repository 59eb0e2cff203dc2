package sqlite_test

import (
	"fmt"
	"strings"
	"testing"

	"lessor.dk/portalsync/agent/source/sqlite"
)

// Every column that leaves stands in the list of columns read, because SQL that hides one is refused.
func TestColumnsAreNamedByAlias(t *testing.T) {
	tests := map[string]struct{ expr, filter, want string }{
		"columns by alias, words and texts": {
			expr:   `CASE WHEN m.Navn LIKE 'Navn%' AND d.By IS NOT NULL THEN upper(m.Navn) || CAST(m.Nr AS TEXT) ELSE m.Navn COLLATE NOCASE END`,
			filter: `m.Nr NOT IN ('Nr', 'CPR') AND m.CPR BETWEEN '0' AND 'z'`},
		"a bare column":                     {expr: `m.Navn || CPR`, want: "the plan's SQL for name cannot be read: it uses the column CPR without its alias; write m.CPR"},
		"a bare column in a function":       {expr: `upper(substr(CPR, 1, 6))`, want: "it uses the column CPR without its alias"},
		"a quoted bare column":              {expr: `m.Navn || "CPR"`, want: "it uses the column CPR without its alias"},
		"a bare column in brackets":         {expr: `m.Navn || [CPR]`, want: "it uses the column CPR without its alias"},
		"a bare column of a joined table":   {expr: `m.Navn || By`, want: "it uses the column By without its alias"},
		"a bare column in the filter":       {expr: `m.Navn`, filter: `CPR <> ''`, want: "the plan's SQL for filter cannot be read: it uses the column CPR without its alias"},
		"a bare column named like a word":   {expr: `m.Navn || End`, want: "it uses the column End without its alias"},
		"the row number that has no column": {expr: `m.Navn || rowid`, want: "rowid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db, path := database(t)
			execute(t, db, `CREATE TABLE m (Nr TEXT PRIMARY KEY, Navn TEXT, CPR TEXT, "End" TEXT, Afd TEXT)`,
				`CREATE TABLE d (Nr TEXT PRIMARY KEY, By TEXT)`)
			if err := sqlite.Install(t.Context(), db, []string{"m", "d"}); err != nil {
				t.Fatal(err)
			}
			if tt.filter == "" {
				tt.filter = "1"
			}
			text := fmt.Sprintf(`{version: 1, timezone: UTC, kinds: {department: {table: m, as: m, key: Nr,
				join: [{table: d, as: d, on: {Nr: m.Afd}, optional: true}], fields: {department_no: m.Nr, name: {expr: %q}}, filter: %q}}}`,
				tt.expr, tt.filter)
			err := begin(t, open(t, path, text)).State().Kinds["department"].Err
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Err = %v, want %q", err, tt.want)
			}
		})
	}
}

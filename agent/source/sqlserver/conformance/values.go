package conformance

import (
	"maps"
	"slices"

	"lessor.dk/portalsync/protocol"
)

// value is a literal of a type and the text that it is read as.
type value struct{ literal, text string }

// valueChecks read a value of each type that a table can hold, as a text, which is every digit of it.
func valueChecks() []Check {
	values := map[string][]value{
		"bit":              {{"1", "1"}},
		"tinyint":          {{"255", "255"}},
		"bigint":           {{"-9223372036854775808", "-9223372036854775808"}},
		"decimal(38,0)":    {{"99999999999999999999999999999999999999", "99999999999999999999999999999999999999"}},
		"decimal(38,10)":   {{"-1234567890123456789012345678.0123456789", "-1234567890123456789012345678.0123456789"}},
		"money":            {{"922337203685477.5807", "922337203685477.5807"}, {"1234567.89", "1234567.89"}},
		"date":             {{"'0001-01-01'", "0001-01-01"}, {"'9999-12-31'", "9999-12-31"}},
		"datetime":         {{"'2026-01-15T08:30:00'", "2026-01-15T08:30:00"}},
		"datetime2(7)":     {{"'2026-01-15T08:30:00.123456'", "2026-01-15T08:30:00.123456"}},
		"time(7)":          {{"'07:30:00'", "07:30:00"}},
		"uniqueidentifier": {{"'6F9619FF-8B86-D011-B42D-00C04FC964FF'", "6F9619FF-8B86-D011-B42D-00C04FC964FF"}},
		"char(5)":          {{"'A1'", "A1"}},
		"nchar(5)":         {{"N'Æ'", "Æ"}},
		"varchar(50)":      {{"'rød grød €'", "rød grød €"}},
		"nvarchar(max)":    {{"REPLICATE(CONVERT(nvarchar(max), N'Ærø ł 😀 '), 3) + N'.'", "Ærø ł 😀 Ærø ł 😀 Ærø ł 😀 ."}},
		"xml":              {{"N'<a>ø</a>'", "<a>ø</a>"}},
		"ntext":            {{"N'gammel tekst å'", "gammel tekst å"}},
	}
	var list []Check
	for _, typ := range slices.Sorted(maps.Keys(values)) {
		list = append(list, Check{"a value of type " + typ + " is read without loss", func(t T, s *Server) {
			s.do(t, "CREATE TABLE Typer (Nr int NOT NULL PRIMARY KEY, V "+typ+" NOT NULL)")
			for _, v := range values[typ] {
				s.do(t, "DELETE FROM Typer", "INSERT INTO Typer (Nr, V) VALUES (1, "+v.literal+")")
				if got := only(t, s, valuePlan); got != v.text {
					t.Errorf("%s is read as %q, want %q", v.literal, got, v.text)
				}
			}
		}})
	}
	return list
}

const valuePlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: Typer, as: t, key: Nr, mode: compare, fields: {department_no: t.Nr, name: t.V}}
`

// only returns the second field of the only row of the kind department.
func only(t T, s *Server, text string) (got string) {
	t.Helper()
	tx := begin(t, s.open(t, text))
	rows := 0
	_, _, err := tx.Chunk(t.Context(), "department", nil, 10, func(r *protocol.Row) error {
		if rows++; r.Op != protocol.Keep {
			got = r.Values[1].S
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range tx.Bad() {
		t.Errorf("left out: %v", bad.Reason)
	}
	if rows != 1 {
		t.Errorf("%d rows, want 1", rows)
	}
	return got
}

package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lessor.dk/portalsync/protocol"
)

// keyChecks read a table one row at a time in the order of a key of each type that can be one. The server's own order
// counts: of a uniqueidentifier the last group first, of a text the column's collation.
func keyChecks() []Check {
	keys := map[string][]string{
		"int":               {"-2147483648", "-1", "0", "2147483647"},
		"bigint":            {"-9223372036854775808", "0", "9223372036854775807"},
		"decimal(20,5)":     {"-1.00001", "0.00001", "123456789012345.00000"},
		"money":             {"-0.0001", "0", "922337203685477.5807"},
		"varchar(20)":       {"'A'", "'Aa'", "'b'", "'ø'", "'Z'", "'o''x'", "''"},
		"nvarchar(20)":      {"N'A'", "N'ł'", "N'ø'", "N'Å'", "N'aa'"},
		"char(5)":           {"'1'", "'10'", "'2'"},
		"date":              {"'0001-01-01'", "'2024-02-29'", "'9999-12-31'"},
		"datetime":          {"'1753-01-01'", "'2026-01-01T10:00:00.000'", "'2026-01-01T10:00:00.003'", "'2026-01-01T10:00:00.007'", "'2026-01-01T10:00:00.997'"},
		"datetime2(6)":      {"'2026-01-01T10:00:00.000001'", "'2026-01-01T10:00:00.000002'", "'2026-01-01T10:00:00.1'"},
		"smalldatetime":     {"'2026-01-01T10:00:00'", "'2026-01-01T10:01:00'"},
		"time(6)":           {"'00:00:00'", "'23:59:59.999999'"},
		"uniqueidentifier":  {"'00000001-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'", "'01000000-0000-0000-0000-000000000000'"},
		"float":             {"-1.5", "0.1", "1e300"},
		"varbinary(8)":      {"0x00", "0x00AB", "0xFF"},
		"datetimeoffset(3)": {"'2026-01-01T10:00:00+02:00'", "'2026-01-01T09:00:00+00:00'"},
	}
	var list []Check
	for _, typ := range slices.Sorted(maps.Keys(keys)) {
		list = append(list, Check{"chunks by a key of type " + typ, func(t T, s *Server) { chunksBy(t, s, typ, keys[typ]) }})
	}
	return list
}

func chunksBy(t T, s *Server, typ string, values []string) {
	s.do(t, "CREATE TABLE Typer (K "+typ+" NOT NULL PRIMARY KEY, Navn nvarchar(20) NOT NULL)")
	for i, v := range values {
		s.do(t, fmt.Sprintf("INSERT INTO Typer (K, Navn) VALUES (%s, N'%d')", v, i))
	}
	rows, err := s.db.QueryContext(t.Context(), "SELECT Navn FROM Typer ORDER BY K")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var want []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	expr := "CONVERT(nvarchar(60), t.K)"
	if strings.HasPrefix(typ, "varbinary") {
		expr = "CONVERT(nvarchar(60), t.K, 1)"
	}
	src := s.open(t, "version: 1\ntimezone: Europe/Copenhagen\nkinds:\n  department: {table: Typer, as: t, key: K, mode: compare, fields: {department_no: {expr: '"+expr+"'}, name: t.Navn}}\n")
	tx := begin(t, src)
	var got []string
	var after []byte
	for range len(want) + 2 {
		last, done, err := tx.Chunk(t.Context(), "department", after, 1, func(r *protocol.Row) error {
			got = append(got, r.Values[1].S)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if after = last; done {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

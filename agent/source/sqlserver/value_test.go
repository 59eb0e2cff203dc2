package sqlserver

import (
	"database/sql/driver"
	"errors"
	"math"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/source/cell"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// guidBytes is 6F9619FF-8B86-D011-B42D-00C04FC964FF as the server sends it: the first three groups little-endian.
var guidBytes = []byte{0xFF, 0x19, 0x96, 0x6F, 0x86, 0x8B, 0x11, 0xD0, 0xB4, 0x2D, 0x00, 0xC0, 0x4F, 0xC9, 0x64, 0xFF}

// clock is a wall clock as the driver hands it out: in UTC, whatever it means.
func clock(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.9999999", s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestTypes goes from what the driver hands out for each type that a table can hold to the cell of each type of field
// that it may be read into: exactly, or not at all.
func TestTypes(t *testing.T) {
	winter := clock("2026-01-15 08:30:00.1234567")
	tests := map[string]struct {
		typ   string
		value driver.Value
		to    record.Field
		want  protocol.Value
		err   error
	}{
		"tinyint into int":                                {"TINYINT", int64(255), record.Field{Type: record.Int}, protocol.IntValue(255), nil},
		"bigint at its end into int":                      {"BIGINT", int64(math.MinInt64), record.Field{Type: record.Int}, protocol.IntValue(math.MinInt64), nil},
		"int into text, as codes are":                     {"INT", int64(-7), record.Field{Type: record.Text}, protocol.TextValue("-7"), nil},
		"int into decimal":                                {"INT", int64(7), record.Field{Type: record.Decimal, Scale: 2}, protocol.IntValue(700), nil},
		"bit into bool":                                   {"BIT", true, record.Field{Type: record.Bool}, protocol.BoolValue(true), nil},
		"decimal(38,4) into decimal":                      {"DECIMAL", []byte("-12345678901.2300"), record.Field{Type: record.Decimal, Scale: 2}, protocol.IntValue(-1234567890123), nil},
		"decimal with digits beyond the scale":            {"DECIMAL", []byte("0.0001"), record.Field{Type: record.Decimal, Scale: 2}, protocol.Value{}, cell.ErrScale},
		"decimal(38,0) too large for a field":             {"DECIMAL", []byte("99999999999999999999999999999999999999"), record.Field{Type: record.Decimal, Scale: 2}, protocol.Value{}, cell.ErrRange},
		"decimal(38,0) into text keeps every digit":       {"DECIMAL", []byte("99999999999999999999999999999999999999"), record.Field{Type: record.Text}, protocol.TextValue("99999999999999999999999999999999999999"), nil},
		"decimal(10,2) of a number into text":             {"DECIMAL", []byte("100.00"), record.Field{Type: record.Text}, protocol.TextValue("100"), nil},
		"decimal(10,0) into text keeps its zeros":         {"DECIMAL", []byte("100"), record.Field{Type: record.Text}, protocol.TextValue("100"), nil},
		"decimal into int":                                {"DECIMAL", []byte("12.00"), record.Field{Type: record.Int}, protocol.IntValue(12), nil},
		"decimal with a fraction into int":                {"DECIMAL", []byte("12.50"), record.Field{Type: record.Int}, protocol.Value{}, cell.ErrWhole},
		"decimal into bytes":                              {"DECIMAL", []byte("1"), record.Field{Type: record.Bytes}, protocol.Value{}, cell.ErrKind},
		"money into decimal, no commas":                   {"MONEY", []byte("1234567.8900"), record.Field{Type: record.Decimal, Scale: 2}, protocol.IntValue(123456789), nil},
		"money with a tenth of an øre":                    {"MONEY", []byte("0.0010"), record.Field{Type: record.Decimal, Scale: 2}, protocol.Value{}, cell.ErrScale},
		"smallmoney into decimal":                         {"SMALLMONEY", []byte("-214748.3648"), record.Field{Type: record.Decimal, Scale: 4}, protocol.IntValue(-2147483648), nil},
		"float that a person wrote into decimal":          {"FLOAT", 125.5, record.Field{Type: record.Decimal, Scale: 2}, protocol.IntValue(12550), nil},
		"float that is no such number":                    {"FLOAT", math.Nextafter(0.3, 1), record.Field{Type: record.Decimal, Scale: 2}, protocol.Value{}, cell.ErrScale},
		"float that is infinite":                          {"FLOAT", math.Inf(1), record.Field{Type: record.Decimal, Scale: 2}, protocol.Value{}, cell.ErrNumber},
		"real by its own bits":                            {"REAL", float64(float32(0.1)), record.Field{Type: record.Decimal, Scale: 2}, protocol.IntValue(10), nil},
		"date into date":                                  {"DATE", clock("2024-02-29 00:00:00"), record.Field{Type: record.Date}, protocol.IntValue(19782), nil},
		"the first date there is":                         {"DATE", clock("0001-01-01 00:00:00"), record.Field{Type: record.Date}, protocol.IntValue(-719162), nil},
		"the last date there is":                          {"DATE", clock("9999-12-31 00:00:00"), record.Field{Type: record.Date}, protocol.IntValue(2932896), nil},
		"date into text":                                  {"DATE", clock("2024-02-29 00:00:00"), record.Field{Type: record.Text}, protocol.TextValue("2024-02-29"), nil},
		"datetime at midnight into date":                  {"DATETIME", clock("2024-02-29 00:00:00"), record.Field{Type: record.Date}, protocol.IntValue(19782), nil},
		"datetime with a time into date":                  {"DATETIME", clock("2024-02-29 00:00:00.003"), record.Field{Type: record.Date}, protocol.Value{}, cell.ErrMidnight},
		"datetime into instant, by the plan's clock":      {"DATETIME", clock("2026-07-15 08:30:00.003"), record.Field{Type: record.Instant}, protocol.IntValue(17840970000030000), nil},
		"smalldatetime into instant":                      {"SMALLDATETIME", clock("2026-01-15 08:30:00"), record.Field{Type: record.Instant}, protocol.IntValue(17684622000000000), nil},
		"datetime2(7) keeps its last digit":               {"DATETIME2", winter, record.Field{Type: record.Instant}, protocol.IntValue(17684622001234567), nil},
		"datetime2 into text":                             {"DATETIME2", winter, record.Field{Type: record.Text}, protocol.TextValue("2026-01-15T08:30:00.1234567"), nil},
		"datetimeoffset is a moment of its own":           {"DATETIMEOFFSET", winter.In(time.FixedZone("", -7*3600)), record.Field{Type: record.Instant}, protocol.IntValue(17684658001234567), nil},
		"datetimeoffset has no day of its own":            {"DATETIMEOFFSET", winter, record.Field{Type: record.Date}, protocol.Value{}, cell.ErrKind},
		"time(7) into time":                               {"TIME", clock("0001-01-01 23:59:59.9999999"), record.Field{Type: record.Time}, protocol.IntValue(863999999999), nil},
		"time into text":                                  {"TIME", clock("0001-01-01 07:30:00"), record.Field{Type: record.Text}, protocol.TextValue("07:30:00"), nil},
		"time into date":                                  {"TIME", clock("0001-01-01 07:30:00"), record.Field{Type: record.Date}, protocol.Value{}, cell.ErrKind},
		"datetime into time, which would lose the day":    {"DATETIME", clock("1754-01-01 07:30:00"), record.Field{Type: record.Time}, protocol.Value{}, cell.ErrTime},
		"uniqueidentifier in the server's order of bytes": {"UNIQUEIDENTIFIER", guidBytes, record.Field{Type: record.Text}, protocol.TextValue("6F9619FF-8B86-D011-B42D-00C04FC964FF"), nil},
		"uniqueidentifier into bytes":                     {"UNIQUEIDENTIFIER", guidBytes, record.Field{Type: record.Bytes}, protocol.Value{Kind: protocol.Bytes, S: string(guidBytes)}, nil},
		"char without its padding":                        {"CHAR", "A1   ", record.Field{Type: record.Text}, protocol.TextValue("A1"), nil},
		"nchar without its padding":                       {"NCHAR", "Æ    ", record.Field{Type: record.Text}, protocol.TextValue("Æ"), nil},
		"varchar keeps its blanks":                        {"VARCHAR", "A1 ", record.Field{Type: record.Text}, protocol.TextValue("A1 "), nil},
		"varchar of code page 1252, decoded":              {"VARCHAR", "Åse Østergård €", record.Field{Type: record.Text}, protocol.TextValue("Åse Østergård €"), nil},
		"nvarchar beyond the first plane":                 {"NVARCHAR", "😀", record.Field{Type: record.Text}, protocol.TextValue("😀"), nil},
		"nvarchar with a NUL":                             {"NVARCHAR", "a\x00b", record.Field{Type: record.Text}, protocol.Value{}, cell.ErrNUL},
		"varchar number into int":                         {"VARCHAR", "0042", record.Field{Type: record.Int}, protocol.IntValue(42), nil},
		"xml into text":                                   {"XML", "<a/>", record.Field{Type: record.Text}, protocol.TextValue("<a/>"), nil},
		"varbinary(max) into a document":                  {"VARBINARY", []byte{0, 255}, record.Field{Type: record.Document}, protocol.Value{Kind: protocol.Bytes, S: "\x00\xff"}, nil},
		"varbinary into text":                             {"VARBINARY", []byte("abc"), record.Field{Type: record.Text}, protocol.Value{}, cell.ErrKind},
		"rowversion into bytes":                           {"BINARY", []byte{0, 0, 0, 0, 0, 0, 7, 209}, record.Field{Type: record.Bytes}, protocol.Value{Kind: protocol.Bytes, S: "\x00\x00\x00\x00\x00\x00\x07\xd1"}, nil},
		"sql_variant":                                     {"SQL_VARIANT", int64(7), record.Field{Type: record.Int}, protocol.Value{}, cell.ErrKind},
		"null of any type":                                {"DATETIMEOFFSET", nil, record.Field{Type: record.Instant, Nullable: true}, protocol.Value{}, nil},
		"null binary where a text may be missing":         {"VARBINARY", nil, record.Field{Type: record.Text, Nullable: true}, protocol.Value{}, nil},
		"null where the field needs a value":              {"CHAR", nil, record.Field{Type: record.Text}, protocol.Value{}, cell.ErrNull},
	}
	copenhagen, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := tt.value
			if read := readerOf(tt.typ, tt.to.Type); read != nil {
				v = read(v)
			}
			var got protocol.Value
			err := cell.New(tt.to, copenhagen).Convert(&got, v)
			if !errors.Is(err, tt.err) || err == nil && got != tt.want {
				t.Errorf("cell = %+v, %v, want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestRefusedTypes(t *testing.T) {
	for _, typ := range []string{"sql_variant", "hierarchyid", "geometry", "geography", "vector"} {
		if unreadable(typ) == "" {
			t.Errorf("%s can be read", typ)
		}
	}
	for _, list := range [][]string{wholeTypes, textTypes, decimalTypes, floatTypes, momentTypes, binaryTypes, otherTypes} {
		for _, typ := range list {
			if why := unreadable(typ); why != "" {
				t.Errorf("%s %s", typ, why)
			}
		}
	}
	for name, c := range map[string]column{
		"xml": {typ: "xml"}, "ntext": {typ: "ntext"}, "nvarchar(max)": {typ: "nvarchar", length: unlimited, collation: danish},
		"sql_variant": {typ: "sql_variant"},
	} {
		if c.keyProblem() == "" {
			t.Errorf("rows can be ordered by %s", name)
		}
	}
}

// TestKeyParameters holds how a key column's last value is passed to the next chunk. Trap 3: a parameter of another type
// than the column loses the index; trap of the driver: a varchar parameter is sent in UTF-8, whatever the code page.
func TestKeyParameters(t *testing.T) {
	tests := map[string]struct {
		column column
		value  driver.Value
		want   any
		sql    string
	}{
		"int":                      {whole("K"), int64(-5), int64(-5), "CAST(@p2 AS int)"},
		"bit":                      {column{typ: "bit"}, true, int64(1), "CAST(@p2 AS bit)"},
		"varchar in its code page": {varchar("K"), "Åse'", mssql.NVarCharMax("Åse'"), "CAST(@p2 COLLATE Danish_Norwegian_CI_AS AS varchar(20))"},
		"char with its padding":    {column{typ: "char", length: 5, collation: danish}, "A1   ", mssql.NVarCharMax("A1   "), "CAST(@p2 COLLATE Danish_Norwegian_CI_AS AS char(5))"},
		"nvarchar by characters":   {nvarchar("K"), "Å", mssql.NVarCharMax("Å"), "CAST(@p2 COLLATE Danish_Norwegian_CI_AS AS nvarchar(20))"},
		"date":                     {column{typ: "date"}, clock("2026-01-31 00:00:00"), mssql.NVarCharMax("2026-01-31"), "CAST(@p2 AS date)"},
		"datetime to the tick":     {column{typ: "datetime", scale: 3}, clock("2026-01-31 10:00:00.997"), mssql.NVarCharMax("2026-01-31T10:00:00.997"), "CAST(@p2 AS datetime)"},
		"smalldatetime":            {column{typ: "smalldatetime"}, clock("2026-01-31 10:01:00"), mssql.NVarCharMax("2026-01-31T10:01:00"), "CAST(@p2 AS smalldatetime)"},
		"datetime2(7) to the tick": {column{typ: "datetime2", scale: 7}, clock("2026-01-31 10:00:00.0000001"), mssql.NVarCharMax("2026-01-31T10:00:00.0000001"), "CAST(@p2 AS datetime2(7))"},
		"datetime2(0)":             {column{typ: "datetime2"}, clock("2026-01-31 10:00:00"), mssql.NVarCharMax("2026-01-31T10:00:00"), "CAST(@p2 AS datetime2(0))"},
		"datetimeoffset(3)":        {column{typ: "datetimeoffset", scale: 3}, clock("2026-01-31 10:00:00.5").In(time.FixedZone("", 3600)), mssql.NVarCharMax("2026-01-31T11:00:00.500+01:00"), "CAST(@p2 AS datetimeoffset(3))"},
		"time(7)":                  {column{typ: "time", scale: 7}, clock("0001-01-01 10:00:00.0000001"), mssql.NVarCharMax("10:00:00.0000001"), "CAST(@p2 AS time(7))"},
		"decimal(38,10)":           {column{typ: "decimal", precision: 38, scale: 10}, []byte("1234567890123456789012345678.0000000001"), mssql.NVarCharMax("1234567890123456789012345678.0000000001"), "CAST(@p2 AS decimal(38,10))"},
		"money":                    {column{typ: "money"}, []byte("-1.2345"), mssql.NVarCharMax("-1.2345"), "CAST(@p2 AS money)"},
		"float":                    {column{typ: "float"}, 0.1, mssql.NVarCharMax("1e-01"), "CAST(@p2 AS float)"},
		"real by its own bits":     {column{typ: "real"}, float64(float32(0.1)), mssql.NVarCharMax("1e-01"), "CAST(@p2 AS real)"},
		"uniqueidentifier":         {column{typ: "uniqueidentifier"}, guidBytes, mssql.NVarCharMax("6F9619FF-8B86-D011-B42D-00C04FC964FF"), "CAST(@p2 AS uniqueidentifier)"},
		"varbinary(16)":            {column{typ: "varbinary", length: 16}, []byte{0, 171}, mssql.NVarCharMax("00AB"), "CONVERT(varbinary(16), @p2, 2)"},
		"rowversion":               {column{typ: "timestamp", length: 8}, []byte{0, 0, 0, 0, 0, 0, 0, 9}, mssql.NVarCharMax("0000000000000009"), "CONVERT(binary(8), @p2, 2)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cursor, err := encodeCursor([]column{tt.column}, []driver.Value{tt.value})
			if err != nil {
				t.Fatal(err)
			}
			args, err := decodeCursor(cursor, []column{tt.column})
			if err != nil || len(args) != 1 || args[0] != tt.want {
				t.Errorf("parameters = %#v, %v, want %#v", args, err, tt.want)
			}
			if got := tt.column.typed("@p2"); got != tt.sql {
				t.Errorf("compared with %s, want %s", got, tt.sql)
			}
		})
	}
}

func TestNames(t *testing.T) {
	tests := map[string]string{
		"Medarbejder": "[Medarbejder]", "CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972": "[CRONUS Danmark A_S$Employee$437dbf0e-84ff-417a-965d-ed2bb9650972]",
		"a]b": "[a]]b]", "a'b\"c": "[a'b\"c]", "]; DROP TABLE x --": "[]]; DROP TABLE x --]", "Løn æøå": "[Løn æøå]",
	}
	for name, want := range tests {
		if got := quote(name); got != want {
			t.Errorf("quote(%s) = %s, want %s", name, got, want)
		}
	}
	if got, want := text("O'Neil"), "N'O''Neil'"; got != want {
		t.Errorf("text = %s, want %s", got, want)
	}
}

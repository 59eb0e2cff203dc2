package sqlserver

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/source/cell"
	"lessor.dk/portalsync/protocol/record"
)

// reader makes of what the driver hands out for one column what package cell reads, or an error of package cell as
// the value, which no field converts. nil leaves the value as it is.
type reader func(driver.Value) driver.Value

// readerOf returns the reader of a result's column, whose type the driver names, for a field.
//
//	char, nchar          lose the padding, which is no data
//	real                 is spelled in its own 24 bits: 0.1, not 0.10000000149011612
//	decimal, money       come as text; a text field loses the zeros that only the scale writes
//	uniqueidentifier     is spelled as SQL Server does; a field of bytes holds its 16 bytes as they are stored
//	datetimeoffset       is an instant whatever the plan's timezone; the others are wall clocks there
//	binary, rowversion   go to fields of bytes; a text field takes none
func readerOf(typ string, to record.Type) reader {
	switch typ {
	case "CHAR", "NCHAR":
		return unpad
	case "REAL":
		return spellReal
	case "DECIMAL", "MONEY", "SMALLMONEY":
		return func(v driver.Value) driver.Value { return number(v, to) }
	case "UNIQUEIDENTIFIER":
		if to == record.Bytes {
			return nil
		}
		return spellGUID
	case "DATE", "TIME", "DATETIME", "SMALLDATETIME", "DATETIME2":
		return func(v driver.Value) driver.Value { return wallClock(v, typ, to) }
	case "DATETIMEOFFSET":
		return instant
	case "BINARY", "VARBINARY", "IMAGE":
		if to != record.Bytes && to != record.Document {
			return unfit
		}
	case "SQL_VARIANT":
		return unfit
	}
	return nil
}

func unpad(v driver.Value) driver.Value {
	if s, ok := v.(string); ok {
		return strings.TrimRight(s, " ")
	}
	return v
}

func spellReal(v driver.Value) driver.Value {
	f, ok := v.(float64)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return v
	}
	return strconv.FormatFloat(f, 'f', -1, 32)
}

func number(v driver.Value, to record.Type) driver.Value {
	b, ok := v.([]byte)
	if !ok || to == record.Decimal {
		return v
	}
	if to == record.Bytes || to == record.Document {
		return unfit(v)
	}
	s := string(b)
	if strings.ContainsRune(s, '.') {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func spellGUID(v driver.Value) driver.Value {
	b, ok := v.([]byte)
	if !ok {
		return v
	}
	var id mssql.UniqueIdentifier
	if err := id.Scan(b); err != nil {
		return cell.ErrKind
	}
	return id.String()
}

// wallClock spells a moment for a text field. A time of day has no day, and of a day with a time of day neither half is
// the whole: the plan's SQL says which is meant, like CONVERT(time, m.Start).
func wallClock(v driver.Value, typ string, to record.Type) driver.Value {
	t, ok := v.(time.Time)
	switch {
	case !ok:
		return v
	case typ == "TIME" && to != record.Time && to != record.Text:
		return cell.ErrKind
	case typ != "TIME" && to == record.Time:
		return cell.ErrTime
	case to != record.Text:
		return v
	}
	switch typ {
	case "DATE":
		return t.Format(time.DateOnly)
	case "TIME":
		return t.Format("15:04:05.9999999")
	}
	return t.Format("2006-01-02T15:04:05.9999999")
}

func instant(v driver.Value) driver.Value {
	if t, ok := v.(time.Time); ok {
		return cell.Instant(t)
	}
	return v
}

// unfit stands for a value of a type that the field cannot be read from. Null stays null.
func unfit(v driver.Value) driver.Value {
	if v == nil {
		return nil
	}
	return cell.ErrKind
}

// keyText returns a key column's value, as the driver hands it out, in the spelling that column.typed reads, or as an
// int64 for whole numbers. The value is compared by the server, in the column's own order.
func keyText(c column, v driver.Value) (any, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case float64:
		bits := 64
		if c.typ == "real" {
			bits = 32
		}
		return strconv.FormatFloat(v, 'e', -1, bits), nil
	case string:
		return v, nil
	case []byte:
		switch {
		case c.typ == "uniqueidentifier":
			return spellGUID(v), nil
		case c.typ == "decimal" || c.typ == "numeric" || c.typ == "money" || c.typ == "smallmoney":
			return string(v), nil
		}
		return strings.ToUpper(hex.EncodeToString(v)), nil
	case time.Time:
		return v.Format(momentLayout(c)), nil
	}
	return nil, fmt.Errorf("key column %s holds a value that cannot be ordered by", c.name)
}

func momentLayout(c column) string {
	fraction := ""
	if c.scale > 0 {
		fraction = "." + strings.Repeat("0", c.scale)
	}
	switch c.typ {
	case "date":
		return time.DateOnly
	case "time":
		return "15:04:05" + fraction
	case "datetime":
		return "2006-01-02T15:04:05.000"
	case "smalldatetime":
		return "2006-01-02T15:04:05"
	case "datetimeoffset":
		return "2006-01-02T15:04:05" + fraction + "-07:00"
	}
	return "2006-01-02T15:04:05" + fraction
}

// parameter returns a key value as the driver takes it: whole numbers as bigint, all else as nvarchar(max), because
// the driver would declare a shorter text by its length, and every length would be another statement to the server.
func parameter(v any) any {
	if s, ok := v.(string); ok {
		return mssql.NVarCharMax(s)
	}
	return v
}

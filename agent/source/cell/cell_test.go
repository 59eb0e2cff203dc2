package cell

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

func TestConvert(t *testing.T) {
	text := record.Field{Name: "name", Type: record.Text}
	money := record.Field{Name: "amount", Type: record.Decimal, Scale: 2}
	whole := record.Field{Name: "sort", Type: record.Int}
	yes := record.Field{Name: "active", Type: record.Bool}
	tests := map[string]struct {
		field record.Field
		have  any
		want  protocol.Value
		err   error
	}{
		"text is kept": {field: text, have: "Åse", want: protocol.TextValue("Åse")},
		"a number in a text field is spelled out":    {field: text, have: int64(-42), want: protocol.TextValue("-42")},
		"a float in a text field has no exponent":    {field: text, have: 1e21, want: protocol.TextValue("1000000000000000000000")},
		"text that is not UTF-8 is refused":          {field: text, have: "K\xf8ge", err: ErrUTF8},
		"text with NUL is refused":                   {field: text, have: "a\x00b", err: ErrNUL},
		"text over the limit is refused":             {field: text, have: strings.Repeat("x", record.MaxTextBytes+1), err: ErrLong},
		"null in a field that needs a value":         {field: text, err: ErrNull},
		"null in a nullable field":                   {field: record.Field{Type: record.Text, Nullable: true}, want: protocol.NullValue()},
		"money as text":                              {field: money, have: "-12.50", want: protocol.IntValue(-1250)},
		"money with zeros beyond the scale":          {field: money, have: "125.5000", want: protocol.IntValue(12550)},
		"money with a digit beyond the scale":        {field: money, have: "0.001", err: ErrScale},
		"money as a float":                           {field: money, have: 1234567.89, want: protocol.IntValue(123456789)},
		"money as a float that was calculated":       {field: money, have: math.Nextafter(0.3, 1), err: ErrScale},
		"money as a float with a third digit":        {field: money, have: 0.125, err: ErrScale},
		"money as a large float":                     {field: money, have: 1e16, err: ErrRange},
		"money that is not a number":                 {field: money, have: math.Inf(1), err: ErrNumber},
		"money as a whole number":                    {field: money, have: int64(7), want: protocol.IntValue(700)},
		"the largest decimal":                        {field: money, have: "9999999999999999.99", want: protocol.IntValue(record.MaxDecimal)},
		"one digit more":                             {field: money, have: "10000000000000000.00", err: ErrRange},
		"a whole number over the largest decimal":    {field: money, have: int64(math.MaxInt64), err: ErrRange},
		"an empty text is no number":                 {field: money, have: "", err: ErrNumber},
		"a comma is no point":                        {field: money, have: "1,5", err: ErrNumber},
		"a whole number as text":                     {field: whole, have: "0042", want: protocol.IntValue(42)},
		"a float without fraction is whole":          {field: whole, have: 42.0, want: protocol.IntValue(42)},
		"a fraction is not whole":                    {field: whole, have: 1.5, err: ErrWhole},
		"a fraction as text is not whole":            {field: whole, have: "1.5", err: ErrWhole},
		"one is true":                                {field: yes, have: int64(1), want: protocol.BoolValue(true)},
		"two is not a truth value":                   {field: yes, have: int64(2), err: ErrBool},
		"bytes are kept":                             {field: record.Field{Type: record.Bytes}, have: []byte{0, 0xff}, want: protocol.BytesValue("\x00\xff")},
		"a document over the limit is refused":       {field: record.Field{Type: record.Document}, have: make([]byte, protocol.MaxBlobBytes+1), err: ErrLong},
		"a number is no date":                        {field: record.Field{Type: record.Date}, have: int64(20260101), err: ErrKind},
		"a date":                                     {field: record.Field{Type: record.Date}, have: "2026-03-01", want: protocol.DateValue(2026, 3, 1)},
		"a date before the epoch":                    {field: record.Field{Type: record.Date}, have: "1899-12-31", want: protocol.DateValue(1899, 12, 31)},
		"a date with midnight":                       {field: record.Field{Type: record.Date}, have: "2009-01-14 00:00:00.000", want: protocol.DateValue(2009, 1, 14)},
		"a date with another time of day is refused": {field: record.Field{Type: record.Date}, have: "2009-01-14 00:00:01", err: ErrMidnight},
		"29 February in a common year":               {field: record.Field{Type: record.Date}, have: "2026-02-29", err: ErrDate},
		"29 February in 1900":                        {field: record.Field{Type: record.Date}, have: "1900-02-29", err: ErrDate},
		"29 February in 2000":                        {field: record.Field{Type: record.Date}, have: "2000-02-29", want: protocol.DateValue(2000, 2, 29)},
		"a Danish date is refused":                   {field: record.Field{Type: record.Date}, have: "14-01-2009", err: ErrDate},
		"a time with seven digits":                   {field: record.Field{Type: record.Time}, have: "07:00:00.0000001", want: protocol.IntValue(7*3600*ticksPerSecond + 1)},
		"a time without seconds":                     {field: record.Field{Type: record.Time}, have: "15:30", want: protocol.IntValue((15*3600 + 30*60) * ticksPerSecond)},
		"24:00 is refused":                           {field: record.Field{Type: record.Time}, have: "24:00", err: ErrTime},
		"an eighth digit of a second is refused":     {field: record.Field{Type: record.Time}, have: "07:00:00.00000001", err: ErrTime},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got protocol.Value
			err := New(tt.field, time.UTC).Convert(&got, tt.have)
			if !errors.Is(err, tt.err) || err == nil && got != tt.want {
				t.Errorf("Convert = %+v, %v, want %+v, %v", got.N, err, tt.want.N, tt.err)
			}
		})
	}
}

func TestDaysFromAgreesWithTheStandardLibrary(t *testing.T) {
	for day := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 10000; day = day.AddDate(0, 0, 13) {
		want := protocol.DateValue(day.Date()).N
		if got, err := parseDate(day.Format(time.DateOnly)); err != nil || got != want {
			t.Fatalf("parseDate(%s) = %d, %v, want %d", day.Format(time.DateOnly), got, err, want)
		}
	}
}

func TestInstant(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ have, want string }{
		"UTC is kept":                           {have: "2026-07-01T12:00:00Z", want: "2026-07-01T12:00:00Z"},
		"an offset is applied":                  {have: "2026-07-01 12:00:00+02:00", want: "2026-07-01T10:00:00Z"},
		"local summer time":                     {have: "2026-07-01 12:00:00", want: "2026-07-01T10:00:00Z"},
		"local winter time":                     {have: "2026-01-01 12:00", want: "2026-01-01T11:00:00Z"},
		"a date alone is local midnight":        {have: "2026-01-01", want: "2025-12-31T23:00:00Z"},
		"before the doubled hour":               {have: "2026-10-25 01:59:59", want: "2026-10-24T23:59:59Z"},
		"the doubled hour means the first":      {have: "2026-10-25 02:30:00", want: "2026-10-25T00:30:00Z"},
		"after the doubled hour":                {have: "2026-10-25 03:00:00", want: "2026-10-25T02:00:00Z"},
		"before the skipped hour":               {have: "2026-03-29 01:59:59", want: "2026-03-29T00:59:59Z"},
		"the skipped hour is read as if before": {have: "2026-03-29 02:30:00", want: "2026-03-29T01:30:00Z"},
		"after the skipped hour":                {have: "2026-03-29 03:00:00", want: "2026-03-29T01:00:00Z"},
		"a fraction before 1970":                {have: "1969-12-31T23:59:59.5Z", want: "1969-12-31T23:59:59.5Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want, err := time.Parse(time.RFC3339Nano, tt.want)
			if err != nil {
				t.Fatal(err)
			}
			ticks := want.Unix()*ticksPerSecond + int64(want.Nanosecond()/100)
			var got protocol.Value
			err = New(record.Field{Type: record.Instant}, zone).Convert(&got, tt.have)
			if err != nil || got.N != ticks {
				t.Errorf("Convert(%s) = %d, %v, want %d", tt.have, got.N, err, ticks)
			}
		})
	}
}

func TestTranslate(t *testing.T) {
	c := New(record.Field{Name: "active", Type: record.Bool}, time.UTC)
	c.Translate(map[string]protocol.Value{"A": protocol.BoolValue(true), "1": protocol.BoolValue(false)}, nil)
	var got protocol.Value
	if err := c.Convert(&got, int64(1)); err != nil || got != protocol.BoolValue(false) {
		t.Errorf("number code = %v, %v", got.N, err)
	}
	if err := c.Convert(&got, "X"); !errors.Is(err, ErrCode) {
		t.Errorf("unlisted code = %v, want %v", err, ErrCode)
	}
	others := protocol.BoolValue(true)
	c.Translate(map[string]protocol.Value{}, &others)
	if err := c.Convert(&got, "X"); err != nil || got != others {
		t.Errorf("other code = %v, %v", got.N, err)
	}
}

func TestFormat(t *testing.T) {
	zone := time.FixedZone("", 3600)
	tests := map[string]struct {
		field record.Field
		have  protocol.Value
		want  string
	}{
		"null is empty":          {have: protocol.NullValue()},
		"a decimal":              {field: record.Field{Type: record.Decimal, Scale: 4}, have: protocol.IntValue(-634615), want: "-63.4615"},
		"a decimal below one":    {field: record.Field{Type: record.Decimal, Scale: 2}, have: protocol.IntValue(-5), want: "-0.05"},
		"a date":                 {field: record.Field{Type: record.Date}, have: protocol.DateValue(1969, 12, 31), want: "1969-12-31"},
		"a time":                 {field: record.Field{Type: record.Time}, have: protocol.IntValue(7 * 3600 * ticksPerSecond), want: "07:00:00"},
		"an instant":             {field: record.Field{Type: record.Instant}, have: protocol.IntValue(5_000_000), want: "1970-01-01T01:00:00.5+01:00"},
		"bytes are not shown":    {field: record.Field{Type: record.Document}, have: protocol.BytesValue("%PDF"), want: "(4 bytes)"},
		"a truth value":          {field: record.Field{Type: record.Bool}, have: protocol.BoolValue(true), want: "true"},
		"a whole number is kept": {field: record.Field{Type: record.Int}, have: protocol.IntValue(-7), want: "-7"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Format(tt.field, tt.have, zone); got != tt.want {
				t.Errorf("Format = %q, want %q", got, tt.want)
			}
		})
	}
}

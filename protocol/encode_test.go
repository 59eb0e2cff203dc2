package protocol_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/protocol/record"
)

// employeeRow is a legal row of partOfEmployee: employee_no, name, active.
func employeeRow(no, name string, active bool) protocol.Row {
	return protocol.Row{Version: 5, Values: []protocol.Value{
		protocol.TextValue(no), protocol.TextValue(name), protocol.BoolValue(active),
	}}
}

// wideRow is a legal row of wide with one cell replaced.
func wideRow(field int, v protocol.Value) protocol.Row {
	values := []protocol.Value{
		protocol.TextValue("10001"), protocol.BoolValue(true), protocol.DateValue(2026, 11, 1),
		protocol.IntValue(1), protocol.IntValue(2), protocol.BytesValue("\x00\xff"), protocol.TextValue("blob"),
		protocol.IntValue(3), protocol.IntValue(4),
	}
	values[field] = v
	return protocol.Row{Op: protocol.Update, Version: 6, Values: values}
}

func TestEncoderRefuses(t *testing.T) {
	whole := protocoltest.Schema(t, "employee")
	tests := map[string]struct {
		schema *protocol.SectionSchema
		row    protocol.Row
		want   error
		field  string
	}{
		"text with NUL":             {row: employeeRow("10001", "A\x00B", true), want: protocol.ErrText, field: "name"},
		"text that is not UTF-8":    {row: employeeRow("10001", "A\xff", true), want: protocol.ErrText, field: "name"},
		"text that is a surrogate":  {row: employeeRow("10001", "\xed\xa0\x80", true), want: protocol.ErrText, field: "name"},
		"text over the limit":       {row: employeeRow("10001", strings.Repeat("x", record.MaxTextBytes+1), true), want: protocol.ErrTooLarge, field: "name"},
		"bytes over the limit":      {schema: wide(t), row: wideRow(5, protocol.BytesValue(strings.Repeat("x", record.MaxTextBytes+1))), want: protocol.ErrTooLarge, field: "b"},
		"decimal over 18 digits":    {schema: wide(t), row: wideRow(3, protocol.IntValue(record.MaxDecimal+1)), want: protocol.ErrRange, field: "rate"},
		"decimal under 18 digits":   {schema: wide(t), row: wideRow(3, protocol.IntValue(-record.MaxDecimal-1)), want: protocol.ErrRange, field: "rate"},
		"decimal of many digits":    {schema: wide(t), row: wideRow(3, bigValue(power(100))), want: protocol.ErrRange, field: "rate"},
		"int of over 32 bytes":      {schema: wide(t), row: wideRow(4, bigValue(power(256))), want: protocol.ErrRange, field: "a"},
		"date of over 64 bits":      {schema: wide(t), row: wideRow(2, bigValue(power(64))), want: protocol.ErrForm, field: "valid_from"},
		"big that an int can hold":  {schema: wide(t), row: wideRow(4, bigValue(big.NewInt(math.MinInt64))), want: protocol.ErrForm, field: "a"},
		"big with a leading zero":   {schema: wide(t), row: wideRow(4, protocol.Value{Kind: protocol.Big, N: 1, S: "\x00" + string(power(64).Bytes())}), want: protocol.ErrForm, field: "a"},
		"big without sign":          {schema: wide(t), row: wideRow(4, protocol.Value{Kind: protocol.Big, S: string(power(64).Bytes())}), want: protocol.ErrForm, field: "a"},
		"big without magnitude":     {schema: wide(t), row: wideRow(4, protocol.Value{Kind: protocol.Big, N: 1}), want: protocol.ErrForm, field: "a"},
		"number in a text field":    {schema: wide(t), row: wideRow(0, protocol.IntValue(10001)), want: protocol.ErrForm, field: "employee_no"},
		"text in a number field":    {schema: wide(t), row: wideRow(3, protocol.TextValue("12.50")), want: protocol.ErrForm, field: "rate"},
		"text in a byte field":      {schema: wide(t), row: wideRow(5, protocol.TextValue("x")), want: protocol.ErrForm, field: "b"},
		"content in a document":     {schema: wide(t), row: wideRow(6, protocol.BytesValue("%PDF")), want: protocol.ErrForm, field: "c"},
		"number in a bool field":    {schema: wide(t), row: wideRow(1, protocol.IntValue(1)), want: protocol.ErrForm, field: "unit"},
		"bool that is neither":      {schema: wide(t), row: wideRow(1, protocol.Value{Kind: protocol.Bool, N: 2}), want: protocol.ErrForm, field: "unit"},
		"cell of no known form":     {schema: wide(t), row: wideRow(1, protocol.Value{Kind: 99}), want: protocol.ErrForm, field: "unit"},
		"null in the key":           {schema: wide(t), row: wideRow(2, protocol.NullValue()), want: protocol.ErrNull, field: "valid_from"},
		"delete with more than key": {row: protocol.Row{Op: protocol.Delete, Values: employeeRow("10001", "A", true).Values}, want: protocol.ErrForm, field: "name"},
		"too few cells":             {schema: whole, row: employeeRow("10001", "A", true), want: protocol.ErrForm},
		"keep with more than key":   {row: protocol.Row{Op: protocol.Keep, Values: employeeRow("10001", "A", true).Values}, want: protocol.ErrForm, field: "name"},
		"unknown operation":         {row: protocol.Row{Op: 4, Values: employeeRow("10001", "A", true).Values}, want: protocol.ErrForm},
		"kind of no catalogue":      {schema: protocol.PrepareSchema(protocol.Schema{Kind: "horse"}), want: protocol.ErrSchema},
		"field of no known type": {schema: protocol.PrepareSchema(protocol.Schema{Kind: "place", Fields: []protocol.SchemaField{
			{Name: "place_no", Type: "text"}, {Name: "name", Type: "float"}}}), row: protocol.Row{Values: make([]protocol.Value, 2)}, want: protocol.ErrSchema},
		"row over the limit": {schema: longTexts(), row: longRow(), want: protocol.ErrTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := tt.schema
			if s == nil {
				s = partOfEmployee(t)
			}
			e := protocol.NewEncoder()
			before := e.Size()
			err := e.Row(s, &tt.row)
			var rowErr *protocol.RowError
			if !errors.Is(err, tt.want) || !errors.As(err, &rowErr) {
				t.Fatalf("Row = %v, want a RowError of %v", err, tt.want)
			}
			if rowErr.Kind != s.Kind || rowErr.Row != 0 || rowErr.Field != tt.field {
				t.Errorf("error is about %+v, want field %q", rowErr, tt.field)
			}
			if e.Rows() != 0 || e.Size() != before {
				t.Errorf("the refused row left %d rows, %d bytes", e.Rows(), e.Size())
			}
		})
	}
}

func power(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }

// longTexts is a schema of 64 fields, the most there may be, so that a row can exceed MaxRowBytes.
func longTexts() *protocol.SectionSchema {
	s := protocol.Schema{Kind: "place", Fields: []protocol.SchemaField{{Name: "place_no", Type: "text"}}}
	for i := range 64 {
		s.Fields = append(s.Fields, protocol.SchemaField{Name: string(rune('A' + i)), Type: "bytes"})
	}
	s.Fields = s.Fields[:64]
	return protocol.PrepareSchema(s)
}

func longRow() protocol.Row {
	r := protocol.Row{Values: make([]protocol.Value, 64)}
	for i := range r.Values {
		r.Values[i] = protocol.BytesValue(strings.Repeat("x", record.MaxTextBytes))
	}
	r.Values[0] = protocol.TextValue(strings.Repeat("x", record.MaxTextBytes))
	return r
}

func TestErrorsHoldNoContent(t *testing.T) {
	row := employeeRow("10001", "Signe\x00Kirkegaard", true)
	err := protocol.NewEncoder().Row(partOfEmployee(t), &row)
	if got, want := err.Error(), "employee row 0, field name: text is not UTF-8 without NUL"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}

func TestBatchIsFull(t *testing.T) {
	s := partOfEmployee(t)
	t.Run("after MaxBatchRows rows", func(t *testing.T) {
		e := protocol.NewEncoder()
		row := employeeRow("10001", "A", true)
		for range protocol.MaxBatchRows {
			if err := e.Row(s, &row); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Row(s, &row); !errors.Is(err, protocol.ErrFull) {
			t.Fatalf("row %d: %v, want ErrFull", protocol.MaxBatchRows+1, err)
		}
		b, err := e.Finish(protocoltest.Header(1, "employee"))
		if err != nil {
			t.Fatal(err)
		}
		if d, err := decode(b, known(t)); err != nil || d.rows() != protocol.MaxBatchRows {
			t.Fatalf("read %d rows, %v", d.rows(), err)
		}
	})
	t.Run("before MaxBatchBytes bytes", func(t *testing.T) {
		e := protocol.NewEncoder()
		row := employeeRow("10001", strings.Repeat("x", 10_000), true)
		var err error
		for err == nil {
			err = e.Row(s, &row)
		}
		if !errors.Is(err, protocol.ErrFull) {
			t.Fatalf("Row = %v, want ErrFull", err)
		}
		full := protocoltest.Header(1, "employee")
		full.Lineage = protocol.Lineage(strings.Repeat("l", 30_000))
		b, err := e.Finish(full)
		if err != nil || len(b) > protocol.MaxBatchBytes || len(b) < protocol.MaxBatchBytes-50_000 {
			t.Fatalf("a full batch has %d bytes, %v", len(b), err)
		}
		if err := e.Row(s, &row); err != nil || e.Rows() != 1 {
			t.Fatalf("the next batch: %v, %d rows", err, e.Rows())
		}
	})
	t.Run("never for its first row", func(t *testing.T) {
		e := protocol.NewEncoder()
		row := longRow()
		row.Values[2] = protocol.NullValue()
		if err := e.Row(longTexts(), &row); err != nil {
			t.Fatal(err)
		}
		small := employeeRow("10001", "A", true)
		if err := e.Row(s, &small); !errors.Is(err, protocol.ErrFull) {
			t.Fatalf("second row: %v, want ErrFull", err)
		}
		b, err := e.Finish(protocoltest.Header(1))
		if err != nil {
			t.Fatal(err)
		}
		d, err := decode(b, protocoltest.Schemas(longTexts()))
		if err != nil || d.rows() != 1 {
			t.Fatalf("read %d rows, %v", d.rows(), err)
		}
	})
}

func TestFinishRefuses(t *testing.T) {
	long := make([]int64, 2000)
	tests := map[string]struct {
		change func(*protocol.Header)
		want   error
	}{
		"lineage with NUL":            {func(h *protocol.Header) { h.Lineage = "a\x00" }, protocol.ErrText},
		"kind that is not UTF-8":      {func(h *protocol.Header) { h.Covers = []string{"\xff"} }, protocol.ErrText},
		"a header over its limit":     {func(h *protocol.Header) { h.Lineage = protocol.Lineage(strings.Repeat("l", 40_000)) }, protocol.ErrTooLarge},
		"a list over its limit":       {func(h *protocol.Header) { *h = protocol.Header{Chunk: &protocol.Chunk{Rereads: long}} }, protocol.ErrTooLarge},
		"a chunk that moves":          {func(h *protocol.Header) { h.Covers, h.Chunk = nil, &protocol.Chunk{Kind: "shift"} }, protocol.ErrHeader},
		"a chunk that covers":         {func(h *protocol.Header) { h.Last, h.Chunk = false, &protocol.Chunk{Kind: "shift"} }, protocol.ErrHeader},
		"begin before the last batch": {func(h *protocol.Header) { h.Last, h.Begin = false, []protocol.Begin{{Kind: "shift", Snapshot: 1}} }, protocol.ErrHeader},
		"end before the last batch":   {func(h *protocol.Header) { h.Last, h.End = false, []protocol.End{{Kind: "shift", Snapshot: 1}} }, protocol.ErrHeader},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := protocol.NewEncoder()
			row := employeeRow("10001", "A", true)
			if err := e.Row(partOfEmployee(t), &row); err != nil {
				t.Fatal(err)
			}
			h := protocoltest.Header(1, "employee")
			tt.change(&h)
			if _, err := e.Finish(h); !errors.Is(err, tt.want) {
				t.Fatalf("Finish = %v, want %v", err, tt.want)
			}
			if b, err := e.Finish(protocoltest.Header(1, "employee")); err != nil || e.Rows() != 0 {
				t.Fatalf("Finish after mending the header: %d bytes, %v", len(b), err)
			}
		})
	}
}

func TestAKeepBelongsInAChunk(t *testing.T) {
	e := protocol.NewEncoder()
	keep := protocol.Row{Op: protocol.Keep, Values: make([]protocol.Value, 3)}
	keep.Values[0] = protocol.TextValue("10001")
	if err := e.Row(partOfEmployee(t), &keep); err != nil {
		t.Fatal(err)
	}
	cut, chunk := protocoltest.Header(1, "employee"), protocoltest.Header(1)
	chunk.Last, chunk.Chunk = false, &protocol.Chunk{Kind: "employee"}
	if _, err := e.Finish(cut); !errors.Is(err, protocol.ErrHeader) {
		t.Errorf("Finish of a cut = %v, want ErrHeader", err)
	}
	if _, err := e.Finish(chunk); err != nil {
		t.Errorf("Finish of a chunk: %v", err)
	}
	if _, err := e.Finish(cut); err != nil {
		t.Errorf("Finish of the cut after it: %v", err)
	}
}

func TestSizeIsTheBatchWithoutItsHeader(t *testing.T) {
	e := protocol.NewEncoder()
	empty, err := e.Finish(protocoltest.Header(1))
	if err != nil {
		t.Fatal(err)
	}
	lines, employees := protocoltest.PayslipLines(300, 1), employeeRow("10001", "A", true)
	for i := range lines {
		if err := e.Row(protocoltest.Schema(t, "payslip_line"), &lines[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Row(partOfEmployee(t), &employees); err != nil {
		t.Fatal(err)
	}
	size := e.Size()
	b, err := e.Finish(protocoltest.Header(1))
	if err != nil {
		t.Fatal(err)
	}
	// The header's row count has grown from 0 to 301, two bytes more.
	if got, want := size-1+len(empty)+2, len(b); got != want {
		t.Errorf("Size and header make %d bytes, the batch has %d", got, want)
	}
}

func TestRowsOfEqualSchemasShareASection(t *testing.T) {
	e := protocol.NewEncoder()
	row := employeeRow("10001", "A", true)
	for range 3 {
		if err := e.Row(partOfEmployee(t), &row); err != nil { // prepared anew each time
			t.Fatal(err)
		}
	}
	b, err := e.Finish(protocoltest.Header(1, "employee"))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := decode(b, known(t)); err != nil || len(d.Sections) != 1 || d.rows() != 3 {
		t.Errorf("read %d sections of %d rows, %v; want 1 of 3", len(d.Sections), d.rows(), err)
	}
}

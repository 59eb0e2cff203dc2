// Package protocoltest builds batches for tests and benchmarks of the programs on both sides.
package protocoltest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Schema returns the prepared schema of all fields of a kind.
func Schema(tb testing.TB, kind string) *protocol.SectionSchema {
	tb.Helper()
	k := record.ByName(kind)
	if k == nil {
		tb.Fatalf("record kind %s does not exist", kind)
	}
	names := make([]string, len(k.Fields))
	for i, f := range k.Fields {
		names[i] = f.Name
	}
	s, err := protocol.NewSchema(k, names)
	if err != nil {
		tb.Fatal(err)
	}
	return protocol.PrepareSchema(s)
}

// Schemas returns the look-up a Decoder needs, over the given schemas.
func Schemas(known ...*protocol.SectionSchema) func(protocol.SchemaHash) (*protocol.SectionSchema, bool) {
	return func(h protocol.SchemaHash) (*protocol.SectionSchema, bool) {
		for _, s := range known {
			if s.Hash() == h {
				return s, true
			}
		}
		return nil, false
	}
}

// wageTypes are usual lines of a Danish payslip.
var wageTypes = []struct{ code, label, unit, section, account string }{
	{"1000", "Månedsløn", "", "Løn", "2210"},
	{"1010", "Timeløn", "timer", "Løn", "2210"},
	{"1110", "Overarbejde 50 %", "timer", "Løn", "2215"},
	{"1120", "Overarbejde 100 %", "timer", "Løn", "2215"},
	{"1310", "Genetillæg aften", "timer", "Tillæg", "2220"},
	{"2100", "Ferietillæg", "", "Ferie", "2240"},
	{"2150", "Feriefridage", "dage", "Ferie", "2240"},
	{"3000", "ATP-bidrag", "", "Pension", "2310"},
	{"3100", "Pension, medarbejder", "%", "Pension", "2320"},
	{"3110", "Pension, firma", "%", "Pension", "2320"},
	{"4000", "AM-bidrag", "%", "Skat", "2410"},
	{"4100", "A-skat", "%", "Skat", "2420"},
	{"5200", "Kantineordning", "", "Fradrag", "2510"},
	{"5300", "Kørselsgodtgørelse", "km", "Udlæg", "2610"},
}

// PayslipLines returns n rows of payslip_line with all 12 fields, the same for the same seed:
// 14 lines to a payslip, about one cell in seven null. Versions count from 1.
func PayslipLines(n int, seed uint64) []protocol.Row {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]protocol.Row, n)
	for i := range rows {
		w := wageTypes[i%len(wageTypes)]
		slip := i / len(wageTypes)
		employee := slip % 300
		quantity, rate := protocol.NullValue(), protocol.NullValue()
		amount := r.Int64N(5_000_000)
		if w.unit != "" {
			hours, price := r.Int64N(1_600_000), 1_200_000+r.Int64N(3_000_000)
			quantity, rate = protocol.IntValue(hours), protocol.IntValue(price)
			amount = hours / 100 * (price / 100) / 100
		}
		rows[i] = protocol.Row{Op: protocol.Insert, Version: protocol.Position(i + 1), Values: []protocol.Value{
			protocol.TextValue(fmt.Sprintf("L%04d-%06d", 202400+slip/300%12+1, slip)),
			protocol.IntValue(int64(i%len(wageTypes) + 1)),
			protocol.TextValue(fmt.Sprintf("%05d", 10001+employee)),
			protocol.TextValue(w.code),
			protocol.TextValue(w.label),
			quantity,
			optional(w.unit),
			rate,
			protocol.IntValue(amount),
			protocol.IntValue(amount * int64(1+slip/300%12)),
			protocol.TextValue(w.section),
			protocol.TextValue(w.account),
		}}
	}
	return rows
}

func optional(s string) protocol.Value {
	if s == "" {
		return protocol.NullValue()
	}
	return protocol.TextValue(s)
}

// Header returns the header of a cut's only batch, positions 0 to 100, that covers the named kinds.
func Header(seq protocol.Seq, covers ...string) protocol.Header {
	return protocol.Header{
		StreamHeader: protocol.StreamHeader{Tenant: 7, Stream: 9, Gen: 1_794_000_000_000, Seq: seq},
		Lineage:      "5f0e9a31-line",
		From:         0,
		To:           100,
		CapturedAt:   time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC).UnixMilli(),
		Last:         true,
		Covers:       covers,
	}
}

// Batch encodes the rows as one batch.
func Batch(tb testing.TB, h protocol.Header, s *protocol.SectionSchema, rows []protocol.Row) []byte {
	tb.Helper()
	e := protocol.NewEncoder()
	for i := range rows {
		if err := e.Row(s, &rows[i]); err != nil {
			tb.Fatal(err)
		}
	}
	b, err := e.Finish(h)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

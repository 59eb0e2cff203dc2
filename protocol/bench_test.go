package protocol_test

import (
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
)

const benchRows = 5000

// jsonRow is the baseline: the same rows as encoding/json would carry them, one object with named fields each.
type jsonRow struct {
	Op      int            `json:"op"`
	Version int64          `json:"version"`
	Values  map[string]any `json:"values"`
}

func BenchmarkEncode(b *testing.B) {
	s, rows := protocoltest.Schema(b, "payslip_line"), protocoltest.PayslipLines(benchRows, 1)
	objects := jsonRows(s, rows)
	e := protocol.NewEncoder()
	var batch []byte
	encodeAll := func() {
		for i := range rows {
			if err := e.Row(s, &rows[i]); err != nil {
				b.Fatal(err)
			}
		}
		var err error
		if batch, err = e.Finish(protocoltest.Header(1, "payslip_line")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		encodeAll()
	}
	perRow := report(b, "encode")
	b.ReportMetric(float64(len(batch))/benchRows, "B/row")
	b.ReportMetric(float64(compressed(b, batch))/benchRows, "zstd-B/row")
	b.ReportMetric(timeOf(b, func() error { _, err := json.Marshal(objects); return err })/perRow, "json/ours")
}

func BenchmarkDecode(b *testing.B) {
	s, rows := protocoltest.Schema(b, "payslip_line"), protocoltest.PayslipLines(benchRows, 1)
	batch, schemas := protocoltest.Batch(b, protocoltest.Header(1), s, rows), protocoltest.Schemas(s)
	marshalled, err := json.Marshal(jsonRows(s, rows))
	if err != nil {
		b.Fatal(err)
	}
	var r protocol.DecodedRow
	b.ReportAllocs()
	for b.Loop() {
		d, err := protocol.NewDecoder(batch, schemas)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err = d.NextSection(); err != nil {
			b.Fatal(err)
		}
		for err == nil {
			err = d.Row(&r)
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
	perRow := report(b, "decode")
	b.ReportMetric(timeOf(b, func() error { var back []jsonRow; return json.Unmarshal(marshalled, &back) })/perRow, "json/ours")
}

// report adds and returns the time per row in ns.
func report(b *testing.B, what string) float64 {
	b.Helper()
	perRow := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / benchRows
	b.ReportMetric(perRow, what+"-ns/row")
	return perRow
}

// timeOf returns what f takes per row, in ns: the best of three.
func timeOf(b *testing.B, f func() error) float64 {
	b.Helper()
	best := time.Duration(1<<63 - 1)
	for range 3 {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	return float64(best.Nanoseconds()) / benchRows
}

func compressed(b *testing.B, batch []byte) int {
	b.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		b.Fatal(err)
	}
	return len(w.EncodeAll(batch, nil))
}

func jsonRows(s *protocol.SectionSchema, rows []protocol.Row) []jsonRow {
	objects := make([]jsonRow, len(rows))
	for i, r := range rows {
		objects[i] = jsonRow{Op: int(r.Op), Version: int64(r.Version), Values: map[string]any{}}
		for f, v := range r.Values {
			switch v.Kind {
			case protocol.Int:
				objects[i].Values[s.Fields[f].Name] = v.N
			case protocol.Text:
				objects[i].Values[s.Fields[f].Name] = v.S
			case protocol.Null, protocol.Bool, protocol.Bytes, protocol.Big: // payslip lines have none but null
			}
		}
	}
	return objects
}

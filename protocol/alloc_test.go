package protocol_test

import (
	"errors"
	"io"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
)

func TestRowsAllocateNothing(t *testing.T) {
	s, rows := protocoltest.Schema(t, "payslip_line"), protocoltest.PayslipLines(1000, 1)
	e := protocol.NewEncoder()
	fill := func() {
		for i := range rows {
			if err := e.Row(s, &rows[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	finish := func() []byte {
		b, err := e.Finish(protocoltest.Header(1, "payslip_line"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fill() // grows the buffers once
	b := finish()

	t.Run("encode", func(t *testing.T) {
		const perBatch = 1 // the batch itself
		if got := testing.AllocsPerRun(10, func() { fill(); finish() }); got > perBatch {
			t.Errorf("%v allocations for %d rows, want at most %d", got, len(rows), perBatch)
		}
	})
	t.Run("decode", func(t *testing.T) {
		schemas := protocoltest.Schemas(s)
		const perBatch = 12 // decoder, copy of the input, header, buffers
		var r protocol.DecodedRow
		got := testing.AllocsPerRun(10, func() {
			d, err := protocol.NewDecoder(b, schemas)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := d.NextSection(); err != nil {
				t.Fatal(err)
			}
			for err == nil {
				err = d.Row(&r)
			}
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		})
		if got > perBatch {
			t.Errorf("%v allocations for %d rows, want at most %d", got, len(rows), perBatch)
		}
	})
}

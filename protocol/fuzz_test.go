package protocol_test

import (
	"errors"
	"slices"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
)

// named are the errors a decoder may give.
var named = []error{
	protocol.ErrVersionByte, protocol.ErrTruncated, protocol.ErrTrailing, protocol.ErrCanonical, protocol.ErrShape,
	protocol.ErrCount, protocol.ErrHeader, protocol.ErrSchema, protocol.ErrForm, protocol.ErrNull, protocol.ErrText,
	protocol.ErrRange, protocol.ErrTooLarge,
}

func isNamed(err error) bool {
	return slices.ContainsFunc(named, func(e error) bool { return errors.Is(err, e) })
}

// hold decodes b: it must give a named error or what the reference reads.
func hold(tb testing.TB, ref reference, b []byte, schemas func(protocol.SchemaHash) (*protocol.SectionSchema, bool)) {
	tb.Helper()
	d, err := decode(b, schemas)
	if err == nil {
		ref.mustAgree(tb, b, d)
	} else if !isNamed(err) {
		tb.Fatalf("unnamed error %v for %x", err, b)
	}
}

// FuzzDecode feeds the decoder anything: no panic, no memory out of proportion, and the reference agrees.
func FuzzDecode(f *testing.F) {
	for _, v := range goldenBatches(f) {
		f.Add(encode(f, v.batch))
	}
	ref, schemas := newReference(f), known(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		cost := bytesAllocated(func() { _, _ = decode(b, schemas) })
		// decode keeps every row: at least one byte of input stands for a cell of 40 bytes.
		if limit := int64(len(b))*128 + 256<<10; cost > limit {
			t.Fatalf("%d bytes of input cost %d", len(b), cost)
		}
		hold(t, ref, b, schemas)
	})
}

// FuzzParseKey feeds the key parser anything: what it accepts is what KeyBytes writes.
func FuzzParseKey(f *testing.F) {
	line := protocoltest.Schema(f, "payslip_line")
	f.Add(protocol.KeyBytes(line, protocoltest.PayslipLines(1, 1)[0].Values))
	f.Fuzz(func(t *testing.T, b []byte) {
		cells, err := protocol.ParseKey(line, b)
		if err != nil {
			if !isNamed(err) {
				t.Fatalf("unnamed error %v", err)
			}
			return
		}
		values := make([]protocol.Value, len(line.Fields))
		for n, i := range line.Key {
			values[i] = cells[n]
		}
		if got := protocol.KeyBytes(line, values); string(got) != string(b) {
			t.Fatalf("KeyBytes = %x, want %x", got, b)
		}
	})
}

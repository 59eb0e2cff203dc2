package protocol_test

import (
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/protocol/record"
)

// Parts of hand-written batches, in hexadecimal.
const (
	headTail = "0102" + "1b000001a1b1c9b000" + "01" + "616c" + "00" + "1864" + "00" + "f5" // tenant … last
	noLists  = "80808080" + "f6"
)

// written assembles a batch: the version byte, a header that announces that many rows, and what follows it.
func written(t *testing.T, rows, rest string) []byte {
	t.Helper()
	return unhex(t, "01"+"8f"+rows+headTail+noLists+rest)
}

// ofChunk assembles a batch of one row that is a chunk.
func ofChunk(t *testing.T, rest string) []byte {
	t.Helper()
	return unhex(t, "01"+"8f"+"01"+strings.TrimSuffix(headTail, "f5")+"f4"+"80808080"+"84 6173 01 40 80"+rest)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sectionOf is a section item of a schema for so many rows.
func sectionOf(s *protocol.SectionSchema, rows string) string {
	hash := s.Hash()
	return "83" + hex.EncodeToString([]byte{0x60 | byte(len(s.Kind))}) + hex.EncodeToString([]byte(s.Kind)) +
		"50" + hash.String() + rows
}

func TestDecoderRefuses(t *testing.T) {
	s, w := partOfEmployee(t), wide(t)
	one := sectionOf(s, "01")
	good := "86 00 05 f6 6131 6141 f5" // insert, version 5, all present: "1", "A", true
	// cell puts one cell in the place of wide's; the places before it hold legal cells.
	cell := func(field int, cell string) string {
		cells := []string{"6131", "f5", "00", "00", "00", "40", "60", "00", "00"}
		cells[field] = cell
		return sectionOf(w, "01") + "8c 00 05 f6" + strings.Join(cells, "")
	}
	if _, err := decode(written(t, "01", one+good), known(t)); err != nil {
		t.Fatalf("the hand-written batch is not legal: %v", err)
	}
	if _, err := decode(written(t, "01", cell(0, "6131")), known(t)); err != nil {
		t.Fatalf("the hand-written wide batch is not legal: %v", err)
	}
	if _, err := decode(ofChunk(t, one+"84 03 05 01 6131"), known(t)); err != nil {
		t.Fatalf("the hand-written keep is not legal: %v", err)
	}
	tests := map[string]struct {
		in   []byte
		want error
	}{
		"nothing":                           {nil, protocol.ErrTruncated},
		"the version byte alone":            {[]byte{1}, protocol.ErrTruncated},
		"another version byte":              {append([]byte{2}, written(t, "00", "")[1:]...), protocol.ErrVersionByte},
		"a header that is no array":         {unhex(t, "01 a0"), protocol.ErrShape},
		"a header of too few items":         {unhex(t, "01 8e 00"), protocol.ErrTruncated},
		"a header of 14 items":              {unhex(t, "01 8e"+"00"+headTail+"80808080"), protocol.ErrShape},
		"a header of indefinite length":     {unhex(t, "01 9f 00 ff"), protocol.ErrCanonical},
		"a header list longer than input":   {unhex(t, "01 8f 00"+headTail+"9b 7fffffffffffffff"), protocol.ErrTruncated},
		"a header list over its limit":      {unhex(t, "01 8f 00"+headTail+"99 0401"+strings.Repeat("60", 1025)), protocol.ErrTooLarge},
		"a header over its limit":           {unhex(t, "01 8f 00 01 02 00 01 79 9000"+strings.Repeat("61", 0x9000)), protocol.ErrTooLarge},
		"a lineage with NUL":                {unhex(t, "01 8f 00 0102 00 01 6100 00 00 00 f5"+noLists), protocol.ErrText},
		"a tenant over 63 bits":             {unhex(t, "01 8f 00 1bffffffffffffffff 02 00 01 60 00 00 00 f5"+noLists), protocol.ErrRange},
		"a truth value that is a number":    {unhex(t, "01 8f 00 0102 00 01 60 00 00 00 01"+noLists), protocol.ErrShape},
		"a chunk that ends a cut":           {unhex(t, "01 8f 00"+headTail+"80808080"+"84 6173 01 40 80"), protocol.ErrHeader},
		"a row count below zero":            {written(t, "20", ""), protocol.ErrCount},
		"a row count over the limit":        {written(t, "191389", ""), protocol.ErrTooLarge},
		"end where a section should be":     {written(t, "01", ""), protocol.ErrTruncated},
		"end where a row should be":         {written(t, "01", one), protocol.ErrTruncated},
		"end within a text":                 {written(t, "01", one+"86 00 05 f6 6131 6541"), protocol.ErrTruncated},
		"a text longer than the input":      {written(t, "01", one+"86 00 05 f6 6131 7b 7fffffffffffffff 41"), protocol.ErrTruncated},
		"a row longer than the input":       {written(t, "01", one+"9b ffffffffffffffff 00"), protocol.ErrTruncated},
		"a byte after the end":              {written(t, "01", one+good+"00"), protocol.ErrTrailing},
		"a section too many":                {written(t, "01", one+good+sectionOf(w, "01")), protocol.ErrTrailing},
		"a section without rows":            {written(t, "01", sectionOf(s, "00")), protocol.ErrCount},
		"a section of more rows than told":  {written(t, "01", sectionOf(s, "02")+good+good), protocol.ErrCount},
		"two sections that should be one":   {written(t, "02", one+good+one+good), protocol.ErrCanonical},
		"a section that is no array":        {written(t, "01", "f6"), protocol.ErrShape},
		"a schema nobody sent":              {written(t, "01", "83 65 706c616365 50"+strings.Repeat("00", 16)+"01"), protocol.ErrSchema},
		"a schema of another kind":          {written(t, "01", strings.Replace(one, "656d706c6f796565", "656d706c6f796566", 1)), protocol.ErrSchema},
		"a schema hash of 15 bytes":         {written(t, "01", "83 65 706c616365 4f"+strings.Repeat("00", 15)+"01"), protocol.ErrShape},
		"a row count with a sign":           {written(t, "01", sectionOf(s, "20")+good), protocol.ErrShape},
		"an unknown operation":              {written(t, "01", one+"86 04 05 f6 6131 6141 f5"), protocol.ErrShape},
		"a keep in a cut":                   {written(t, "01", one+"84 03 05 01 6131"), protocol.ErrShape},
		"a keep with more than its key":     {ofChunk(t, one+"86 03 05 f6 6131 6141 f5"), protocol.ErrForm},
		"a keep without its key":            {ofChunk(t, one+"84 03 05 02 6141"), protocol.ErrNull},
		"an operation in two bytes":         {written(t, "01", one+"86 1800 05 f6 6131 6141 f5"), protocol.ErrCanonical},
		"a version in nine bytes":           {written(t, "01", one+"86 00 1b0000000000000005 f6 6131 6141 f5"), protocol.ErrCanonical},
		"a version that is a text":          {written(t, "01", one+"86 00 6135 f6 6131 6141 f5"), protocol.ErrShape},
		"a version that is a float":         {written(t, "01", one+"86 00 f94500 f6 6131 6141 f5"), protocol.ErrShape},
		"a mask bit beyond the fields":      {written(t, "01", one+"86 00 05 0b 6131 6141 f5"), protocol.ErrShape},
		"a mask of all fields":              {written(t, "01", one+"86 00 05 07 6131 6141 f5"), protocol.ErrCanonical},
		"a mask of more cells than sent":    {written(t, "01", one+"84 00 05 03 6131"), protocol.ErrShape},
		"a mask of fewer cells than sent":   {written(t, "01", one+"86 00 05 03 6131 6141 f5"), protocol.ErrShape},
		"a mask without the key":            {written(t, "01", one+"85 00 05 06 6141 f5"), protocol.ErrNull},
		"a delete with more than its key":   {written(t, "01", one+"86 02 05 f6 6131 6141 f5"), protocol.ErrForm},
		"a null that the mask should hold":  {written(t, "01", one+"86 00 05 f6 6131 f6 f5"), protocol.ErrCanonical},
		"a text length in two bytes":        {written(t, "01", one+"86 00 05 f6 6131 780141 f5"), protocol.ErrCanonical},
		"a text of indefinite length":       {written(t, "01", one+"86 00 05 f6 6131 7f6141ff f5"), protocol.ErrCanonical},
		"a text with NUL":                   {written(t, "01", one+"86 00 05 f6 6131 6100 f5"), protocol.ErrText},
		"a text that is not UTF-8":          {written(t, "01", one+"86 00 05 f6 6131 61ff f5"), protocol.ErrText},
		"a text over the limit":             {written(t, "01", one+"86 00 05 f6 6131 7a00010001"+strings.Repeat("61", record.MaxTextBytes+1)+"f5"), protocol.ErrTooLarge},
		"bytes over the limit":              {written(t, "01", cell(5, "5a00010001"+strings.Repeat("61", record.MaxTextBytes+1))), protocol.ErrTooLarge},
		"bytes in a text field":             {written(t, "01", cell(0, "4131")), protocol.ErrForm},
		"a text in a byte field":            {written(t, "01", cell(5, "60")), protocol.ErrForm},
		"a number in a bool field":          {written(t, "01", cell(1, "01")), protocol.ErrForm},
		"undefined in a bool field":         {written(t, "01", cell(1, "f7")), protocol.ErrForm},
		"a text in a number field":          {written(t, "01", cell(3, "6131")), protocol.ErrForm},
		"a float in a number field":         {written(t, "01", cell(3, "fb3ff0000000000000")), protocol.ErrForm},
		"a tagged time in a number field":   {written(t, "01", cell(2, "c100")), protocol.ErrForm},
		"an int of 24 in two bytes too few": {written(t, "01", cell(4, "1817")), protocol.ErrCanonical},
		"an int of 255 in three bytes":      {written(t, "01", cell(4, "1900ff")), protocol.ErrCanonical},
		"an int of 65535 in five bytes":     {written(t, "01", cell(4, "1a0000ffff")), protocol.ErrCanonical},
		"an int of 32 bits in nine bytes":   {written(t, "01", cell(4, "1b00000000ffffffff")), protocol.ErrCanonical},
		"an int of a reserved length":       {written(t, "01", cell(4, "1c")), protocol.ErrCanonical},
		"a decimal over 18 digits":          {written(t, "01", cell(3, "1b0de0b6b3a7640000")), protocol.ErrRange},
		"a decimal under 18 digits":         {written(t, "01", cell(3, "3b0de0b6b3a763ffff")), protocol.ErrRange},
		"a decimal over 63 bits":            {written(t, "01", cell(3, "1bffffffffffffffff")), protocol.ErrRange},
		"a decimal bignum":                  {written(t, "01", cell(3, "c249010000000000000000")), protocol.ErrRange},
		"a date over 63 bits":               {written(t, "01", cell(2, "3bffffffffffffffff")), protocol.ErrRange},
		"a bignum of 8 bytes":               {written(t, "01", cell(4, "c248ffffffffffffffff")), protocol.ErrCanonical},
		"a bignum with a leading zero":      {written(t, "01", cell(4, "c24a00010000000000000000")), protocol.ErrCanonical},
		"a bignum of 33 bytes":              {written(t, "01", cell(4, "c25821"+strings.Repeat("ff", 33))), protocol.ErrRange},
		"a bignum that grows to 33 bytes":   {written(t, "01", cell(4, "c35820"+strings.Repeat("ff", 32))), protocol.ErrRange},
		"a bignum that is no byte string":   {written(t, "01", cell(4, "c201")), protocol.ErrShape},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := decode(tt.in, known(t)); !errors.Is(err, tt.want) {
				t.Errorf("decode = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestBatchOverItsBytes(t *testing.T) {
	s := partOfEmployee(t)
	long := "86 00 05 f6 6131 79fff0" + strings.Repeat("61", 0xfff0) + "f5"
	b := written(t, "11", sectionOf(s, "11")+strings.Repeat(long, 17))
	if _, err := decode(b, known(t)); !errors.Is(err, protocol.ErrTooLarge) {
		t.Errorf("17 rows of 64 KiB: %v, want ErrTooLarge", err)
	}
	b = append(b, make([]byte, protocol.MaxRowBytes)...)
	if _, err := protocol.NewDecoder(b, known(t)); !errors.Is(err, protocol.ErrTooLarge) {
		t.Errorf("%d bytes: %v, want ErrTooLarge", len(b), err)
	}
}

func TestDecoderErrorNamesItsPlace(t *testing.T) {
	s := partOfEmployee(t)
	good := "86 00 05 f6 6131 6141 f5"
	b := written(t, "02", sectionOf(s, "02")+good+"86 00 05 f6 6131 62c328 f5")
	_, err := decode(b, known(t))
	want := &protocol.RowError{Kind: "employee", Row: 1, Field: "name", Err: protocol.ErrText}
	var got *protocol.RowError
	if !errors.As(err, &got) || *got != *want {
		t.Errorf("error is %v, want %v", err, want)
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	for name, v := range goldenBatches(t) {
		b := encode(t, v.batch)
		for n := range b {
			if _, err := decode(b[:n], known(t)); err == nil {
				t.Errorf("%s: the first %d of %d bytes are read as a batch", name, n, len(b))
			}
		}
	}
}

// TestEveryFlippedBit is the exhaustive part of the differential test: a batch with one bit changed is either
// refused with a named error or read as the reference reads it.
func TestEveryFlippedBit(t *testing.T) {
	ref, schemas := newReference(t), known(t)
	for name, v := range goldenBatches(t) {
		t.Run(name, func(t *testing.T) {
			b := encode(t, v.batch)
			for i := range 8 * len(b) {
				b[i/8] ^= 1 << (i % 8)
				hold(t, ref, b, schemas)
				b[i/8] ^= 1 << (i % 8)
			}
		})
	}
}

func TestSectionMustBeReadToItsEnd(t *testing.T) {
	s := protocoltest.Schema(t, "payslip_line")
	b := protocoltest.Batch(t, protocoltest.Header(1), s, protocoltest.PayslipLines(3, 1))
	d, err := protocol.NewDecoder(b, known(t))
	if err != nil {
		t.Fatal(err)
	}
	var r protocol.DecodedRow
	if err := d.Row(&r); !errors.Is(err, io.EOF) {
		t.Errorf("a row before the first section: %v, want io.EOF", err)
	}
	if _, n, err := d.NextSection(); n != 3 || err != nil {
		t.Fatalf("NextSection = %d rows, %v", n, err)
	}
	if err := d.Row(&r); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.NextSection(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("NextSection after one of three rows: %v, want an error", err)
	}
}

func TestRowsOutliveTheInput(t *testing.T) {
	s, rows := protocoltest.Schema(t, "payslip_line"), protocoltest.PayslipLines(2, 1)
	b := protocoltest.Batch(t, protocoltest.Header(1), s, rows)
	d, err := protocol.NewDecoder(b, known(t))
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if _, _, err := d.NextSection(); err != nil {
		t.Fatal(err)
	}
	var r protocol.DecodedRow
	if err := d.Row(&r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows[0], r.Row); diff != "" {
		t.Errorf("row after the input was overwritten (-want +got):\n%s", diff)
	}
}

func TestLyingLengthsCostNoMemory(t *testing.T) {
	s := partOfEmployee(t)
	lies := map[string][]byte{
		"header list": unhex(t, "01 8f 00"+headTail+"9b 7fffffffffffffff"),
		"row array":   written(t, "01", sectionOf(s, "01")+"9b 7fffffffffffffff"),
		"text":        written(t, "01", sectionOf(s, "01")+"86 00 05 f6 7b 7fffffffffffffff"),
		"rows":        written(t, "191388", sectionOf(s, "191388")+"86 00 05 f6 6131"),
	}
	for name, b := range lies {
		t.Run(name, func(t *testing.T) {
			if got := bytesAllocated(func() { _, _ = decode(b, known(t)) }) - bytesAllocated(func() { known(t) }); got > 64<<10 {
				t.Errorf("%d bytes of input made the decoder allocate %d", len(b), got)
			}
		})
	}
}

// bytesAllocated returns what f allocates, in bytes.
func bytesAllocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

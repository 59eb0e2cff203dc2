package protocol_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
)

var update = flag.Bool("update", false, "write the golden vectors in testdata instead of comparing with them")

// goldenBatch is a batch that every implementation must write and read alike.
type goldenBatch struct {
	about string
	batch decoded
}

func goldenBatches(tb testing.TB) map[string]goldenBatch {
	tb.Helper()
	employee, line, all := partOfEmployee(tb), protocoltest.Schema(tb, "payslip_line"), wide(tb)
	cut := protocoltest.Header(3, "employee", "payslip_line")
	cut.Deletes = []protocol.KindCount{{Kind: "payslip_line", Count: 2}}
	cut.Begin = []protocol.Begin{{Kind: "shift", Snapshot: protocol.NewSnapshotID(cut.Gen, 0), Epoch: "1"}}
	cut.End = []protocol.End{{Kind: "balance", Snapshot: protocol.NewSnapshotID(cut.Gen, 1)}}
	chunk := protocoltest.Header(4)
	chunk.Last = false
	chunk.Chunk = &protocol.Chunk{Kind: "employee", Snapshot: 1 << 40, LastKey: []byte("10002"), Rereads: []int64{17}}
	gone := protocol.Row{Op: protocol.Delete, Version: 90, Values: make([]protocol.Value, len(line.Fields))}
	gone.Values[0], gone.Values[1] = protocol.TextValue("L202401-000001"), protocol.IntValue(3)
	gone2 := gone
	gone2.Values = slices.Clone(gone.Values)
	gone2.Values[1] = protocol.IntValue(4)

	keep := protocol.Row{Op: protocol.Keep, Version: 100, Values: make([]protocol.Value, len(employee.Fields))}
	keep.Values[0] = protocol.TextValue("10003")

	var ints, bigs []protocol.Row
	for _, n := range []int64{0, 23, 24, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64,
		-1, -24, -25, -256, -257, math.MinInt64} {
		ints = append(ints, wideRow(4, protocol.IntValue(n)))
	}
	for _, n := range []string{"9223372036854775808", "18446744073709551615", "18446744073709551616",
		"-9223372036854775809", "-18446744073709551616", "-18446744073709551617",
		"99999999999999999999999999999999999999", "-99999999999999999999999999999999999999"} {
		v, _ := new(big.Int).SetString(n, 10)
		bigs = append(bigs, wideRow(4, bigValue(v)))
	}
	return map[string]goldenBatch{
		"empty-cut": {"A cut without rows. It moves the position, begins one snapshot and ends another.",
			build(cut)},
		"cut": {"A cut of four sections: an upsert with all cells, payslip lines with absent cells, and deletes that carry key cells only.",
			build(cut, part(employee, employeeRow("10001", "Åse Østergård", true)),
				part(line, protocoltest.PayslipLines(3, 1)...), part(employee, employeeRow("10002", "Bo", false)),
				part(line, gone, gone2))},
		"chunk": {"A chunk of a snapshot that also answers a reread.",
			build(chunk, part(employee, employeeRow("10002", "Bo", false)))},
		"keep": {"A chunk in which one row could not be read: a keep carries key cells only.",
			build(chunk, part(employee, employeeRow("10002", "Bo", false), keep))},
		"types": {"One row with a cell of every type, and one with all but the key absent; the key fields do not stand side by side.",
			build(protocoltest.Header(1), part(all, wideRow(6, protocol.TextValue("0f3c")), protocol.Row{Version: -1, Values: []protocol.Value{
				protocol.TextValue("10001"), {}, protocol.IntValue(-1), {}, {}, {}, {}, {}, {}}}))},
		"integers": {"Integers at each change of length.", build(protocoltest.Header(1), part(all, ints...))},
		"bignums": {"Integers outside 64 bits with sign. Up to 2^64-1 and down to -2^64 they are plain integers, beyond that tag 2 or 3.",
			build(protocoltest.Header(1), part(all, bigs...))},
	}
}

func part(s *protocol.SectionSchema, rows ...protocol.Row) decodedSection {
	section := decodedSection{Schema: s}
	for _, r := range rows {
		section.Rows = append(section.Rows, protocol.DecodedRow{Row: r})
	}
	return section
}

func build(h protocol.Header, sections ...decodedSection) decoded {
	return decoded{Header: h, Sections: sections}
}

// vector is a file of testdata/encoding. Cells are spelled "form content".
type vector struct {
	About    string          `json:"about"`
	Header   protocol.Header `json:"header"`
	Sections []vectorSection `json:"sections"`
	Hex      string          `json:"hex"`
}

type vectorSection struct {
	Schema     protocol.Schema `json:"schema"`
	SchemaHash string          `json:"schema_hash"`
	Rows       []vectorRow     `json:"rows"`
}

type vectorRow struct {
	Op      protocol.Op       `json:"op"`
	Version protocol.Position `json:"version"`
	Cells   []string          `json:"cells"`
	KeyHash string            `json:"key_hash"`
	RowHash string            `json:"row_hash"`
}

func TestGoldenBatches(t *testing.T) {
	dir := filepath.Join("testdata", "encoding")
	golden := goldenBatches(t)
	for name, v := range golden {
		t.Run(name, func(t *testing.T) {
			b := encode(t, v.batch)
			d, err := decode(b, known(t))
			if err != nil {
				t.Fatal(err)
			}
			newReference(t).mustAgree(t, b, d)
			got, err := json.MarshalIndent(describe(v.about, d, b), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join(dir, name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-file +now):\n%s", file, diff)
			}
			if diff := cmp.Diff(without(d), v.batch, cmp.Comparer(sameSchema)); diff != "" {
				t.Errorf("read back (-got +want):\n%s", diff)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".json")
	}
	if want := slices.Sorted(maps.Keys(golden)); !slices.Equal(files, want) {
		t.Errorf("%s holds %v, the vectors are %v", dir, files, want)
	}
}

func sameSchema(a, b *protocol.SectionSchema) bool { return a.Hash() == b.Hash() }

// without returns the batch without the hashes that decoding added.
func without(d decoded) decoded {
	for _, s := range d.Sections {
		for i := range s.Rows {
			s.Rows[i].KeyHash, s.Rows[i].RowHash = 0, 0
		}
	}
	return d
}

func describe(about string, d decoded, b []byte) vector {
	v := vector{About: about, Header: d.Header, Hex: hex.EncodeToString(b)}
	for _, s := range d.Sections {
		section := vectorSection{Schema: s.Schema.Schema, SchemaHash: s.Schema.Hash().String()}
		for _, r := range s.Rows {
			row := vectorRow{Op: r.Op, Version: r.Version, KeyHash: fmt.Sprintf("%016x", r.KeyHash), RowHash: fmt.Sprintf("%016x", r.RowHash)}
			for _, cell := range r.Values {
				row.Cells = append(row.Cells, spell(cell))
			}
			section.Rows = append(section.Rows, row)
		}
		v.Sections = append(v.Sections, section)
	}
	return v
}

func spell(v protocol.Value) string {
	switch v.Kind {
	case protocol.Bool:
		return fmt.Sprintf("bool %t", v.N == 1)
	case protocol.Int:
		return fmt.Sprintf("int %d", v.N)
	case protocol.Text:
		return "text " + v.S
	case protocol.Bytes:
		return "bytes " + hex.EncodeToString([]byte(v.S))
	case protocol.Big:
		n := new(big.Int).SetBytes([]byte(v.S))
		return "int " + n.Mul(n, big.NewInt(v.N)).String()
	case protocol.Null:
	}
	return "null"
}

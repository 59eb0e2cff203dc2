package writer_test

import (
	"testing"

	"lessor.dk/portalsync/protocol"
)

// What only an agent that has lost its way would send changes nothing that the rules do not allow.
func TestSnapshotRules(t *testing.T) {
	hold(t, map[string]func(t *testing.T, b *bench){
		"a chunk of a snapshot that has ended is ignored": func(t *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 1))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 1, LastKey: []byte("m")}, department("1", "Salg"))
			b.cut(nil, end("department", 1))
			b.is("department", "sweeping")
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 1, LastKey: []byte("n")}, department("2", "for sent"))
			b.departments("1=Salg")
			if _, kinds := b.state(); kinds["department"].LastKey != nil {
				t.Errorf("cursor is %q of a snapshot that has ended", kinds["department"].LastKey)
			}
		},
		"a chunk brings rows of its own kind only": func(_ *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 1))
			b.cut(nil, begin("employee", 1), covers("department"))
			b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 1}, department("1", "fremmed"), employee("1", "12345678"))
			b.departments("")
			b.tenantRows("employee", 1)
		},
		"a chunk of another snapshot moves no cursor": func(t *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 2))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 2, LastKey: []byte("b")}, department("1", "Salg"))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 1, LastKey: []byte("m")})
			if _, kinds := b.state(); string(kinds["department"].LastKey) != "b" {
				t.Errorf("cursor is %q, want b", kinds["department"].LastKey)
			}
		},
		"a snapshot that begins anew begins at the start": func(t *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 1))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 1, LastKey: []byte("m")}, department("1", "Salg"))
			b.cut(nil, begin("department", 2))
			if _, kinds := b.state(); kinds["department"].LastKey != nil {
				t.Errorf("cursor is %q, want none", kinds["department"].LastKey)
			}
		},
		"an end of a kind that is not running is ignored": func(_ *testing.T, b *bench) {
			b.first()
			b.loaded("department", 1, department("1", "Salg"))
			b.cut(nil, end("department", 0))
			b.settle()
			b.is("department", "ok")
			b.departments("1=Salg")
		},
		"an end in a cut that does not cover its kind leaves a hole": func(_ *testing.T, b *bench) {
			b.first()
			b.cut(nil, begin("department", 1))
			b.cut(nil, end("department", 1), covers("employee"))
			b.is("department", "needed")
		},
	})
}

package writer_test

import (
	"slices"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// blanks are n employees without the telephone numbers that thirty gave them.
func blanks(n int) []row { return many(n, func(no string) row { return employee(no, "") }) }

func half(h *protocol.Header) { h.Last = false }

func noEmployee(no string) row {
	return row{"employee", protocol.Delete, map[string]protocol.Value{"employee_no": protocol.TextValue(no)}}
}

// read reads all employees in full, up to the end of the sweep or to where it waits.
func (b *bench) read(id protocol.SnapshotID, chunks ...[]row) {
	b.t.Helper()
	b.cut(nil, begin("employee", id))
	for _, rows := range chunks {
		b.chunk(protocol.Chunk{Kind: "employee", Snapshot: id}, rows...)
	}
	b.cut(nil, end("employee", id))
	b.settle()
}

func (b *bench) release(kind string) {
	b.t.Helper()
	b.must(b.store.ReleaseKind(b.t.Context(), b.agent.Tenant, b.agent.Stream, kind))
}

// kept checks what operations are told about the employees: why they wait and how many rows are kept.
func (b *bench) kept(code store.CauseCode, rows int64) {
	b.t.Helper()
	kinds, err := b.store.FleetKinds(b.t.Context(), b.agent.Tenant, b.agent.Stream)
	b.must(err)
	i := slices.IndexFunc(kinds, func(k store.FleetKind) bool { return k.Kind == "employee" })
	if k := kinds[i]; k.Kept != rows || k.Cause.Code != code {
		b.t.Errorf("employees: %d rows kept because of %q, want %d because of %q", k.Kept, k.Cause.Code, rows, code)
	} else if k.Hold == store.HoldBlanks && k.Cause.Sweep != 0 {
		b.t.Errorf("a release is said to delete %d rows: it deletes none", k.Cause.Sweep)
	}
}

// A field that the portal shows is not emptied beyond the limit without a person, by whatever way it comes.
func TestBlanks(t *testing.T) {
	everywhere(t, func(t *testing.T, first *bench) {
		filled := func(n int) []row { return many(n, func(no string) row { return employee(no, "12345678") }) }
		stopped := func(b *bench) {
			b.thirty()
			b.cut(blanks(30))
			b.is("employee", "needed held")
			b.kept(store.CauseEmpties, 0)
		}
		rules := map[string]func(t *testing.T, b *bench){
			"what a cut may not empty, reading it anew does not empty either": func(_ *testing.T, b *bench) {
				stopped(b)
				b.read(3, blanks(30))
				b.is("employee", "sweeping held")
				b.blank(0)
				b.tenantRows("employee", 30)
				b.kept(store.CauseEmpties, 30)
			},
			"nor after a cut of several batches": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(blanks(15), half)
				b.cut(blanks(30)[15:])
				b.is("employee", "needed held")
				b.read(3, blanks(30)[:10], blanks(30)[10:])
				b.blank(15) // of the first batch, which was within the limit
				b.kept(store.CauseEmpties, 15)
			},
			"while it waits new rows come, changed ones change, and what is filled again is written": func(_ *testing.T, b *bench) {
				stopped(b)
				rows := append(blanks(28), employee("0028", "11111111"), employee("0029", ""), employee("0030", ""))
				b.read(3, rows)
				b.blank(1) // the new one has no number
				b.kept(store.CauseEmpties, 29)
				b.cut([]row{employee("0000", "22222222"), employee("0001", ""), employee("0031", "")})
				b.blank(2)
				b.query(1, "SELECT COUNT(*) FROM rec_employee WHERE tenant_id = $1 AND phone = '22222222'", "rows filled by a cut")
				b.query(1, "SELECT COUNT(*) FROM rec_employee WHERE tenant_id = $1 AND phone = '11111111'", "rows filled by a chunk")
				b.is("employee", "sweeping held")
			},
			"a cut that empties many rows of a kind that waits does not stop it again": func(_ *testing.T, b *bench) {
				stopped(b)
				b.read(3, filled(30))
				b.cut(blanks(30))
				b.is("employee", "sweeping held")
				b.blank(0)
				b.kept(store.CauseEmpties, 30)
			},
			"a cut while the kind is read empties nothing either": func(_ *testing.T, b *bench) {
				stopped(b)
				b.cut(nil, begin("employee", 3))
				b.cut(blanks(30))
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 3}, blanks(30)...)
				b.is("employee", "running held")
				b.blank(0)
			},
			"a snapshot that begins anew, and a writer that died, keep what waits": func(_ *testing.T, b *bench) {
				stopped(b)
				b.cut(nil, begin("employee", 3))
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 3}, blanks(15)...)
				b.restart()
				b.cut(nil, func(h *protocol.Header) { h.Covers = []string{"department"} }) // a hole
				b.is("employee", "needed held")
				b.read(4, blanks(30))
				b.is("employee", "sweeping held")
				b.blank(0)
				b.kept(store.CauseEmpties, 30)
			},
			"rows that are kept are not swept, and rows that are gone are when it was released": func(_ *testing.T, b *bench) {
				stopped(b)
				b.read(3, blanks(25))
				b.tenantRows("employee", 30)
				b.kept(store.CauseEmpties, 25)
				b.release("employee")
				b.is("employee", "needed")
				b.read(4, blanks(25))
				b.is("employee", "ok")
				b.tenantRows("employee", 25)
			},
			"a release has it read again, and the same emptied fields are let pass": func(_ *testing.T, b *bench) {
				stopped(b)
				b.read(3, blanks(30))
				b.release("employee")
				b.is("employee", "needed")
				b.kept("", 0)
				b.read(4, blanks(15), blanks(30)[15:])
				b.is("employee", "ok")
				b.blank(30)
			},
			"a release before it was read anew counts too": func(_ *testing.T, b *bench) {
				stopped(b)
				b.release("employee")
				b.is("employee", "needed")
				b.read(3, blanks(30))
				b.is("employee", "ok")
				b.blank(30)
			},
			"a release in the middle of reading begins anew": func(_ *testing.T, b *bench) {
				stopped(b)
				b.cut(nil, begin("employee", 3))
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 3}, blanks(15)...)
				b.release("employee")
				b.is("employee", "needed")
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 3}, blanks(30)...)
				b.blank(0)
				b.cut(nil, begin("employee", 4))
				b.cut(blanks(5))
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 4}, blanks(30)...)
				b.cut(nil, end("employee", 4))
				b.settle()
				b.is("employee", "ok")
				b.blank(30)
			},
			"what was let pass is over with the snapshot": func(_ *testing.T, b *bench) {
				stopped(b)
				b.release("employee")
				b.read(3, blanks(30))
				b.cut(filled(30))
				b.cut(blanks(30))
				b.is("employee", "needed held")
				b.blank(0)
				b.read(4, blanks(30))
				b.blank(0)
			},
			"a release lets no deletes pass": func(_ *testing.T, b *bench) {
				stopped(b)
				b.release("employee")
				b.read(3, blanks(5))
				b.is("employee", "sweeping held")
				b.tenantRows("employee", 30)
				b.kept(store.CauseGone, 0)
			},
			"a refused kind is suspended, and guarded anew when it is released": func(_ *testing.T, b *bench) {
				stopped(b)
				b.must(b.store.SuspendKind(b.t.Context(), b.agent.Tenant, b.agent.Stream, "employee", store.Cause{Code: store.CauseEmpties, Rows: 30, Refused: true}))
				b.cut(blanks(30))
				b.is("employee", "suspended")
				b.release("employee")
				b.is("employee", "needed")
				b.read(3, blanks(30))
				b.is("employee", "sweeping held")
				b.blank(0)
			},
			"deletes beyond the limit do not make it forget the blanks": func(_ *testing.T, b *bench) {
				stopped(b)
				b.read(3, blanks(30))
				b.cut(append(many(21, noEmployee), department("0000", "ny")), deletes("employee", 21))
				b.is("employee", "needed held")
				b.kept(store.CauseEmpties, 0)
				b.read(4, blanks(30)[21:])
				b.tenantRows("employee", 30)
				b.blank(0)
			},
			"a kind that waits for its deletes is guarded too": func(_ *testing.T, b *bench) {
				b.thirty()
				b.read(3)
				b.is("employee", "sweeping held")
				b.cut(blanks(21))
				b.read(4, blanks(30))
				b.blank(0)
				b.kept(store.CauseEmpties, 30)
			},
			"a snapshot that empties a column is held, and goes on": func(_ *testing.T, b *bench) {
				b.thirty()
				b.read(3, append(blanks(30), employee("0030", "")))
				b.is("employee", "sweeping held")
				b.blank(1)
				b.tenantRows("employee", 31)
				b.kept(store.CauseLostFields, 30)
				b.release("employee")
				b.read(4, append(blanks(30), employee("0030", "")))
				b.is("employee", "ok")
				b.blank(31)
			},
			"a snapshot is counted over its chunks and cuts, and a resumed one goes on counting": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(nil, begin("employee", 3))
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 3}, blanks(10)...)
				b.cut(blanks(20)[10:])
				b.is("employee", "running")
				b.blank(20)
				b.restart()
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 3}, blanks(30)[20:]...)
				b.is("employee", "running held")
				b.blank(20)
				b.kept(store.CauseLostFields, 10)
			},
			"a cut that goes over the limit and ends the snapshot leaves it held": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(nil, begin("employee", 3))
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 3}, blanks(30)[:20]...)
				b.cut(blanks(30)[20:], end("employee", 3))
				b.is("employee", "sweeping held")
				b.blank(20)
				b.kept(store.CauseLostFields, 10)
			},
			"a snapshot that empties few rows is applied, and the next counts from the beginning": func(_ *testing.T, b *bench) {
				b.thirty()
				b.read(3, append(blanks(15), filled(30)[15:]...))
				b.is("employee", "ok")
				b.blank(15)
				b.read(4, blanks(30))
				b.is("employee", "ok")
				b.blank(30)
			},
			"a first load that has nothing to empty is not held": func(_ *testing.T, b *bench) {
				b.first()
				b.read(3, many(300, func(no string) row { return employee(no, "") }))
				b.is("employee", "ok")
				b.blank(300)
			},
			"a plan that no longer names a column empties nothing by itself": func(_ *testing.T, b *bench) {
				b.thirty()
				for i, s := range b.schemas {
					if s.Kind == "employee" {
						less := protocol.Schema{Kind: s.Kind, Fields: slices.Clone(s.Schema.Fields)}
						less.Fields = slices.DeleteFunc(less.Fields, func(f protocol.SchemaField) bool { return f.Name == "phone" })
						b.schemas[i] = protocol.PrepareSchema(less)
					}
				}
				b.open()
				b.read(3, blanks(30))
				b.is("employee", "sweeping held")
				b.blank(0)
				b.kept(store.CauseLostFields, 30)
			},
			"a long chunk that replaces its range keeps what it would empty": func(_ *testing.T, b *bench) {
				b.first()
				b.loaded("employee", 1, many(100, func(no string) row { return employee(no, "12345678") })...)
				b.read(3, many(100, func(no string) row { return employee(no, "") }))
				b.is("employee", "sweeping held")
				b.blank(0)
				b.kept(store.CauseLostFields, 100)
				b.release("employee")
				b.read(4, many(100, func(no string) row { return employee(no, "") }))
				b.blank(100)
			},
		}
		n := 0
		for name, rule := range rules {
			t.Run(name, func(t *testing.T) {
				b := *first
				b.t = t
				b.enrol("blanks " + string(rune('a'+n)))
				n++
				rule(t, &b)
			})
		}
	})
}

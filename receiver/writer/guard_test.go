package writer_test

import (
	"context"
	"errors"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/writer"
)

// thirty loads 30 departments and 30 employees with telephone numbers.
func (b *bench) thirty() {
	b.t.Helper()
	b.first()
	b.loaded("department", 1, many(30, func(no string) row { return department(no, "A") })...)
	b.loaded("employee", 2, many(30, func(no string) row { return employee(no, "12345678") })...)
}

func TestGuard(t *testing.T) {
	everywhere(t, func(t *testing.T, first *bench) {
		rules := map[string]func(t *testing.T, b *bench){
			"a cut that deletes too much leaves its kind as it is, and the others go on": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(append(many(21, noDepartment), employee("0000", "87654321")), deletes("department", 21))
				b.tenantRows("department", 30)
				b.is("department", "needed held")
				if got, want := b.rows("employee", "employee_no", "phone")[:13], "0000=87654321"; got != want {
					b.t.Errorf("employees begin %q, want %q", got, want)
				}
			},
			"the guard judges the whole cut before its first batch": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut([]row{department("9999", "ny")}, deletes("department", 21), func(h *protocol.Header) { h.Last = false })
				b.tenantRows("department", 30)
				b.is("department", "needed")
				b.restart() // a last batch judged by itself deletes no more
				b.cut(many(21, noDepartment), deletes("department", 21))
				b.tenantRows("department", 30)
				b.is("department", "needed")
			},
			"what a cut of several batches may delete is read anew, and judged by its sweep": func(_ *testing.T, b *bench) {
				b.thirty()
				part := func(h *protocol.Header) { h.Last = false }
				b.cut(nil, deletes("department", 500), part)
				b.cut(many(21, noDepartment), deletes("department", 500))
				b.loaded("department", 3, many(10, func(no string) row { return department(no, "B") })...)
				b.tenantRows("department", 10)
				b.loaded("department", 4, many(40, func(no string) row { return department(no, "B") })...)
				b.cut(nil, deletes("department", 500), part)
				b.cut(many(21, noDepartment), deletes("department", 500))
				b.cut(nil, begin("department", 5))
				b.chunk(protocol.Chunk{Kind: "department", Snapshot: 5}, many(19, func(no string) row { return department(no, "B") })...)
				b.cut(nil, end("department", 5))
				b.settle()
				b.is("department", "sweeping held")
				b.tenantRows("department", 40)
			},
			"a cut of several batches that is within the limit by its bound deletes": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(many(10, noDepartment), deletes("department", 20), func(h *protocol.Header) { h.Last = false })
				b.tenantRows("department", 20)
				b.restart()
				b.cut(many(20, noDepartment)[10:], deletes("department", 20))
				b.tenantRows("department", 10)
				b.is("department", "ok")
			},
			"deletes of rows that the portal never had do not count": func(_ *testing.T, b *bench) {
				b.thirty()
				rows := append(many(20, noDepartment), employee("0000", "87654321"))
				rows = append(rows, many(400, func(no string) row { return noDepartment("x" + no) })...)
				b.cut(rows, deletes("department", 420))
				b.tenantRows("department", 10)
				b.is("department", "ok")
			},
			"deletes of rows that the portal has count in all sections of the batch": func(_ *testing.T, b *bench) {
				b.thirty()
				rows := append(many(15, noDepartment), employee("0000", "87654321"))
				rows = append(rows, many(30, noDepartment)[15:21]...)
				rows = append(rows, many(400, func(no string) row { return noDepartment("x" + no) })...)
				b.cut(rows, deletes("department", 421))
				b.tenantRows("department", 30)
				b.is("department", "needed held")
				b.query(1, `SELECT COUNT(*) FROM stream_kind WHERE tenant_id = $1 AND cause = '{"code":"deletes","rows":21}'`, "causes with the count")
			},
			"what the guard stopped is read anew, and its sweep waits for a person": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(many(21, noDepartment), deletes("department", 21))
				b.cut(nil, begin("department", 3))
				b.is("department", "running held")
				b.chunk(protocol.Chunk{Kind: "department", Snapshot: 3}, many(30, func(no string) row { return department(no, "B") })[21:]...)
				b.cut(nil, end("department", 3))
				b.settle()
				b.is("department", "sweeping held")
				b.query(1, `SELECT COUNT(*) FROM stream_kind WHERE tenant_id = $1 AND cause = '{"code":"deletes","rows":21,"sweep":21}'`, "causes with what a release deletes")
				b.tenantRows("department", 30)
				b.must(b.store.ReleaseKind(b.t.Context(), b.agent.Tenant, b.agent.Stream, "department"))
				b.settle()
				b.is("department", "ok")
				b.tenantRows("department", 9)
			},
			"a cut within the limit deletes": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(many(20, noDepartment), deletes("department", 20))
				b.tenantRows("department", 10)
				b.is("department", "ok")
			},
			"more than twenty rows but less than a tenth are deleted": func(_ *testing.T, b *bench) {
				b.first()
				b.loaded("department", 1, many(300, func(no string) row { return department(no, "A") })...)
				b.cut(many(30, noDepartment), deletes("department", 30))
				b.tenantRows("department", 270)
			},
			"a cut that empties a field of too many rows leaves its kind as it is": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(append(many(21, func(no string) row { return employee(no, "") }), department("0000", "ny")))
				b.is("employee", "needed held")
				b.is("department", "ok")
				b.blank(0)
			},
			"a cut that empties few rows is applied": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(many(20, func(no string) row { return employee(no, "") }))
				b.is("employee", "ok")
				b.blank(20)
			},
			"rows emptied batch by batch are added up over their cut": func(_ *testing.T, b *bench) {
				b.thirty()
				all := many(30, func(no string) row { return employee(no, "") })
				b.cut(all[:15], func(h *protocol.Header) { h.Last = false })
				b.cut(all[15:])
				b.is("employee", "needed held")
				b.blank(15)
			},
			"rows emptied batch by batch are added up although the writer died in between": func(_ *testing.T, b *bench) {
				b.thirty()
				all := many(30, func(no string) row { return employee(no, "") })
				b.cut(all[:15], func(h *protocol.Header) { h.Last = false })
				b.restart()
				b.cut(all[15:])
				b.is("employee", "needed held")
				b.blank(15)
			},
			"a cut that was within the limit goes on after its writer died": func(_ *testing.T, b *bench) {
				b.first()
				b.loaded("department", 1, many(250, func(no string) row { return department(no, "A") })...)
				gone, part := many(25, noDepartment), func(h *protocol.Header) { h.Last = false }
				b.cut(gone[:10], deletes("department", 25), part)
				b.restart()
				b.cut(gone[10:15], deletes("department", 25), part)
				b.cut(gone[15:], deletes("department", 25))
				b.is("department", "ok")
				b.tenantRows("department", 225)
			},
			"what a cut emptied is not added to the next cut, nor to that of another generation": func(_ *testing.T, b *bench) {
				b.thirty()
				all, part := many(30, func(no string) row { return employee(no, "") }), func(h *protocol.Header) { h.Last = false }
				b.cut(all[:5], part)
				b.cut(all[5:15])
				b.cut(all[15:25], part)
				b.open()
				b.cut(append(many(15, func(no string) row { return employee(no, "87654321") }), all[25:]...))
				b.is("employee", "ok")
				b.cut(many(30, func(no string) row { return employee(no, "87654321") }))
				b.cut(all[:15], part)
				b.open()
				b.cut(all[15:25])
				b.is("employee", "ok")
				b.blank(25)
			},
			"a sweep that follows a stop waits for a person, though it deletes nothing": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(many(21, func(no string) row { return employee(no, "") }))
				b.cut(nil, begin("employee", 3))
				b.chunk(protocol.Chunk{Kind: "employee", Snapshot: 3}, many(30, func(no string) row { return employee(no, "12345678") })...)
				b.cut(nil, end("employee", 3))
				b.settle()
				b.is("employee", "sweeping held")
			},
			"a kind that is being swept is guarded too": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(nil, begin("department", 3))
				b.chunk(protocol.Chunk{Kind: "department", Snapshot: 3}, many(30, func(no string) row { return department(no, "A") })...)
				b.cut(nil, end("department", 3))
				b.is("department", "sweeping")
				b.cut(many(21, noDepartment), deletes("department", 21))
				b.is("department", "needed held")
				b.tenantRows("department", 30)
			},
			"rows that had nothing to empty are applied": func(_ *testing.T, b *bench) {
				b.first()
				b.loaded("employee", 1, many(30, func(no string) row { return employee(no, "") })...)
				rows := many(30, func(no string) row { return employee(no, "") })
				for i := range rows {
					rows[i].cells["name"] = protocol.TextValue("Nyt navn")
				}
				b.cut(rows)
				b.is("employee", "ok")
			},
			"a snapshot that would sweep too much is held: a truncated table does not empty the portal": func(_ *testing.T, b *bench) {
				b.thirty()
				b.cut(nil, begin("employee", 3))
				b.cut(nil, end("employee", 3))
				b.settle()
				b.is("employee", "sweeping held")
				b.tenantRows("employee", 30)
			},
			"a try that failed does not blind the guard": func(_ *testing.T, b *bench) {
				b.thirty()
				b.writer = b.newWriter(&failingStore{Store: b.store, left: 2}, b.queue, writer.Config{})
				b.send(b.header(deletes("department", 21)), many(21, noDepartment))
				for range 3 {
					_, _ = b.writer.Step(b.t.Context())
				}
				b.is("department", "needed held")
				b.tenantRows("department", 30)
			},
		}
		n := 0
		for name, rule := range rules {
			t.Run(name, func(t *testing.T) {
				b := *first
				b.t = t
				b.enrol("tenant " + string(rune('a'+n)))
				n++
				rule(t, &b)
			})
		}
	})
}

// tenantRows checks how many rows of a kind the tenant has.
func (b *bench) tenantRows(kind string, want int) {
	b.t.Helper()
	b.query(want, "SELECT COUNT(*) FROM rec_"+kind+" WHERE tenant_id = $1", "rows of "+kind)
}

// blank checks how many employees have no telephone number.
func (b *bench) blank(want int) {
	b.t.Helper()
	b.query(want, "SELECT COUNT(*) FROM rec_employee WHERE tenant_id = $1 AND phone IS NULL", "employees without telephone")
}

func (b *bench) query(want int, query, what string) {
	b.t.Helper()
	var n int
	b.must(b.db.QueryRowContext(b.t.Context(), query, b.agent.Tenant).Scan(&n))
	if n != want {
		b.t.Errorf("%d %s, want %d", n, what, want)
	}
}

// failingStore rolls back the first transactions that would have been committed.
type failingStore struct {
	*store.Store
	left int
}

func (f *failingStore) InShard(ctx context.Context, by store.Fence, tenant protocol.TenantID, stream protocol.StreamID, do func(*store.StreamTx) error) error {
	return f.Store.InShard(ctx, by, tenant, stream, func(tx *store.StreamTx) error {
		if err := do(tx); err != nil || f.left == 0 {
			return err
		}
		f.left--
		return errors.New("the disk is full")
	})
}

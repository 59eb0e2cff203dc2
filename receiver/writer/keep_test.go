package writer_test

import (
	"testing"

	"lessor.dk/portalsync/protocol"
)

func keepDepartment(no string) row {
	r := noDepartment(no)
	r.op = protocol.Keep
	return r
}

// N1: a row that the main system always held and the portal once showed never vanishes.
func TestRowsThatCannotBeReadKeepTheirLastGoodState(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		b.first()
		b.loaded("department", 1, department("1", "Salg"), department("2", "Lager"), department("3", "IT"))
		t.Run("a keep saves the row from the sweep, and writes nothing", func(t *testing.T) {
			b.t = t
			var before int
			rows := "SELECT rows_applied FROM stream WHERE tenant_id = $1"
			b.must(b.db.QueryRowContext(t.Context(), rows, b.agent.Tenant).Scan(&before))
			b.loaded("department", 2, department("1", "Salg"), keepDepartment("2"), keepDepartment("9"))
			b.departments("1=Salg 2=Lager")
			b.letters(0)
			b.query(before+1, rows, "rows counted")
		})
		t.Run("a chunk of nothing else is applied", func(t *testing.T) {
			b.t = t
			b.loaded("department", 3, keepDepartment("1"), keepDepartment("2"))
			b.departments("1=Salg 2=Lager")
		})
		t.Run("a keep of another snapshot than the running one is ignored", func(t *testing.T) {
			b.t = t
			b.cut(nil, begin("department", 5))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 4}, keepDepartment("1"))
			b.chunk(protocol.Chunk{Kind: "department", Snapshot: 5}, department("2", "Lager"))
			b.cut(nil, end("department", 5))
			b.settle()
			b.departments("2=Lager")
		})
		t.Run("a keep beside a row that the database refuses is kept", func(t *testing.T) {
			b.t = t
			b.refuse()
			b.loaded("department", 6, department("4", "FORBUDT"), keepDepartment("2"))
			b.departments("2=Lager")
			b.letters(1)
		})
	})
}

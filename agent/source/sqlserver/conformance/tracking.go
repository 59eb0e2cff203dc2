package conformance

import (
	"context"
	"fmt"
	"sync"

	"lessor.dk/portalsync/protocol"
)

// trackingChecks are what this program rests on of change tracking, asked of the server itself.
func trackingChecks() []Check {
	return []Check{
		{"change-tracking: TRUNCATE raises the minimum valid version above every earlier position", truncateRaises},
		{"change-tracking: switched off and on again, the minimum valid version is above every earlier position", switchingRaises},
		{"change-tracking: no row at or below a position is missing from its snapshot, while others write", nothingMissing},
	}
}

const (
	currentSQL = "SELECT CHANGE_TRACKING_CURRENT_VERSION()"
	minimumSQL = "SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(N'[dbo].[Sporet]'))"
)

// makeTracked makes a table of a few rows whose changes are tracked, and changes them.
func makeTracked(t T, s *Server) {
	t.Helper()
	s.needsTracking(t)
	s.do(t, "CREATE TABLE [Sporet] (Nr int NOT NULL PRIMARY KEY, Navn nvarchar(20) NOT NULL)",
		"ALTER TABLE [Sporet] ENABLE CHANGE_TRACKING",
		"INSERT INTO [Sporet] (Nr, Navn) VALUES (1, N'Et'), (2, N'To')",
		"UPDATE [Sporet] SET Navn = N'Nul' WHERE Nr = 1")
}

func truncateRaises(t T, s *Server) {
	makeTracked(t, s)
	before := s.number(t, currentSQL)
	s.do(t, "TRUNCATE TABLE [Sporet]")
	if after := s.number(t, minimumSQL); after <= before {
		t.Errorf("the minimum valid version is %d after TRUNCATE, want above %d", after, before)
	}
}

func switchingRaises(t T, s *Server) {
	makeTracked(t, s)
	before := s.number(t, currentSQL)
	s.do(t, "ALTER TABLE [Sporet] DISABLE CHANGE_TRACKING", "DELETE FROM [Sporet] WHERE Nr = 2", "ALTER TABLE [Sporet] ENABLE CHANGE_TRACKING")
	if after := s.number(t, minimumSQL); after <= before {
		t.Errorf("the minimum valid version is %d after switching, want above %d", after, before)
	}
}

const trackedPlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department: {table: Sporet, as: s, key: Nr, fields: {department_no: s.Nr, name: s.Navn}}
`

// Sizes of the hammer.
const (
	writers = 4
	rounds  = 40
)

// nothingMissing lets several writers insert rows, each in a transaction of its own, while a reader looks. Whatever row
// the server's own record puts at or below the position of a look must have been in it (trap 1: a transaction's snapshot
// begins with the first data it reads, and the counter is no data).
func nothingMissing(t T, s *Server) {
	makeTracked(t, s)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				insert := fmt.Sprintf("INSERT INTO [Sporet] (Nr, Navn) VALUES (%d, N'Ny')", 100+n*writers+w)
				if _, err := s.db.ExecContext(context.WithoutCancel(ctx), insert); err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	defer group.Wait()
	defer stop()
	src := s.open(t, trackedPlan)
	looks := map[protocol.Position]int{} // the rows that a look at a position saw
	for range rounds {
		tx, err := src.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		_, _, err = tx.Chunk(t.Context(), "department", nil, 1<<30, func(*protocol.Row) error { seen++; return nil })
		position := tx.State().Position
		tx.Close()
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := looks[position]; !ok || seen < before {
			looks[position] = seen
		}
	}
	stop()
	group.Wait()
	for position, seen := range looks {
		committed := s.number(t, fmt.Sprintf("SELECT COUNT(*) FROM CHANGETABLE(CHANGES [Sporet], 0) AS c WHERE c.SYS_CHANGE_CREATION_VERSION <= %d", position))
		if int64(seen) < committed {
			t.Errorf("the look at position %d saw %d rows, and %d were committed by then", position, seen, committed)
		}
	}
}

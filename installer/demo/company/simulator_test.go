package company

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A minute of the company's life: things happen, and a report that comes in is decided about within a second.
func TestSimulator(t *testing.T) {
	file := create(t, Config{Employees: 12, Months: 1})
	synctest.Test(t, func(t *testing.T) {
		c, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		count := func(query string) (n int) {
			if err := c.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := count("SELECT count(*) FROM Fravaer")
		if _, err := c.db.ExecContext(t.Context(), `INSERT INTO PortalIndberetning (RapportID, MedarbejderNr, Art, Fra, Til, Antal, Enhed)
			VALUES ('1', 1001, 'FF', '2029-01-01', '2029-01-01', 1, 'D')`); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- NewSimulator(c, SimulatorConfig{}).Run(ctx) }()
		<-time.After(time.Second)
		if n := count("SELECT count(*) FROM IndberetningsResultat WHERE RapportID = '1' AND Udfald = 'O'"); n != 1 {
			t.Errorf("verdicts after a second = %d, want 1", n)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if after := count("SELECT count(*) FROM Fravaer"); after <= before+1 {
			t.Errorf("absences = %d after %d, want new requests beside the report", after, before)
		}
	})
}

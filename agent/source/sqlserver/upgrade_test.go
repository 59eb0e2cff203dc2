package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// upgrading is a server in the hands of a vendor: which of the tables Afdeling and Sted are there, keyed and tracked, and
// the note that an upgrade is open. It breaks before a statement when it is told to.
type upgrading struct {
	tracked, keyed, there [2]bool
	begun                 string
	may                   bool
	breakAt               int // the how-manieth statement from now breaks; 0 is none
	ran                   []string
}

func newUpgrading() *upgrading {
	return &upgrading{tracked: [2]bool{true, true}, keyed: [2]bool{true, true}, there: [2]bool{true, true}, may: true}
}

func (u *upgrading) Connect(context.Context) (driver.Conn, error) { return &upgradeConn{u}, nil }
func (u *upgrading) Driver() driver.Driver                        { return nil }

type upgradeConn struct{ *upgrading }

func (c *upgradeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *upgradeConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (c *upgradeConn) Close() error                        { return nil }

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (c *upgradeConn) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	switch {
	case query == mayMarkSQL:
		return resultOf([]driver.Value{truth(c.may)}), nil
	case query == openUpgradeSQL && c.begun != "":
		return resultOf([]driver.Value{c.begun}), nil
	case strings.Contains(query, "sys.change_tracking_tables"):
		var rows [][]driver.Value
		for i := range c.tracked {
			row := []driver.Value{int64(i), nil, nil, nil, nil}
			if c.there[i] {
				row[1], row[4] = int64(i+1), truth(c.may)
			}
			if c.tracked[i] {
				row[2] = int64(i + 1)
			}
			if c.keyed[i] {
				row[3] = int64(i + 100)
			}
			rows = append(rows, row)
		}
		return resultOf(rows...), nil
	}
	return resultOf(), nil
}

func (c *upgradeConn) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	if c.breakAt > 0 {
		if c.breakAt--; c.breakAt == 0 {
			return nil, io.ErrUnexpectedEOF
		}
	}
	c.ran = append(c.ran, statement)
	place := 0
	if strings.Contains(statement, "[Sted]") {
		place = 1
	}
	switch {
	case strings.Contains(statement, "sp_addextendedproperty"):
		_, value, _ := strings.Cut(statement, "@value = N'")
		c.begun = strings.TrimSuffix(value, "';")
	case strings.Contains(statement, "sp_dropextendedproperty"):
		c.begun = ""
	case strings.Contains(statement, "DISABLE CHANGE_TRACKING"):
		c.tracked[place] = false
	case strings.Contains(statement, "ENABLE CHANGE_TRACKING"):
		c.tracked[place] = true
	}
	return driver.RowsAffected(0), nil
}

// maintenance opens a new process's view of the server: it remembers nothing of another's.
func (u *upgrading) maintenance(t *testing.T) *Maintenance {
	t.Helper()
	m := newMaintenance(u, parsed(t, fakePlan))
	t.Cleanup(func() { m.Close() })
	return m
}

var upgradeDay = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

func TestUpgrade(t *testing.T) {
	u := newUpgrading()
	begun, err := u.maintenance(t).Begin(t.Context(), upgradeDay)
	if err != nil || !begun.Begun.Equal(upgradeDay) || len(begun.Released()) != 2 {
		t.Fatalf("begun %+v, %v, want two tables released since %s", begun, err, upgradeDay)
	}
	u.ran = nil
	after, again, err := u.maintenance(t).End(t.Context())
	if err != nil || !after.Begun.IsZero() || len(after.Released()) != 0 || len(again) != 2 || !slices.Equal(again[0].Kinds, []string{"department"}) {
		t.Fatalf("ended %+v, %+v, %v", after, again, err)
	}
	want := []string{"ALTER TABLE [dbo].[Afdeling] ENABLE CHANGE_TRACKING;", "ALTER TABLE [dbo].[Sted] ENABLE CHANGE_TRACKING;",
		"EXEC sys.sp_dropextendedproperty @name = N'PortalSync.upgrade';"}
	if diff := cmp.Diff(want, u.ran); diff != "" {
		t.Errorf("end runs (-want +got)\n%s", diff)
	}
}

// TestUpgradeBrokenOffAnywhere breaks begin and end before each of their statements: what was done is known from the
// database alone, by another process, and the note stands as long as anything is released.
func TestUpgradeBrokenOffAnywhere(t *testing.T) {
	for at := 1; at <= 4; at++ {
		u := newUpgrading()
		u.breakAt = at
		if _, err := u.maintenance(t).Begin(t.Context(), upgradeDay); (err == nil) != (at == 4) {
			t.Fatalf("begin broken at %d: %v", at, err)
		}
		checkNoted(t, u)
		if _, err := u.maintenance(t).Begin(t.Context(), upgradeDay.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if at > 1 && u.begun != upgradeDay.Format(time.RFC3339) {
			t.Errorf("begin broken at %d and run again: begun %s, want the first time", at, u.begun)
		}
		u.breakAt = at
		if _, _, err := u.maintenance(t).End(t.Context()); (err == nil) != (at == 4) {
			t.Fatalf("end broken at %d: %v", at, err)
		}
		checkNoted(t, u)
		if _, _, err := u.maintenance(t).End(t.Context()); err != nil || u.begun != "" || u.tracked != [2]bool{true, true} {
			t.Errorf("end broken at %d and run again: %v, %+v", at, err, u)
		}
	}
}

func checkNoted(t *testing.T, u *upgrading) {
	t.Helper()
	if u.tracked != [2]bool{true, true} && u.begun == "" {
		t.Errorf("tables are released and no upgrade is noted: %+v", u)
	}
}

func TestUpgradeWithoutTheRights(t *testing.T) {
	u := newUpgrading()
	u.may = false
	_, err := u.maintenance(t).Begin(t.Context(), upgradeDay)
	var rights *RightsError
	want := []string{"EXEC sys.sp_addextendedproperty @name = N'PortalSync.upgrade', @value = N'2026-11-22T20:00:00Z';",
		"ALTER TABLE [dbo].[Afdeling] DISABLE CHANGE_TRACKING;", "ALTER TABLE [dbo].[Sted] DISABLE CHANGE_TRACKING;"}
	if !errors.As(err, &rights) || !slices.Equal(rights.Statements, want) || len(u.ran) > 0 {
		t.Errorf("begin = %v, ran %v, want %v and nothing run", err, u.ran, want)
	}
	u.begun, u.tracked = "2026-11-22T20:00:00Z", [2]bool{false, true}
	if _, _, err := u.maintenance(t).End(t.Context()); !errors.As(err, &rights) || len(rights.Statements) != 2 || len(u.ran) > 0 {
		t.Errorf("end = %v, ran %v", err, u.ran)
	}
}

// TestUpgradeThatLostATable: the vendor dropped one table, and the key of nothing else waits for it.
func TestUpgradeThatLostATable(t *testing.T) {
	u := newUpgrading()
	u.begun, u.tracked, u.there, u.keyed = "2026-11-22T20:00:00Z", [2]bool{}, [2]bool{false, true}, [2]bool{false, true}
	after, again, err := u.maintenance(t).End(t.Context())
	if err != nil || !after.Begun.IsZero() || len(again) != 1 || again[0].Name != "Sted" || !after.Tables[0].Missing {
		t.Errorf("end = %+v, %+v, %v, want Sted tracked and Afdeling missing", after, again, err)
	}
}

// TestUpgradeOfOneTable: only what the vendor touches is released, and so read anew.
func TestUpgradeOfOneTable(t *testing.T) {
	u := newUpgrading()
	if _, err := u.maintenance(t).Begin(t.Context(), upgradeDay, "Løn"); err == nil || !strings.Contains(err.Error(), "name one of Afdeling, Sted") || len(u.ran) > 0 {
		t.Errorf("a table that is not planned: %v, ran %v", err, u.ran)
	}
	if _, err := u.maintenance(t).Begin(t.Context(), upgradeDay, "sted"); err != nil || u.tracked != [2]bool{true, false} {
		t.Errorf("begin: %v, tracked %v, want Sted released alone", err, u.tracked)
	}
	_, again, err := u.maintenance(t).End(t.Context())
	if err != nil || len(again) != 1 || !slices.Equal(again[0].Kinds, []string{"place"}) || u.tracked != [2]bool{true, true} {
		t.Errorf("end: %+v, %v, tracked %v", again, err, u.tracked)
	}
}

func TestUpgradeReadsANoteThatSomebodyElseWrote(t *testing.T) {
	u := newUpgrading()
	u.begun = "ja"
	status, err := u.maintenance(t).Status(t.Context())
	if err != nil || status.Begun.IsZero() {
		t.Errorf("status = %+v, %v, want an open upgrade", status, err)
	}
}

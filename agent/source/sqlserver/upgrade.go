package sqlserver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/plan"
)

// Upgrade is how far an upgrade of the main system's vendor is. All of it stands in the database: which planned
// tables are tracked, and a property of the database that says since when they need not be. Nothing is on the agent's disk.
type Upgrade struct {
	Begun  time.Time      `json:"begun,omitzero"` // zero when none is open
	Tables []UpgradeTable `json:"tables"`
}

// UpgradeTable is one of the tables whose changes the plan has tracked.
type UpgradeTable struct {
	Name    string   `json:"name"`              // as the plan spells it
	Kinds   []string `json:"kinds"`             // record kinds that are read from it, and anew when its tracking was released
	Missing bool     `json:"missing,omitempty"` // there is no such table, or the account may not see it
	Keyless bool     `json:"keyless,omitempty"` // it has no primary key, without which nothing is tracked
	Tracked bool     `json:"tracked"`
	table   plan.Table
}

// Released returns the tables that are there and not tracked.
func (u Upgrade) Released() []UpgradeTable {
	var list []UpgradeTable
	for _, t := range u.Tables {
		if !t.Tracked && !t.Missing {
			list = append(list, t)
		}
	}
	return list
}

// RightsError reports that the account may not release or track tables. Its statements do the same in the hands of
// somebody who may.
type RightsError struct{ Statements []string }

func (e *RightsError) Error() string {
	return "the agent's account may not alter the planned tables and the database: have the database's administrator run the statements"
}

// Maintenance releases and tracks the planned tables. It is for a person who upgrades the main system.
type Maintenance struct {
	tracked []plan.Table
	needs   []need
	db      *sql.DB
}

// OpenMaintenance prepares to release and track the tables of a plan. See [Open].
func OpenMaintenance(address string, p *plan.Plan, cfg Config) (*Maintenance, error) {
	c, err := connector(address, cfg)
	if err != nil {
		return nil, err
	}
	return newMaintenance(c, p), nil
}

// upgradeLockTimeout is how long a table is waited for that somebody reads or writes.
const upgradeLockTimeout = 30 * time.Second

func newMaintenance(c driver.Connector, p *plan.Plan) *Maintenance {
	list := needs(p)
	return &Maintenance{needs: list, tracked: trackedTables(list), db: open(c, readSession, upgradeLockTimeout)}
}

// Close closes the connections.
func (m *Maintenance) Close() error {
	if err := m.db.Close(); err != nil {
		return fmt.Errorf("close the main system: %w", err)
	}
	return nil
}

// upgradeProperty is the database's property that an upgrade is open. Its value is when it began.
const upgradeProperty = "PortalSync.upgrade"

const openUpgradeSQL = `SELECT CONVERT(nvarchar(60), e.value)
FROM   sys.extended_properties AS e
WHERE  e.class = 0 AND e.name = N'` + upgradeProperty + `'`

// readUpgrade returns when an upgrade was begun that is not ended; zero when none is open.
func readUpgrade(ctx context.Context, q querier) (time.Time, error) {
	var begun time.Time
	err := each(ctx, q, openUpgradeSQL, nil, func(rows *sql.Rows) error {
		var value sql.NullString
		if err := rows.Scan(&value); err != nil {
			return err
		}
		var err error
		if begun, err = time.Parse(time.RFC3339, value.String); err != nil {
			begun = time.Unix(1, 0) // somebody's own value: open all the same
		}
		return nil
	})
	if err != nil {
		return begun, fmt.Errorf("ask whether an upgrade is open: %w", err)
	}
	return begun, nil
}

// Upgrade returns when an upgrade was begun that is not ended; zero when none is open. Somebody announces one with
// [Maintenance.Begin], or with the statements that it prints.
func (s *Source) Upgrade(ctx context.Context) (time.Time, error) {
	begun, err := readUpgrade(ctx, s.read)
	return begun, classify(ctx, err)
}

// spellBegun says when an upgrade began; not every hand that wrote it down wrote a time.
func spellBegun(t time.Time) string {
	if t.Unix() == 1 {
		return "at a time not noted"
	}
	return "on " + t.Local().Format("2006-01-02 15:04")
}

const upgradeTablesSQL = `SELECT t.n, OBJECT_ID(t.name), ct.object_id, k.object_id, HAS_PERMS_BY_NAME(t.name, 'OBJECT', 'ALTER')
FROM   (VALUES %s) AS t (n, name)
LEFT JOIN sys.change_tracking_tables AS ct ON ct.object_id = OBJECT_ID(t.name)
LEFT JOIN sys.key_constraints AS k ON k.parent_object_id = OBJECT_ID(t.name) AND k.type = 'PK'
ORDER  BY t.n`

// mayMarkSQL asks whether the account may set properties of the database.
const mayMarkSQL = `SELECT COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), 'DATABASE', 'ALTER'), 0)`

// Status tells how far an upgrade is.
func (m *Maintenance) Status(ctx context.Context) (Upgrade, error) {
	u, _, err := m.look(ctx)
	if err != nil {
		return u, fmt.Errorf("ask how far an upgrade is: %w", classify(ctx, err))
	}
	return u, nil
}

// look returns how far an upgrade is, and whether the account may do what it takes.
func (m *Maintenance) look(ctx context.Context) (Upgrade, bool, error) {
	var u Upgrade
	may := false
	err := each(ctx, m.db, mayMarkSQL, nil, func(rows *sql.Rows) error { return rows.Scan(&may) })
	if err != nil {
		return u, may, err
	}
	if u.Begun, err = readUpgrade(ctx, m.db); err != nil || len(m.tracked) == 0 {
		return u, may, err
	}
	err = each(ctx, m.db, fmt.Sprintf(upgradeTablesSQL, numbered(m.tracked)), nil, func(rows *sql.Rows) error {
		var place int
		var object, tracked, key, alter sql.NullInt64
		if err := rows.Scan(&place, &object, &tracked, &key, &alter); err != nil {
			return err
		}
		t := m.tracked[place]
		i := slices.IndexFunc(m.needs, func(n need) bool { return n.table == t })
		u.Tables = append(u.Tables, UpgradeTable{Name: t.String(), Kinds: m.needs[i].kinds, Missing: !object.Valid, Keyless: !key.Valid,
			Tracked: tracked.Valid, table: t})
		may = may && (alter.Int64 == 1 || !object.Valid)
		return nil
	})
	return u, may, err
}

// Begin notes in the database that an upgrade is open, then releases the tables of the plan that are named, or all. It may
// be called again after it was broken off, or for more tables. The error is a [*RightsError] when the account may not.
func (m *Maintenance) Begin(ctx context.Context, now time.Time, tables ...string) (Upgrade, error) {
	for _, name := range tables {
		if !slices.ContainsFunc(m.tracked, func(t plan.Table) bool { return named(t, name) }) {
			return Upgrade{}, fmt.Errorf("the plan has no table %s whose changes are tracked: name one of %s", name, spelled(m.tracked))
		}
	}
	u, may, err := m.look(ctx)
	if err != nil {
		return u, fmt.Errorf("begin the upgrade: %w", classify(ctx, err))
	}
	var statements []string
	if u.Begun.IsZero() {
		statements = append(statements, "EXEC sys.sp_addextendedproperty @name = N'"+upgradeProperty+"', @value = "+text(now.UTC().Format(time.RFC3339))+";")
	}
	for _, t := range u.Tables {
		if t.Tracked && (len(tables) == 0 || slices.ContainsFunc(tables, func(name string) bool { return named(t.table, name) })) {
			statements = append(statements, "ALTER TABLE "+full(t.table)+" DISABLE CHANGE_TRACKING;")
		}
	}
	if !may {
		return u, &RightsError{Statements: statements}
	}
	if err := m.exec(ctx, statements); err != nil {
		return u, fmt.Errorf("begin the upgrade: %w; run agent upgrade begin again", err)
	}
	return m.Status(ctx)
}

func spelled(tables []plan.Table) string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// named reports whether a person means the table, with or without its schema.
func named(t plan.Table, name string) bool {
	return strings.EqualFold(t.String(), name) || strings.EqualFold(t.Name, name)
}

// End tracks the planned tables again that are there and have a key, and takes the note away. It returns how the
// tables stand then, and which were tracked by it: their kinds are read anew, because tracking that was switched on again
// is another epoch.
func (m *Maintenance) End(ctx context.Context) (after Upgrade, again []UpgradeTable, err error) {
	u, may, err := m.look(ctx)
	if err != nil {
		return u, nil, fmt.Errorf("end the upgrade: %w", classify(ctx, err))
	}
	var statements []string
	for _, t := range u.Released() {
		if !t.Keyless {
			again = append(again, t)
			statements = append(statements, "ALTER TABLE "+full(t.table)+" ENABLE CHANGE_TRACKING;")
		}
	}
	if !u.Begun.IsZero() {
		statements = append(statements, "EXEC sys.sp_dropextendedproperty @name = N'"+upgradeProperty+"';")
	}
	if !may && len(statements) > 0 {
		return u, nil, &RightsError{Statements: statements}
	}
	if err := m.exec(ctx, statements); err != nil {
		return u, nil, fmt.Errorf("end the upgrade: %w; mend it and run agent upgrade end again", err)
	}
	after, err = m.Status(ctx)
	return after, again, err
}

func (m *Maintenance) exec(ctx context.Context, statements []string) error {
	for _, statement := range statements {
		if _, err := m.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSuffix(statement, ";"), classify(ctx, err))
		}
	}
	return nil
}

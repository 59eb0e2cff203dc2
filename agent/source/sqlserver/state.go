package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// factsSQL asks, outside every transaction, for the counter of changes as it is before any data is read, and for what
// tells this database from another. A transaction's snapshot begins with the first data it touches, not with BEGIN
// (trap 1): a counter read before it can only be too low, which sends rows twice; one read after it could be too high,
// which would skip rows for good.
const factsSQL = `SELECT %s, DB_NAME(), CONVERT(nvarchar(60), DATABASEPROPERTYEX(DB_NAME(), 'Updateability')), d.snapshot_isolation_state,
       CONVERT(varchar(23), d.create_date, 126), CONVERT(char(36), d.service_broker_guid)%s
FROM   sys.databases AS d%s
WHERE  d.database_id = DB_ID()`

// The counters of the modes. MIN_ACTIVE_ROWVERSION, unlike @@DBTS, lies below every transaction that is still open.
const (
	trackingCounter   = `CHANGE_TRACKING_CURRENT_VERSION()`
	rowversionCounter = `CONVERT(bigint, MIN_ACTIVE_ROWVERSION()) - 1`
	noCounter         = `CONVERT(bigint, 0)`
)

// counting returns how the plan's position is counted: as its mode says, or not at all when every kind is compared. Then
// nothing is asked of the database that a locked one might refuse.
func counting(p *plan.Plan) plan.Mode {
	for _, k := range p.Kinds {
		if k.Mode != plan.Compare {
			return p.Mode
		}
	}
	return plan.Compare
}

// What factsSQL asks where the recovery fork can be read, and where it cannot: it takes VIEW ANY DATABASE, and Azure
// SQL Database does not have it.
const (
	forkColumns = `, CONVERT(char(36), r.recovery_fork_guid), CONVERT(char(36), r.family_guid)`
	forkJoin    = "\nLEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id"
	noFork      = `, NULL, NULL`
)

func factsText(mode plan.Mode, fork bool) string {
	counter := map[plan.Mode]string{
		plan.ChangeTracking: trackingCounter, plan.Rowversion: rowversionCounter, plan.Compare: noCounter,
	}[mode]
	if fork {
		return fmt.Sprintf(factsSQL, counter, forkColumns, forkJoin)
	}
	return fmt.Sprintf(factsSQL, counter, noFork, "")
}

// facts is what factsSQL tells.
type facts struct {
	counter      sql.NullInt64
	database     string
	updateable   string
	snapshot     int // 1: snapshot isolation is on
	created      string
	broker       string
	fork, family string // empty when they cannot be read
}

// Lineage sources, from the stronger to the weaker.
const (
	// ByRecoveryFork means that SQL Server itself begins another lineage with every restore.
	ByRecoveryFork = "recovery fork"
	// ByCreation means that the lineage is the database's creation and its broker's id, because the account may not
	// read the recovery fork. A restore over the same database may keep both; what tells it then is a counter that went
	// backwards, until it has passed the old value.
	ByCreation = "creation date"
)

// lineage identifies the database's history. The mode is part of it: the two counters are not comparable.
func (f facts) lineage(mode plan.Mode) (protocol.Lineage, string) {
	counter := map[plan.Mode]string{plan.ChangeTracking: "ct", plan.Rowversion: "rv", plan.Compare: "cm"}[mode]
	if f.fork != "" {
		return protocol.Lineage(fmt.Sprintf("%s-fork-%s-%s", counter, f.family, f.fork)), ByRecoveryFork
	}
	return protocol.Lineage(fmt.Sprintf("%s-made-%s-%s", counter, f.created, f.broker)), ByCreation
}

// readFacts asks for the facts, without the recovery fork where there is no such view.
func (s *Source) readFacts(ctx context.Context, q querier) (facts, error) {
	s.mu.Lock()
	fork := !s.noFork
	s.mu.Unlock()
	f, err := readFacts(ctx, q, factsText(s.mode, fork))
	var said mssql.Error
	if fork && errors.As(err, &said) && !passing(ctx, classify(ctx, err)) {
		if f, err = readFacts(ctx, q, factsText(s.mode, false)); err == nil {
			s.mu.Lock()
			s.noFork = true
			s.mu.Unlock()
		}
	}
	if err == nil && f.database == "" {
		err = fmt.Errorf("%w: the account may not see the database in sys.databases", source.ErrGone)
	}
	return f, err
}

func readFacts(ctx context.Context, q querier, query string) (facts, error) {
	var f facts
	err := each(ctx, q, query, nil, func(rows *sql.Rows) error {
		var updateable, broker, fork, family sql.NullString
		err := rows.Scan(&f.counter, &f.database, &updateable, &f.snapshot, &f.created, &broker, &fork, &family)
		f.updateable, f.broker, f.fork, f.family = updateable.String, broker.String, fork.String, family.String
		return err
	})
	if err != nil {
		return f, fmt.Errorf("ask for the database's identity: %w", err)
	}
	return f, nil
}

// primarySQL tells whether the database is a secondary replica of an availability group. It takes VIEW SERVER STATE.
const primarySQL = `SELECT CONVERT(int, sys.fn_hadr_is_primary_replica(DB_NAME()))`

// refuseReadOnly refuses a database that cannot be written: a secondary replica's tracking metadata does not belong to
// what its tables show, so changes would be missed.
func refuseReadOnly(ctx context.Context, q querier, f facts) error {
	if f.updateable == "READ_WRITE" || f.updateable == "" {
		return nil
	}
	primary := sql.NullInt64{}
	err := each(ctx, q, primarySQL, nil, func(rows *sql.Rows) error { return rows.Scan(&primary) })
	if err == nil && primary.Valid && primary.Int64 == 0 {
		return fmt.Errorf("%w: database %s is a secondary replica of an availability group, where changes cannot be read reliably; "+
			"give the address of the group's listener without ApplicationIntent=ReadOnly, or of the primary", source.ErrGone, f.database)
	}
	return fmt.Errorf("%w: database %s is read-only (a secondary replica, or set so); give the address of the primary", source.ErrGone, f.database)
}

// snapshotOn is sys.databases.snapshot_isolation_state when a snapshot transaction may begin.
const snapshotOn = 1

// isolation returns the level to read at, always given explicitly (trap 2), and why kinds that rest on change tracking
// cannot be read at it. Without snapshot isolation the vendor promises change tracking nothing about clean-up and
// about several tables; a row with its own rowversion and a comparison of digests need only committed rows, and what was
// torn between two tables is mended by the next poll.
func (f facts) isolation() (sql.IsolationLevel, error) {
	if f.snapshot == snapshotOn {
		return sql.LevelSnapshot, nil
	}
	return sql.LevelReadCommitted, fmt.Errorf("snapshot isolation is off in database %s, without which changes could be missed; "+
		"switch it on: ALTER DATABASE %s SET ALLOW_SNAPSHOT_ISOLATION ON", f.database, quote(f.database))
}

// validitySQL asks in the open transaction for each table's minimum valid version, then for the current one.
const validitySQL = `SELECT t.n, CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(t.name))
FROM   (VALUES %s) AS t (n, name);
SELECT CHANGE_TRACKING_CURRENT_VERSION();`

func validityText(tables []plan.Table) string {
	values := make([]string, len(tables))
	for i, t := range tables {
		values[i] = fmt.Sprintf("(%d, %s)", i, text(full(t)))
	}
	return fmt.Sprintf(validitySQL, strings.Join(values, ", "))
}

// validity is what validitySQL tells. A minimum that is null is that of a table without tracking.
type validity struct {
	minimum []sql.NullInt64
	current sql.NullInt64
}

func readValidity(ctx context.Context, tx *sql.Tx, query string, n int) (validity, error) {
	v := validity{minimum: make([]sql.NullInt64, n)}
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return v, fmt.Errorf("ask for valid versions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var place int
		var minimum sql.NullInt64
		if err := rows.Scan(&place, &minimum); err != nil {
			return v, fmt.Errorf("ask for valid versions: %w", err)
		}
		v.minimum[place] = minimum
	}
	if rows.NextResultSet() && rows.Next() {
		if err := rows.Scan(&v.current); err != nil {
			return v, fmt.Errorf("ask for the current version: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return v, fmt.Errorf("ask for valid versions: %w", err)
	}
	return v, nil
}

// touch reads data of a table that can be read, which is what pins the snapshot.
func (t *Tx) touch(ctx context.Context) error {
	for _, k := range t.source.plan.Kinds {
		l := t.layouts[k.Record.Name]
		if l.err != nil {
			continue
		}
		query := "SELECT TOP (1) " + quote(l.statements.key[0].name) + " FROM " + full(k.Table)
		if err := each(ctx, t.tx, query, nil, func(*sql.Rows) error { return nil }); err != nil {
			return fmt.Errorf("begin a snapshot: %w", err)
		}
		return nil
	}
	return nil
}

// describe tells the state of every kind in the open transaction.
func (t *Tx) describe(ctx context.Context, f facts, unsafe error) error {
	s := t.source
	tables := s.plan.Tables()
	v := validity{minimum: make([]sql.NullInt64, len(tables))}
	position := f.counter.Int64
	if s.mode == plan.ChangeTracking && f.counter.Valid {
		var err error
		if v, err = readValidity(ctx, t.tx, s.validity, len(tables)); err != nil {
			return err
		}
		position = min(position, v.current.Int64)
	}
	t.state.Position = protocol.Position(max(position, 0))
	t.state.Lineage, _ = f.lineage(s.mode)
	t.state.Kinds = make(map[string]source.KindState, len(t.layouts))
	for name, l := range t.layouts {
		k := source.KindState{Epoch: l.epoch, Err: l.err}
		if k.Err == nil && l.kind.Mode == plan.ChangeTracking {
			k.MinValid, k.Err = l.minValid(v, tables)
			k.Err = firstError(k.Err, unsafe)
			l.suspended = k.Err
		}
		k.Err = firstError(k.Err, s.failure(name))
		if k.Err == nil {
			var err error
			if k.Estimate, err = s.estimate(ctx, t.tx, t.glances[l.tables[0]].object); err != nil {
				return err
			}
		}
		t.state.Kinds[name] = k
	}
	return nil
}

// minValid is the highest minimum of the kind's tables: each has its own, and one truncated table says nothing of
// the kinds that do not read it.
func (l *layout) minValid(v validity, tables []plan.Table) (protocol.Position, error) {
	var highest int64
	for _, place := range l.tables {
		if !v.minimum[place].Valid {
			return 0, fmt.Errorf("table %s tells no valid version of its changes; switch change tracking on for it, or GRANT VIEW CHANGE TRACKING ON %s TO the account",
				tables[place], full(tables[place]))
		}
		highest = max(highest, v.minimum[place].Int64)
	}
	return protocol.Position(highest), nil
}

// estimateSQL counts a table's rows by its own books. The rights to select suffice.
const estimateSQL = `SELECT COALESCE(SUM(p.rows), 0)
FROM   sys.partitions AS p
WHERE  p.object_id = @p1 AND p.index_id IN (0, 1)`

// estimate is a table's row count, kept for a while.
type estimate struct {
	rows int64
	at   time.Time
}

const estimateAge = 15 * time.Minute

func (s *Source) estimate(ctx context.Context, q querier, object int64) (int64, error) {
	s.mu.Lock()
	e, ok := s.estimates[object]
	s.mu.Unlock()
	if ok && time.Since(e.at) < estimateAge {
		return e.rows, nil
	}
	e.at = time.Now()
	if err := each(ctx, q, estimateSQL, []any{object}, func(rows *sql.Rows) error { return rows.Scan(&e.rows) }); err != nil {
		return 0, fmt.Errorf("estimate a table's rows: %w", err)
	}
	s.mu.Lock()
	s.estimates[object] = e
	s.mu.Unlock()
	return e.rows, nil
}

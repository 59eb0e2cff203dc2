package company

import (
	"cmp"
	"context"
	"database/sql"
	_ "embed" // the tables
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

//go:embed schema_sqlserver.sql
var serverTables string

// danishCollation is the collation of the company's texts in one-byte columns.
const danishCollation = " COLLATE Danish_Norwegian_CI_AS"

// OpenServer opens a company in a SQL Server database, sqlserver://user:password@host:port?database=NAME. The
// connection is encrypted and the certificate verified unless the address says otherwise. Errors hold no password.
func OpenServer(ctx context.Context, address string) (*Company, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "sqlserver" || u.Host == "" {
		return nil, errors.New("this is no address of a SQL Server: write sqlserver://USER:PASSWORD@HOST:PORT?database=NAME, with signs such as / and @ in the password as %2F and %40")
	}
	q := u.Query()
	if q.Get("database") == "" {
		return nil, fmt.Errorf("the address of %s names no database: make an empty one and add database=NAME", u.Host)
	}
	q.Set("encrypt", cmp.Or(q.Get("encrypt"), "true"))
	q.Set("TrustServerCertificate", cmp.Or(q.Get("TrustServerCertificate"), "false"))
	u.RawQuery = q.Encode()
	zone, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		return nil, fmt.Errorf("find the company's time zone: %w", err)
	}
	db, err := sql.Open("sqlserver", u.String())
	if err != nil {
		return nil, fmt.Errorf("the address of %s cannot be used: look at its port and options", u.Host)
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reach database %s on %s: %w", q.Get("database"), u.Host, err), db.Close())
	}
	return &Company{db: db, kept: inServer{zone: zone}}, nil
}

// inServer keeps a company in SQL Server.
type inServer struct{ zone *time.Location }

func (inServer) writer(tx *sql.Tx) rowWriter {
	return &bulkCopies{tx: tx, tables: map[string]*bulkTable{}}
}

func (s inServer) spell(value any) any {
	switch v := value.(type) {
	case hundredths:
		return v.String()
	case moment: // a datetime2, which knows no zone
		return time.Time(v).In(s.zone).Format("2006-01-02T15:04:05.000")
	}
	return value
}

// foundationSQL makes the table that tells a demo's database from anybody else's.
const foundationSQL = `
CREATE TABLE dbo.PortalSyncDemo (
    Nr       int NOT NULL PRIMARY KEY,
    Snapshot bit NOT NULL, -- the demo switched snapshot isolation on
    Sporing  bit NOT NULL, -- the demo switched change tracking on
    Faerdig  bit NOT NULL  -- the company is complete
);
INSERT INTO dbo.PortalSyncDemo (Nr, Snapshot, Sporing, Faerdig) VALUES (1, 0, 0, 0)`

const completeSQL = `
UPDATE dbo.PortalSyncDemo
SET    Faerdig = 1`

// Found makes the company in the open SQL Server database, which must hold no tables but those of an earlier
// company. A complete one is left as it is, and made is false; half a one, of a run that was killed, is made again.
// After an error nothing is left.
func (c *Company) Found(ctx context.Context, cfg Config) (made bool, err error) {
	before, err := c.foundation(ctx)
	if err != nil || before.complete {
		return false, err
	}
	if before.begun {
		if err := c.Remove(ctx); err != nil {
			return false, err
		}
	}
	if err := c.build(ctx, cfg.withDefaults()); err != nil {
		return false, errors.Join(err, c.Remove(context.WithoutCancel(ctx)))
	}
	return true, nil
}

func (c *Company) build(ctx context.Context, cfg Config) error {
	tables := serverTables
	var page sql.NullInt64
	if err := c.db.QueryRowContext(ctx, `SELECT CAST(COLLATIONPROPERTY('Danish_Norwegian_CI_AS', 'CodePage') AS int)`).Scan(&page); err != nil {
		return fmt.Errorf("ask for the Danish collation: %w", err)
	}
	if !page.Valid {
		tables = strings.ReplaceAll(tables, danishCollation, "") // the server has no other than its own
	}
	for _, batch := range []string{foundationSQL, tables} {
		if _, err := c.db.ExecContext(ctx, batch); err != nil {
			return fmt.Errorf("make the company's tables: %w", err)
		}
	}
	if err := c.fill(ctx, cfg); err != nil {
		return err
	}
	if err := c.track(ctx); err != nil {
		return err
	}
	if _, err := c.db.ExecContext(ctx, completeSQL); err != nil {
		return fmt.Errorf("complete the company: %w", err)
	}
	return nil
}

// foundation is what an earlier run has left in a database.
type foundation struct{ begun, complete, snapshot, tracking bool }

const tablesSQL = `
SELECT name
FROM   sys.tables
WHERE  is_ms_shipped = 0
ORDER  BY name`

const foundedSQL = `
SELECT Snapshot, Sporing, Faerdig
FROM   dbo.PortalSyncDemo`

// systemDatabases is the number of the last database that every server has of its own: master, tempdb, model, msdb.
const systemDatabases = 4

// foundation looks what is in the database. Tables that are not the company's are an error.
func (c *Company) foundation(ctx context.Context) (foundation, error) {
	var f foundation
	var database string
	var number int
	if err := c.db.QueryRowContext(ctx, "SELECT DB_NAME(), DB_ID()").Scan(&database, &number); err != nil {
		return f, fmt.Errorf("ask for the database's name: %w", err)
	}
	if number <= systemDatabases {
		return f, fmt.Errorf("%s is the server's own database: nothing was done to it; make an empty one for the demo", database)
	}
	held, err := c.names(ctx, tablesSQL)
	if err != nil {
		return f, fmt.Errorf("list the tables: %w", err)
	}
	own := map[string]bool{}
	for _, name := range append(ownTables(), "PortalSyncDemo", "delivered") {
		own[strings.ToLower(name)] = true
	}
	var others []string
	for _, name := range held {
		if name = strings.ToLower(name); !own[name] {
			others = append(others, name)
		}
		f.begun = f.begun || name == "portalsyncdemo"
	}
	switch {
	case len(others) > 0:
		return f, fmt.Errorf("the database holds %d tables that are not the demo's, such as %s: nothing was done to it; give the demo an empty database", len(others), others[0])
	case len(held) == 0:
		return f, nil
	case !f.begun:
		return f, fmt.Errorf("the database holds a table %s that the demo did not make: nothing was done to it; give the demo an empty database", held[0])
	}
	err = c.db.QueryRowContext(ctx, foundedSQL).Scan(&f.snapshot, &f.tracking, &f.complete)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return f, fmt.Errorf("read what the demo made: %w", err)
	}
	return f, nil
}

func (c *Company) names(ctx context.Context, query string) ([]string, error) {
	rows, err := c.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// ownTables lists the company's tables, in the order in which they are made.
func ownTables() []string {
	var tables []string
	for line := range strings.Lines(serverTables) {
		if rest, ok := strings.CutPrefix(line, "CREATE TABLE dbo."); ok {
			tables = append(tables, strings.TrimSuffix(strings.TrimSpace(rest), " ("))
		}
	}
	return tables
}

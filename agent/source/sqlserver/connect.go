package sqlserver

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

// readSession is what every reading session begins with. Nothing of it outlives the session. LANGUAGE makes a
// date in the customer's own SQL mean the same under every login. XACT_ABORT stays off: a read that is broken off
// would end its transaction, and there is nothing here that a rollback could lose.
const readSession = `SET LOCK_TIMEOUT %d; SET DEADLOCK_PRIORITY LOW; SET NOCOUNT ON; SET XACT_ABORT OFF; SET LANGUAGE us_english;`

// writeSession is what the session that writes reports begins with. NOCOUNT stays off: the number of rows that a
// statement wrote decides what is told of a report.
const writeSession = `SET LOCK_TIMEOUT %d; SET DEADLOCK_PRIORITY LOW; SET NOCOUNT OFF; SET XACT_ABORT ON; SET LANGUAGE us_english;`

// Connections. A read is one connection at a time; a second opens only while two reads overlap, and is let go.
const (
	maxReaders  = 2
	idleReaders = 1
	idleWriter  = time.Minute // reports are few
	dialTimeout = 15 * time.Second
)

// parameters returns how to reach a server, given as sqlserver://user:password@host:port?database=… without user and
// password for the Windows account the program runs as. The connection is encrypted and the server's certificate
// verified unless the address or the settings say otherwise: the driver's own defaults are the opposite (trap 4). Errors
// hold no password.
func parameters(address string, cfg Config) (msdsn.Config, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "sqlserver" || u.Host == "" {
		return msdsn.Config{}, errors.New("the database's address is not one: write sqlserver://USER:PASSWORD@HOST:PORT?database=NAME, with signs such as / and @ in the password as %2F and %40")
	}
	q := u.Query()
	if q.Get("database") == "" {
		return msdsn.Config{}, fmt.Errorf("the address of server %s names no database: add database=NAME", u.Host)
	}
	for name, otherwise := range map[string]string{"encrypt": "true", "TrustServerCertificate": "false", "app name": "PortalSync agent"} {
		q.Set(name, cmp.Or(q.Get(name), otherwise))
	}
	if cfg.TrustServerCertificate {
		q.Set("TrustServerCertificate", "true")
	}
	if cfg.CA != "" {
		q.Set("certificate", cfg.CA)
	}
	u.RawQuery = q.Encode()
	params, err := msdsn.Parse(u.String())
	if err != nil {
		return msdsn.Config{}, fmt.Errorf("the address of server %s cannot be used: look at its port, encrypt and certificate", u.Host)
	}
	params.DialTimeout = cmp.Or(params.DialTimeout, dialTimeout)
	return params, nil
}

// open returns connections whose sessions begin with the given statements.
func open(c driver.Connector, session string, lockTimeout time.Duration) *sql.DB {
	init := fmt.Sprintf(session, lockTimeout.Milliseconds())
	if m, ok := c.(*mssql.Connector); ok {
		own := *m
		own.SessionInitSQL = init
		c = &own
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(idleReaders)
	return db
}

// each runs a query and hands each row to a function.
func each(ctx context.Context, q querier, query string, args []any, row func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// querier is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Name returns the server and database of an address, for a person. It holds neither login nor password.
func Name(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "SQL Server"
	}
	return u.Query().Get("database") + " on " + u.Host + u.Path
}

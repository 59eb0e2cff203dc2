package sqlserver

import (
	"database/sql"
	"errors"
	"net/url"

	mssql "github.com/microsoft/go-mssqldb"
)

// OpenDatabase opens the database at an address for whoever uses it in his own name: its sessions are the server's
// defaults. See [Open].
func OpenDatabase(address string, cfg Config) (*sql.DB, error) {
	c, err := connector(address, cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// WithDatabase returns the address of another database on the same server.
func WithDatabase(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the database's address is not one")
	}
	q := u.Query()
	q.Set("database", name)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func connector(address string, cfg Config) (*mssql.Connector, error) {
	params, err := parameters(address, cfg)
	if err != nil {
		return nil, err
	}
	c := mssql.NewConnectorConfig(params)
	c.Dialer = cfg.Dial
	return c, nil
}

package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/source"
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
	if cfg.Token != nil {
		if c, err = mssql.NewSecurityTokenConnector(params, token(cfg)); err != nil {
			return nil, fmt.Errorf("prepare the login through Entra ID: %w", err)
		}
	}
	c.Dialer = cfg.Dial
	return c, nil
}

// errNoToken reports that there is nothing to log in with. Until there is, the database is out of reach.
var errNoToken = fmt.Errorf("%w: no login through Entra ID", source.ErrGone)

func token(cfg Config) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		token, err := cfg.Token(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %w", errNoToken, err)
		}
		return token, nil
	}
}

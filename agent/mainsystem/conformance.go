package mainsystem

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/agent/source/sqlserver/conformance"
)

// Outcome is what came of one promise.
type Outcome = conformance.Outcome

// Result is an outcome in a word.
type Result = conformance.Result

// The results.
const (
	Kept    = conformance.Kept
	Skipped = conformance.Skipped
	Broken  = conformance.Broken
)

// Conformance shows, in an empty database on the main system's server that the account owns, that the server is read as
// promised. The main system's own database is refused, and so is one that holds anything. The database is empty afterwards.
func Conformance(ctx context.Context, cfg *config.Config, database string, yield func(Outcome)) (err error) {
	if cfg.MainSystem.SQLServer == "" {
		return errOnlyServer
	}
	if strings.EqualFold(database, sqlserver.Database(cfg.MainSystem.SQLServer)) {
		return fmt.Errorf("%s is the main system's own database: make an empty one beside it, and name that with --database", database)
	}
	address, err := cfg.MainSystem.Address()
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.File, err)
	}
	if address, err = sqlserver.WithDatabase(address, database); err != nil {
		return err
	}
	own, err := settings(cfg)
	if err != nil {
		return err
	}
	s, err := conformance.Open(ctx, address, own)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	return conformance.Run(ctx, s, yield)
}

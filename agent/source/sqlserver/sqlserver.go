// Package sqlserver reads a main system in Microsoft SQL Server, 2016 or newer, through a plan.
//
// # Three ways to find changes
//
// Change tracking ([plan.ChangeTracking]) is the vendor's pattern of "Work with change tracking": the counter before the
// transaction, an explicit snapshot transaction, each table's minimum valid version by its object, the counter again,
// every kind's changes from CHANGETABLE, all in that transaction. The position is the smaller counter. Net changes come
// as they are now; a key update is a delete and an upsert. Where a key column ignores case, a key that changes in
// nothing but case is the same key to the server: the spelling that the change tells is deleted if the row has another,
// and what that leaves in the portal is found by its verification.
//
// Rowversion ([plan.Rowversion]) reads the rows whose rowversion lies above the last position and below
// MIN_ACTIVE_ROWVERSION, those of joined tables included. What was deleted, or left the filter, is found by digests.
//
// Compare ([plan.Compare]) tells no change at all; digests find them. It needs nothing but the right to select.
//
// # Kind to the server
//
// Nothing is written. A session waits little for locks, offers itself as the victim of a deadlock and never runs in
// parallel. Snapshots are short: one per chunk, one per cut. Statement texts depend on plan and database alone, and every
// parameter is a bigint or an nvarchar(max) which the statement itself turns into the column's exact type. Rows stream.
package sqlserver

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
)

// Config tunes a Source. The zero value is usable.
type Config struct {
	// LockTimeout is how long a statement waits for another session's lock before [source.ErrBusy]; 0 means 5s.
	LockTimeout time.Duration
	// Budget is how much time of the database the reads may take per minute; the next read waits until the minute
	// allows it. 0 sets no limit.
	Budget time.Duration
	// TrustServerCertificate accepts whatever certificate the server shows: whoever is in between can read along.
	TrustServerCertificate bool
	// CA is the path of the certificate in PEM that signed the server's, or is the server's own; empty trusts the system's.
	CA string
	// Token returns the token of Entra ID with which a connection logs in; nil logs in as the address says.
	Token func(ctx context.Context) (string, error)
	// Dial opens the connection instead of the driver; nil leaves it to the driver.
	Dial mssql.Dialer
}

// Source reads one database through a plan. Its methods may be called by several goroutines.
type Source struct {
	plan     *plan.Plan
	mode     plan.Mode // how positions are counted; Compare is not at all
	kinds    []source.Kind
	cfg      Config
	connect  driver.Connector
	read     *sql.DB
	write    *sql.DB // for reports
	budget   *budget
	glances  string // statement texts that depend on the plan alone
	validity string

	mu          sync.Mutex
	noFork      bool // the recovery fork cannot be read
	facts       facts
	fingerprint string // of the database that layouts belongs to
	layouts     map[string]*layout
	estimates   map[int64]estimate
	failures    map[string]failure
}

// failure is a kind's statement that the database refused. It stands as the kind's error for a while, so that the other
// kinds flow and the statement is still tried again once the rows may have been mended.
type failure struct {
	err error
	at  time.Time
}

const failureAge = time.Minute

// defaultLockTimeout is short beside what a person waits for, and long beside what a payroll system holds a row.
const defaultLockTimeout = 5 * time.Second

// Open prepares to read the database at an address, sqlserver://user:password@host:port?database=name. Without user and
// password it is the Windows account of the program. Nothing is connected before Begin.
func Open(address string, p *plan.Plan, cfg Config) (*Source, error) {
	c, err := connector(address, cfg)
	if err != nil {
		return nil, err
	}
	return newSource(c, p, cfg)
}

func newSource(c driver.Connector, p *plan.Plan, cfg Config) (*Source, error) {
	cfg.LockTimeout = cmp.Or(cfg.LockTimeout, defaultLockTimeout)
	s := &Source{plan: p, mode: counting(p), cfg: cfg, connect: c, budget: newBudget(cfg.Budget), estimates: map[int64]estimate{}, failures: map[string]failure{}}
	for _, k := range p.Kinds {
		schema, err := k.Schema()
		if err != nil {
			return nil, fmt.Errorf("plan of %s: %w", k.Record.Name, err)
		}
		s.kinds = append(s.kinds, source.Kind{Record: k.Record, Schema: protocol.PrepareSchema(schema), Poll: k.Poll, Quiet: k.Quiet, Digest: digestOf(k.Mode)})
	}
	s.glances, s.validity = glancesText(p.Tables(), s.mode), validityText(p.Tables())
	s.read, s.write = open(c, readSession, cfg.LockTimeout), open(c, writeSession, cfg.LockTimeout)
	s.write.SetConnMaxIdleTime(idleWriter)
	return s, nil
}

func digestOf(mode plan.Mode) source.Digest {
	switch mode {
	case plan.Rowversion:
		return source.DigestDeletes
	case plan.Compare:
		return source.DigestAll
	case plan.ChangeTracking:
	}
	return source.DigestNone
}

// Kinds returns the planned kinds, parents before children.
func (s *Source) Kinds() []source.Kind { return append([]source.Kind(nil), s.kinds...) }

// Begin starts a read of the database's state now. See [source.Source]. It waits while the budget is spent.
func (s *Source) Begin(ctx context.Context) (source.Tx, error) {
	if err := s.budget.wait(ctx); err != nil {
		return nil, err
	}
	defer s.budget.spend(time.Now())
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the main system: %w", unreachable(ctx, err))
	}
	tx := &Tx{source: s, conn: conn, rows: map[string]*relational.Rows{}}
	if err := tx.begin(ctx); err != nil {
		tx.Close()
		return nil, fmt.Errorf("look at the main system: %w", classify(ctx, err))
	}
	return tx, nil
}

// unreachable wraps the error of a connection that could not be made: whatever the reason, the database is not there.
func unreachable(ctx context.Context, err error) error {
	classified := classify(ctx, err)
	if passing(ctx, classified) {
		return classified
	}
	return fmt.Errorf("%w: %w", source.ErrGone, err)
}

// Close closes the connections. Transactions must be closed before.
func (s *Source) Close() error {
	if err := errors.Join(s.read.Close(), s.write.Close()); err != nil {
		return fmt.Errorf("close the main system: %w", err)
	}
	return nil
}

// fail keeps that the database refused a kind's statement, and has the next look describe the database anew: a right that
// was taken from a single column shows in nothing else.
func (s *Source) fail(kind string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layouts = nil
	s.failures[kind] = failure{err: err, at: time.Now()}
}

// failure returns a kind's error that is kept, if any.
func (s *Source) failure(kind string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.failures[kind]
	if !ok || time.Since(f.at) >= failureAge {
		return nil
	}
	return fmt.Errorf("the database refused to read it: %w", f.err)
}

// errNoKind reports a kind that the plan does not hold.
var errNoKind = errors.New("the plan has no such kind")

// Package sqlite is the embedded demo main system: a SQLite database with change tracking of its own,
// and the [source.Source] that reads it. It keeps every promise that SQL Server Change Tracking keeps, by
// triggers that write into change tables, so that all of the agent can be exercised without a server.
//
// [Install] adds to the database
//
//	portalsync_ct_state     lineage and version; the version grows with every tracked change
//	portalsync_ct_table     per table: object id, version at which tracking began, minimum valid version,
//	                        key columns and the column types of that moment
//	portalsync_ct_<table>   per changed key: the last operation, its version and its time
//	portalsync_inbox        the ids of reports that were taken in
//
// and three triggers to each tracked table. A table is tracked by its primary key. A row whose key is null
// (SQLite allows it) is not tracked and never leaves. Two things SQLite does not tell a trigger: rows that
// INSERT OR REPLACE removes because of a unique index other than the primary key, unless the writer sets
// PRAGMA recursive_triggers; and changes by a connection that has switched triggers off.
//
// Values come as they are stored, whatever type the column declares: dates and times are ISO text, money is
// text, a whole number or a float that spells the amount. What cannot be converted is told (package cell).
//
// A copy of the file that is put back by hand keeps its lineage; [Restore] gives a new one, as RESTORE
// DATABASE does.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/relational"
	"lessor.dk/portalsync/protocol"
)

// Config tunes a Source. The zero value is usable.
type Config struct {
	// Busy is how long a statement waits for another writer's lock before [source.ErrBusy]; 0 means 5s.
	Busy time.Duration
}

// Source reads one SQLite database through a plan and writes reports into it. Its methods may be called
// by several goroutines.
type Source struct {
	path  string
	plan  *plan.Plan
	kinds []source.Kind
	busy  time.Duration

	mu        sync.Mutex
	file      os.FileInfo // the file that read is open on
	read      *sql.DB
	write     *sql.DB // opened by the first report
	schema    int64   // schema_version that layouts belongs to
	layouts   map[string]*layout
	estimates map[string]estimate
	failures  map[string]failure
}

// estimate is a table's row count, kept for a while because counting reads the table's smallest index.
type estimate struct {
	rows int64
	at   time.Time
}

const estimateAge = 15 * time.Minute

// failure is a kind's statement that the database refused. It stands as the kind's error for a while, so
// that the other kinds flow and the statement is still tried again once the rows may have been mended.
type failure struct {
	err error
	at  time.Time
}

const failureAge = time.Minute

// Open prepares to read the database file through the plan. Nothing is read before Begin; a file that is
// missing is [source.ErrGone].
func Open(path string, p *plan.Plan, cfg Config) (*Source, error) {
	s := &Source{path: path, plan: p, busy: cfg.Busy, estimates: map[string]estimate{}, failures: map[string]failure{}}
	if s.busy == 0 {
		s.busy = 5 * time.Second
	}
	if p.Mode == plan.Rowversion {
		return nil, fmt.Errorf("%s: mode rowversion asks for columns that SQLite does not have; write mode: %s", p.Name, plan.ChangeTracking)
	}
	for _, k := range p.Kinds {
		schema, err := k.Schema()
		if err != nil {
			return nil, fmt.Errorf("plan of %s: %w", k.Record.Name, err)
		}
		kind := source.Kind{Record: k.Record, Schema: protocol.PrepareSchema(schema), Poll: k.Poll, Quiet: k.Quiet}
		if k.Mode == plan.Compare {
			kind.Digest = source.DigestAll
		}
		s.kinds = append(s.kinds, kind)
	}
	if _, err := s.reader(); err != nil {
		return nil, err
	}
	return s, nil
}

// Kinds returns the planned kinds, parents before children.
func (s *Source) Kinds() []source.Kind { return append([]source.Kind(nil), s.kinds...) }

// Begin starts a read of the database's state now. See [source.Source].
func (s *Source) Begin(ctx context.Context) (source.Tx, error) {
	db, err := s.reader()
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.path, classify(ctx, err))
	}
	tx := &Tx{source: s, conn: conn, rows: map[string]*relational.Rows{}}
	if err := tx.begin(ctx); err != nil {
		tx.Close()
		return nil, fmt.Errorf("look at %s: %w", s.path, classify(ctx, err))
	}
	return tx, nil
}

// Close closes the database. Transactions must be closed before.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.read != nil {
		err = s.read.Close()
	}
	if s.write != nil {
		err = firstError(err, s.write.Close())
	}
	s.read, s.write = nil, nil
	return err
}

// fail keeps that the database refused a kind's statement.
func (s *Source) fail(kind string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
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

// reader returns the read-only connections. A file that was replaced by another is opened anew: an open
// connection would go on reading the deleted one for ever.
func (s *Source) reader() (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := os.Stat(s.path)
	if err != nil {
		return nil, fmt.Errorf("open main system database: %w: %w", source.ErrGone, err)
	}
	if s.read != nil && os.SameFile(now, s.file) {
		return s.read, nil
	}
	for _, old := range []*sql.DB{s.read, s.write} {
		if old != nil {
			old.Close()
		}
	}
	s.file, s.write, s.layouts = now, nil, nil
	if s.read, err = sql.Open("sqlite", s.dsn("ro", "_pragma=query_only(1)&_pragma=temp_store(memory)")); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.path, err)
	}
	return s.read, nil
}

// writer returns the one connection that reports are written through.
func (s *Source) writer() (*sql.DB, error) {
	if _, err := s.reader(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.write == nil {
		db, err := sql.Open("sqlite", s.dsn("rw", "_txlock=immediate"))
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", s.path, err)
		}
		db.SetMaxOpenConns(1)
		s.write = db
	}
	return s.write, nil
}

func (s *Source) dsn(mode, more string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(s.path)}).EscapedPath()}
	u.RawQuery = fmt.Sprintf("mode=%s&_pragma=busy_timeout(%d)&%s", mode, s.busy.Milliseconds(), more)
	return u.String()
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

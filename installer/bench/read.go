package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/installer/demo/company"
	"lessor.dk/portalsync/protocol"
)

// The ways to read.
const (
	readPlain  = "plain"
	readChunks = "chunks"
	readIdle   = "idle"
)

// readChunk is the rows of one transaction, as in the agent's first load.
const readChunk = 5000

// idlePolls is how many looks an idle measure takes.
const idlePolls = 50

// Read is one reading process of [Source]: it reads what the file names, in the given way, and writes what it saw to w.
func Read(ctx context.Context, way, targetFile string, w io.Writer) error {
	b, err := os.ReadFile(targetFile)
	if err != nil {
		return fmt.Errorf("read where the rows are: %w", err)
	}
	var target sourceTarget
	if err := json.Unmarshal(b, &target); err != nil {
		return fmt.Errorf("read where the rows are: %w", err)
	}
	var result readResult
	switch way {
	case readPlain:
		result, err = target.plain(ctx)
	case readChunks, readIdle:
		result, err = target.through(ctx, way)
	default:
		return fmt.Errorf("%q is no way to read", way)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(result)
}

func (t sourceTarget) onServer() bool { return strings.HasPrefix(t.Address, "sqlserver:") }

// plain reads every row with one SELECT, as any program would.
func (t sourceTarget) plain(ctx context.Context) (result readResult, err error) {
	db, err := t.open(ctx)
	if err != nil {
		return result, err
	}
	defer db.Close()
	start := time.Now()
	rows, err := db.QueryContext(ctx, readLinesSQL)
	if err != nil {
		return result, fmt.Errorf("read the main system: %w", err)
	}
	defer rows.Close()
	const columns = 12
	values, targets := make([]any, columns), make([]any, columns)
	for i := range values {
		targets[i] = &values[i]
	}
	for ; rows.Next(); result.Rows++ {
		if err := rows.Scan(targets...); err != nil {
			return result, fmt.Errorf("read row %d: %w", result.Rows, err)
		}
	}
	result.Took = time.Since(start)
	return result, rows.Err()
}

func (t sourceTarget) open(ctx context.Context) (*sql.DB, error) {
	if t.onServer() {
		main, err := company.OpenServer(ctx, t.Address)
		if err != nil {
			return nil, err
		}
		return main.DB(), nil
	}
	db, err := sql.Open("sqlite", "file:"+t.Address+"?mode=ro")
	if err != nil {
		return nil, fmt.Errorf("open the main system: %w", err)
	}
	return db, nil
}

// through reads through the agent's source: everything in chunks, or many looks that find nothing.
func (t sourceTarget) through(ctx context.Context, way string) (readResult, error) {
	p, err := plan.Parse("plan.yaml", []byte(strings.Replace(planText, "version: 1\n", "version: 1\nmode: "+t.Mode+"\n", 1)))
	if err != nil {
		return readResult{}, err
	}
	trips := &tripCounter{}
	var src source.Source
	if t.onServer() {
		src, err = sqlserver.Open(t.Address, p, sqlserver.Config{Dial: trips})
	} else {
		src, err = sqlite.Open(t.Address, p, sqlite.Config{})
	}
	if err != nil {
		return readResult{}, err
	}
	defer src.Close()
	if way == readIdle {
		return idle(ctx, src, trips)
	}
	start := time.Now()
	var r readResult
	var after []byte
	for done := false; !done; {
		if after, done, err = r.chunk(ctx, src, after); err != nil {
			return r, err
		}
	}
	r.Took = time.Since(start)
	return r, nil
}

func (r *readResult) chunk(ctx context.Context, src source.Source, after []byte) (last []byte, done bool, err error) {
	tx, err := src.Begin(ctx)
	if err != nil {
		return nil, false, err
	}
	defer tx.Close()
	return tx.Chunk(ctx, src.Kinds()[0].Record.Name, after, readChunk, func(*protocol.Row) error {
		r.Rows++
		return nil
	})
}

// idle looks as capture does: what changed is counted only when the database's position has moved.
func idle(ctx context.Context, src source.Source, trips *tripCounter) (r readResult, err error) {
	position, err := look(ctx, src, 0) // the first one reads the catalogue
	if err != nil {
		return r, err
	}
	before, err := processUsage(os.Getpid())
	if err != nil {
		return r, err
	}
	seen, start := trips.n.Load(), time.Now()
	for range idlePolls {
		if position, err = look(ctx, src, position); err != nil {
			return r, err
		}
	}
	r.Took, r.RoundTrips = time.Since(start), trips.n.Load()-seen
	after, err := processUsage(os.Getpid())
	r.CPU = (after.CPU - before.CPU).Seconds()
	return r, err
}

func look(ctx context.Context, src source.Source, position protocol.Position) (protocol.Position, error) {
	tx, err := src.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Close()
	at := tx.State().Position
	if at != position {
		if _, err := tx.CountChanges(ctx, src.Kinds()[0].Record.Name, position); err != nil {
			return 0, err
		}
	}
	return at, nil
}

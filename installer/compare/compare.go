// Package compare holds the portal's store against the main system, row by row and field by field, through
// the plan: what the portal shows must be what the plan makes of the main system, no more and no less.
package compare

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the store on PostgreSQL
	_ "modernc.org/sqlite"             // the store on SQLite

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// chunk is the number of rows read from the main system in one piece.
const chunk = 5000

// maxShown is how many differences of a kind a result names.
const maxShown = 3

// Result is the outcome for one record kind.
type Result struct {
	Kind        string   `json:"kind"`
	Rows        int      `json:"rows"`    // in the main system
	Fields      int      `json:"fields"`  // compared: rows times planned fields
	Missing     int      `json:"missing"` // rows that the portal lacks
	Extra       int      `json:"extra"`   // rows that only the portal has
	Differing   int      `json:"differing"`
	Differences []string `json:"differences,omitempty"` // the first few, without content
}

// Equal reports whether the portal shows exactly the main system.
func (r Result) Equal() bool { return r.Missing == 0 && r.Extra == 0 && r.Differing == 0 }

// Comparison reads both sides. The main system is read in one transaction; the store must be at rest.
type Comparison struct {
	src    source.Source
	db     *sql.DB
	tenant protocol.TenantID
	stream protocol.StreamID
}

// Open connects to the store of a stream: postgres://… or sqlite:FILE.
func Open(src source.Source, database string, tenant protocol.TenantID, stream protocol.StreamID) (*Comparison, error) {
	driver, name := "pgx", database
	if file, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, name = "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		return nil, errors.New("open the store: its address cannot be read")
	}
	return &Comparison{src: src, db: db, tenant: tenant, stream: stream}, nil
}

// Close releases the store.
func (c *Comparison) Close() error { return c.db.Close() }

// Run compares every planned kind.
func (c *Comparison) Run(ctx context.Context) ([]Result, error) {
	tx, err := c.src.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the main system: %w", err)
	}
	defer tx.Close()
	var results []Result
	for _, k := range c.src.Kinds() {
		r, err := c.kind(ctx, tx, k)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", k.Record.Name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

func (c *Comparison) kind(ctx context.Context, tx source.Tx, k source.Kind) (Result, error) {
	r := Result{Kind: k.Record.Name}
	if err := tx.State().Kinds[r.Kind].Err; err != nil {
		return r, err
	}
	stored, err := c.stored(ctx, k)
	if err != nil {
		return r, err
	}
	var after []byte
	for done := false; !done; {
		after, done, err = tx.Chunk(ctx, r.Kind, after, chunk, func(row *protocol.Row) error {
			if row.Op == protocol.Keep { // the portal may have an earlier state of it, or none
				delete(stored, string(protocol.KeyBytes(k.Schema, row.Values)))
				return nil
			}
			r.Rows++
			return c.row(ctx, &r, k, row, stored)
		})
		if err != nil {
			return r, fmt.Errorf("read the main system: %w", err)
		}
	}
	r.Extra = len(stored)
	r.Fields = r.Rows * len(k.Schema.Fields)
	return r, nil
}

// row compares one row and takes it out of the stored ones.
func (c *Comparison) row(ctx context.Context, r *Result, k source.Kind, row *protocol.Row, stored map[string][]protocol.Value) error {
	key := string(protocol.KeyBytes(k.Schema, row.Values))
	have, ok := stored[key]
	if !ok {
		r.Missing++
		r.show("row %d of the main system is not in the portal", r.Rows)
		return nil
	}
	delete(stored, key)
	for i, want := range row.Values {
		got := have[i]
		if k.Schema.Types[i] == record.Document {
			content, err := c.document(ctx, got.S)
			if err != nil {
				return err
			}
			got = protocol.BytesValue(content)
		}
		if got != want {
			r.Differing++
			r.show("field %s of row %d differs", k.Schema.Fields[i].Name, r.Rows)
			return nil
		}
	}
	return nil
}

func (r *Result) show(format string, args ...any) {
	if len(r.Differences) < maxShown {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// stored reads the kind's rows of the stream by their canonical key.
func (c *Comparison) stored(ctx context.Context, k source.Kind) (_ map[string][]protocol.Value, err error) {
	var columns []string
	for _, f := range k.Schema.Fields {
		columns = append(columns, f.Name)
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM rec_" + k.Record.Name + " WHERE tenant_id = $1 AND stream_id = $2" //nolint:gosec // names of the catalogue
	rows, err := c.db.QueryContext(ctx, query, int64(c.tenant), int64(c.stream))
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	defer rows.Close()
	stored := map[string][]protocol.Value{}
	cells, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		places[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return nil, fmt.Errorf("read the store: %w", err)
		}
		values := make([]protocol.Value, len(cells))
		for i, cell := range cells {
			if values[i], err = value(k.Schema.Types[i], cell); err != nil {
				return nil, fmt.Errorf("read the store: field %s: %w", columns[i], err)
			}
		}
		stored[string(protocol.KeyBytes(k.Schema, values))] = values
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	return stored, nil
}

// value is a stored cell as it was sent.
func value(t record.Type, cell any) (protocol.Value, error) {
	switch cell := cell.(type) {
	case nil:
		return protocol.NullValue(), nil
	case int64:
		if t == record.Bool {
			return protocol.BoolValue(cell != 0), nil
		}
		return protocol.IntValue(cell), nil
	case string:
		return protocol.TextValue(cell), nil
	case []byte:
		return protocol.BytesValue(string(cell)), nil
	}
	return protocol.Value{}, fmt.Errorf("a cell of type %T", cell)
}

const documentSQL = `
SELECT content
FROM   blob
WHERE  tenant_id = $1 AND name = $2`

// document reads a document of the store by its name.
func (c *Comparison) document(ctx context.Context, name string) (string, error) {
	var content []byte
	if err := c.db.QueryRowContext(ctx, documentSQL, int64(c.tenant), name).Scan(&content); err != nil {
		return "", fmt.Errorf("read document %s of the store: %w", name, err)
	}
	return string(content), nil
}

// Package storetest holds the promises of package store as sentences. Every database that the store runs on keeps all
// of them: its test calls Run.
package storetest

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/receiver/store"
)

// Opened is a migrated, empty database.
type Opened struct {
	Store *store.Store
	// DB looks behind the store, on a connection of its own.
	DB *sql.DB
	// Writes returns something that differs after any row of a table was written, be it with the same content.
	Writes func(t *testing.T, table string) string
}

// Run checks every promise. open returns a database for a group of tests, each of which has a tenant of its own in it.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	t.Helper()
	for name, group := range map[string]func(*testing.T, Opened){
		"enrolment":    enrolment,
		"opening":      opening,
		"transactions": transactions,
		"apply":        apply,
		"deletes":      deletes,
		"snapshots":    snapshots,
		"ranges":       ranges,
		"sweeps":       sweeps,
		"kept rows":    keeps,
		"guards":       guards,
		"kept fields":  keptFields,
		"holds":        holds,
		"dead letters": letters,
		"digests":      digests,
		"blobs":        blobs,
		"leases":       leases,
		"isolation":    isolation,
		"users":        users,
		"sessions":     sessions,
		"pages":        pages,
		"reports":      reports,
	} {
		t.Run(name, func(t *testing.T) { group(t, open(t)) })
	}
}

// start is when every test begins.
var start = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

// fixture is a database with one tenant whose agent has opened its stream.
type fixture struct {
	Opened
	code   string
	tenant protocol.TenantID
	agent  protocol.AgentID
	stream protocol.StreamID
	key    string
}

// newFixture makes a tenant of that name and opens its stream for the kinds, all ok. Names are unique within a test.
func newFixture(t *testing.T, o Opened, name string, kinds ...string) *fixture {
	t.Helper()
	code := t.Name() + "/" + name
	tenant, err := o.Store.CreateTenant(t.Context(), code, "Vestkystens Savværk A/S")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Opened: o, code: code, tenant: tenant, key: "k1"}
	f.invite(t, "first", 0)
	a, err := f.enrol(t, "first", f.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.agent, f.stream = a.Agent, a.Stream
	if _, _, err := f.open(t, opening1(kinds...)); err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		f.set(t, protocol.KindStatus{Kind: kind, State: protocol.KindOK})
	}
	return f
}

// name makes the name of an invite or key unique to the fixture.
func (f *fixture) name(s string) string { return s + " of " + f.code }

func (f *fixture) invite(t *testing.T, id string, replaces protocol.AgentID) {
	t.Helper()
	err := f.Store.CreateInvite(t.Context(), store.Invite{
		ID: f.name(id), Tenant: f.tenant, Secret: []byte("secret of " + id), Replaces: replaces, MainSystem: "Lønsystem",
		CreatedBy: "administrator", CreatedAt: start, ExpiresAt: start.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// enrol uses an invite ten minutes after the start; proof nil is a right one.
func (f *fixture) enrol(t *testing.T, invite string, key string, proof error) (store.EnrolledAgent, error) {
	t.Helper()
	return f.enrolAt(t, start.Add(10*time.Minute), invite, key, proof)
}

func (f *fixture) enrolAt(t *testing.T, at time.Time, invite string, key string, proof error) (store.EnrolledAgent, error) {
	t.Helper()
	return f.Store.Enrol(t.Context(), f.name(invite), at, func(i store.Invite) error {
		if want := "secret of " + invite; string(i.Secret) != want {
			t.Errorf("secret = %q, want %q", i.Secret, want)
		}
		return proof
	}, store.NewAgent{Key: f.keyID(key), SignKey: []byte("sign"), SealKey: []byte("seal"), InstallID: "i1", Hostname: "loen01"})
}

func (f *fixture) keyID(key string) protocol.KeyID { return protocol.KeyID(f.name(key)) }

// opening1 is the opening of an agent process whose plan has these kinds.
func opening1(kinds ...string) store.StreamOpening {
	o := store.StreamOpening{BootNonce: "boot-1", InstallID: "i1", PlanHash: "plan-1", Lineage: "line-1", Position: 100, Now: start}
	for _, kind := range kinds {
		o.Schemas = append(o.Schemas, protocol.Schema{Kind: kind, Fields: []protocol.SchemaField{{Name: kind + "_no", Type: "text"}}})
	}
	return o
}

func (f *fixture) open(t *testing.T, o store.StreamOpening) (store.Stream, map[string]protocol.KindStatus, error) {
	t.Helper()
	o.Agent = f.agent
	st, kinds, err := f.Store.OpenStream(t.Context(), f.tenant, f.stream, o)
	return st, byName(kinds), err
}

func byName(kinds []protocol.KindStatus) map[string]protocol.KindStatus {
	m := map[string]protocol.KindStatus{}
	for _, k := range kinds {
		m[k.Kind] = k
	}
	return m
}

// in runs f in a transaction on the stream that must succeed.
func (f *fixture) in(t *testing.T, do func(*store.StreamTx) error) {
	t.Helper()
	if err := f.Store.InStream(t.Context(), f.tenant, f.stream, do); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) set(t *testing.T, k protocol.KindStatus) {
	t.Helper()
	f.in(t, func(tx *store.StreamTx) error { return tx.SetKind(t.Context(), k, store.Cause{}) })
}

func (f *fixture) running(t *testing.T, kind string, id protocol.SnapshotID) {
	t.Helper()
	f.set(t, protocol.KindStatus{Kind: kind, State: protocol.KindRunning, Snapshot: id})
}

func (f *fixture) sweeping(t *testing.T, kind string, id protocol.SnapshotID) {
	t.Helper()
	f.set(t, protocol.KindStatus{Kind: kind, State: protocol.KindSweeping, Snapshot: id})
}

func (f *fixture) state(t *testing.T, kind string) protocol.KindStatus {
	t.Helper()
	_, kinds, err := f.Store.StreamState(t.Context(), f.tenant, f.stream)
	if err != nil {
		t.Fatal(err)
	}
	return byName(kinds)[kind]
}

// stage puts rows in a stage as they come out of a batch, hashes included.
func (f *fixture) stage(t *testing.T, kind string, rows ...protocol.Row) *store.Stage {
	t.Helper()
	schema := protocoltest.Schema(t, kind)
	st := f.Store.NewStage(schema)
	for _, r := range decoded(t, schema, rows) {
		var err error
		switch r.Op {
		case protocol.Insert, protocol.Update:
			err = st.Upsert(&r)
		case protocol.Delete:
			err = st.Delete(&r)
		case protocol.Keep:
			st.Keep(&r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return st
}

func decoded(t *testing.T, schema *protocol.SectionSchema, rows []protocol.Row) []protocol.DecodedRow {
	t.Helper()
	h := protocoltest.Header(1)
	h.Last, h.Chunk = false, &protocol.Chunk{Kind: schema.Kind}
	b := protocoltest.Batch(t, h, schema, rows)
	d, err := protocol.NewDecoder(b, protocoltest.Schemas(schema))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.NextSection(); err != nil {
		t.Fatal(err)
	}
	out := make([]protocol.DecodedRow, len(rows))
	for i := range out {
		if err := d.Row(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (f *fixture) apply(t *testing.T, kind string, rows ...protocol.Row) store.Applied {
	t.Helper()
	var a store.Applied
	st := f.stage(t, kind, rows...)
	f.in(t, func(tx *store.StreamTx) (err error) {
		a, err = tx.Apply(t.Context(), st, stamps)
		return err
	})
	return a
}

var stamps = store.ApplyOptions{CapturedAt: start.UnixMilli(), ReceivedAt: start.UnixMilli() + 5}

func dept(no, name string) protocol.Row {
	return protocol.Row{Op: protocol.Update, Version: 100, Values: []protocol.Value{
		protocol.TextValue(no), protocol.TextValue(name), protocol.NullValue(), protocol.NullValue(),
	}}
}

func noDept(no string) protocol.Row {
	return protocol.Row{Op: protocol.Delete, Version: 101, Values: []protocol.Value{protocol.TextValue(no), {}, {}, {}}}
}

// depts returns the departments of the fixture's stream as "no=name" with "@snapshot" when they carry one.
func (f *fixture) depts(t *testing.T) []string {
	t.Helper()
	rows, err := f.DB.QueryContext(t.Context(), `SELECT department_no, name, COALESCE(snapshot_id, 0) FROM rec_department
		WHERE tenant_id = $1 AND stream_id = $2 ORDER BY department_no`, f.tenant, f.stream)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var no, name string
		var snapshot int64
		if err := rows.Scan(&no, &name, &snapshot); err != nil {
			t.Fatal(err)
		}
		line := no + "=" + name
		if snapshot != 0 {
			line += fmt.Sprintf("@%d", snapshot)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// count counts the tenant's rows of a table, behind the store.
func (f *fixture) count(t *testing.T, table, condition string) int {
	t.Helper()
	var n int
	query := "SELECT COUNT(*) FROM " + table + " WHERE tenant_id = $1 AND " + condition
	if err := f.DB.QueryRowContext(t.Context(), query, f.tenant).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

package storetest

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
	"lessor.dk/portalsync/protocol/record"
	"lessor.dk/portalsync/receiver/store"
)

// Company is a customer whose main system has sent records, for tests of pages and queries.
type Company struct {
	Store  *store.Store
	Tenant protocol.TenantID
	Agent  protocol.AgentID
	Stream protocol.StreamID
	now    time.Time
}

// Row is one record: field by field, as a person writes it. Dates are 2026-11-30, decimals 18.48, times 08:00,
// instants RFC 3339.
type Row map[string]string

// NewCompany makes a customer with an enrolled agent that has opened a stream of all record kinds, all of them ok
// and equal to the main system as of now.
func NewCompany(tb testing.TB, s *store.Store, code, name string, now time.Time) *Company {
	tb.Helper()
	c := &Company{Store: s, now: now}
	var err error
	if c.Tenant, err = s.CreateTenant(tb.Context(), code, name); err != nil {
		tb.Fatal(err)
	}
	c.Enrol(tb, code)
	c.Open(tb, "line-1")
	return c
}

// Enrol gives the company another agent, with a stream of its own; c is then about that one. The name is unique.
func (c *Company) Enrol(tb testing.TB, name string) {
	tb.Helper()
	err := c.Store.CreateInvite(tb.Context(), store.Invite{ID: name, Tenant: c.Tenant, Secret: []byte("s"), MainSystem: "Lønsystem",
		CreatedBy: "test", CreatedAt: c.now, ExpiresAt: c.now.Add(time.Hour)})
	if err != nil {
		tb.Fatal(err)
	}
	a, err := c.Store.Enrol(tb.Context(), name, c.now, func(store.Invite) error { return nil }, store.NewAgent{
		Key: protocol.KeyID("key of " + name), SignKey: []byte("sign"), SealKey: []byte("seal"), InstallID: "i1",
		Hostname: strings.ToUpper(name) + "-LOEN01", Version: "1.0.0", Platform: "windows/amd64", MainSystem: "Løn 6.2"})
	if err != nil {
		tb.Fatal(err)
	}
	c.Agent, c.Stream = a.Agent, a.Stream
}

// Open opens the stream for all record kinds and makes them ok.
func (c *Company) Open(tb testing.TB, lineage protocol.Lineage) {
	tb.Helper()
	o := store.StreamOpening{Agent: c.Agent, BootNonce: "b1", InstallID: "i1", Lineage: lineage, Position: 8122,
		AgentVersion: "1.0.0", Platform: "windows/amd64", PlanHash: "p1", Now: c.now}
	for _, k := range record.All() {
		o.Schemas = append(o.Schemas, protocoltest.Schema(tb, k.Name).Schema)
	}
	_, kinds, err := c.Store.OpenStream(tb.Context(), c.Tenant, c.Stream, o)
	if err != nil {
		tb.Fatal(err)
	}
	c.In(tb, func(tx *store.StreamTx) error {
		for _, k := range kinds {
			if err := tx.SetKind(tb.Context(), protocol.KindStatus{Kind: k.Kind, State: protocol.KindOK}, store.Cause{}); err != nil {
				return err
			}
		}
		return tx.SetCheckpoint(tb.Context(), store.Checkpoint{AppliedSeq: 1, Lineage: lineage, Position: 8123,
			CapturedAt: c.now.UnixMilli(), AppliedAt: c.now.UnixMilli()})
	})
}

// In runs f in a transaction on the company's stream.
func (c *Company) In(tb testing.TB, f func(*store.StreamTx) error) {
	tb.Helper()
	if err := c.Store.InStream(tb.Context(), c.Tenant, c.Stream, f); err != nil {
		tb.Fatal(err)
	}
}

// Put applies rows of a kind, the way the writer does: encoded, decoded, staged.
func (c *Company) Put(tb testing.TB, kind string, rows ...Row) {
	tb.Helper()
	schema := protocoltest.Schema(tb, kind)
	k := record.ByName(kind)
	encoded := make([]protocol.Row, len(rows))
	for i, r := range rows {
		for name := range r {
			if k.Field(name) < 0 {
				tb.Fatalf("record kind %s has no field %s", kind, name)
			}
		}
		encoded[i] = protocol.Row{Op: protocol.Insert, Version: protocol.Position(i + 1)}
		for _, f := range k.Fields {
			v, err := value(f, r)
			if err != nil {
				tb.Fatalf("%s.%s: %v", kind, f.Name, err)
			}
			encoded[i].Values = append(encoded[i].Values, v)
		}
	}
	batch := protocoltest.Batch(tb, protocoltest.Header(1, kind), schema, encoded)
	stage := c.Store.NewStage(schema)
	d, err := protocol.NewDecoder(batch, protocoltest.Schemas(schema))
	if err != nil {
		tb.Fatal(err)
	}
	for {
		_, n, err := d.NextSection()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		for range n {
			var r protocol.DecodedRow
			if err := d.Row(&r); err != nil {
				tb.Fatal(err)
			}
			if err := stage.Upsert(&r); err != nil {
				tb.Fatal(err)
			}
		}
	}
	c.In(tb, func(tx *store.StreamTx) error {
		_, err := tx.Apply(tb.Context(), stage, store.ApplyOptions{CapturedAt: c.now.UnixMilli(), ReceivedAt: c.now.UnixMilli()})
		return err
	})
}

const ticksPerSecond = 10_000_000

func value(f record.Field, r Row) (protocol.Value, error) {
	s, ok := r[f.Name]
	if !ok {
		if f.Nullable {
			return protocol.NullValue(), nil
		}
		return protocol.Value{}, errors.New("is not given and may not be null")
	}
	switch f.Type {
	case record.Text, record.Document:
		return protocol.TextValue(s), nil
	case record.Bytes:
		return protocol.BytesValue(s), nil
	case record.Bool:
		return protocol.BoolValue(s == "true"), nil
	case record.Int:
		n, err := strconv.ParseInt(s, 10, 64)
		return protocol.IntValue(n), err
	case record.Decimal:
		whole, fraction, _ := strings.Cut(s, ".")
		for len(fraction) < f.Scale {
			fraction += "0"
		}
		n, err := strconv.ParseInt(whole+fraction, 10, 64)
		return protocol.IntValue(n), err
	case record.Date:
		d, err := time.Parse(time.DateOnly, s)
		return protocol.DateValue(d.Year(), d.Month(), d.Day()), err
	case record.Time:
		d, err := time.Parse("15:04", s)
		return protocol.IntValue(int64(d.Hour()*3600+d.Minute()*60) * ticksPerSecond), err
	case record.Instant:
		d, err := time.Parse(time.RFC3339, s)
		return protocol.IntValue(d.Unix() * ticksPerSecond), err
	}
	return protocol.Value{}, fmt.Errorf("type %s is unknown", f.Type)
}

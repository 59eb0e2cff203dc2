package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// isolation shows invariant I10: nothing of tenant A is readable or writable as tenant B.
func isolation(t *testing.T, o Opened) {
	two := func(t *testing.T) (a, b *fixture) {
		t.Helper()
		return newFixture(t, o, "a", "department"), newFixture(t, o, "b", "department")
	}
	t.Run("equal keys of two tenants are two records", func(t *testing.T) {
		a, b := two(t)
		a.apply(t, "department", dept("10", "Savværk"))
		b.apply(t, "department", dept("10", "Mejeri"))
		a.apply(t, "department", noDept("10"))
		if diff := cmp.Diff([]string{"10=Mejeri"}, b.depts(t)); diff != "" || len(a.depts(t)) != 0 {
			t.Errorf("a = %v, b: %s", a.depts(t), diff)
		}
	})
	t.Run("marks and sweeps of one tenant leave the other's rows", func(t *testing.T) {
		a, b := two(t)
		for _, f := range []*fixture{a, b} {
			f.apply(t, "department", dept("10", "Savværk"), dept("20", "Kontor"))
			f.running(t, "department", 7)
		}
		b.apply(t, "department", dept("10", "Savværk"))
		a.apply(t, "department", dept("20", "Kontor"))
		a.apply(t, "department", dept("30", "Lager"))
		b.running(t, "department", 8)
		b.apply(t, "department", dept("30", "Køkken"))
		b.running(t, "department", 9)
		a.sweeping(t, "department", 7)
		a.sweepAll(t, "department", 10)
		if diff := cmp.Diff([]string{"20=Kontor", "30=Lager@7"}, a.depts(t)); diff != "" {
			t.Errorf("a: %s", diff)
		}
		if diff := cmp.Diff([]string{"10=Savværk", "20=Kontor", "30=Køkken@8"}, b.depts(t)); diff != "" {
			t.Errorf("b: %s", diff)
		}
		if n := b.count(t, marks, all); n != 1 {
			t.Errorf("marks = %d, want b's 1", n)
		}
	})
	t.Run("a stream is not found as another tenant's", func(t *testing.T) {
		a, b := two(t)
		a.letter(t, "10")
		ctx, s := t.Context(), a.Store
		_, _, stateErr := s.StreamState(ctx, b.tenant, a.stream)
		_, _, openErr := s.OpenStream(ctx, b.tenant, a.stream, store.StreamOpening{Agent: a.agent, Now: start})
		_, _, sweepErr := s.Sweep(ctx, store.Fence{}, b.tenant, a.stream, "department", 1)
		_, sealedErr := s.SealedLetter(ctx, b.tenant, a.stream, 1)
		for what, err := range map[string]error{
			"StreamState":   stateErr,
			"OpenStream":    openErr,
			"Sweep":         sweepErr,
			"SealedLetter":  sealedErr,
			"InStream":      s.InStream(ctx, b.tenant, a.stream, func(*store.StreamTx) error { return nil }),
			"SuspendStream": s.SuspendStream(ctx, b.tenant, a.stream, store.Cause{Code: store.CausePerson, Note: "x"}),
			"ReleaseStream": s.ReleaseStream(ctx, b.tenant, a.stream),
			"SuspendKind":   s.SuspendKind(ctx, b.tenant, a.stream, "department", store.Cause{Code: store.CausePerson, Note: "x"}),
			"ReleaseKind":   s.ReleaseKind(ctx, b.tenant, a.stream, "department"),
			"AskReread":     s.AskReread(ctx, b.tenant, a.stream, 1),
			"SetAgentState": s.SetAgentState(ctx, b.tenant, a.agent, store.AgentRevoked),
			"SaveCheckIn":   s.SaveCheckIn(ctx, b.tenant, a.agent, protocol.AgentStatus{}, "192.0.2.1", start),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: err = %v, want ErrNotFound", what, err)
			}
		}
		if found, err := s.DeadLetters(ctx, b.tenant, a.stream, 10); err != nil || len(found) != 0 {
			t.Errorf("letters = %v (err %v), want none", found, err)
		}
		if found, err := s.Streams(ctx, b.tenant); err != nil || len(found) != 1 || found[0] != b.stream {
			t.Errorf("streams of b = %v (err %v), want %d", found, err, b.stream)
		}
	})
	t.Run("a document, a schema is not found as another tenant's", func(t *testing.T) {
		a, b := two(t)
		ctx, s := t.Context(), a.Store
		if err := s.StoreBlob(ctx, a.tenant, "doc", []byte("a's"), start); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Blob(ctx, b.tenant, "doc"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Blob: err = %v, want ErrNotFound", err)
		}
		if err := s.StoreBlob(ctx, b.tenant, "doc", []byte("b's"), start); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Blob(ctx, a.tenant, "doc"); err != nil || string(got) != "a's" {
			t.Errorf("a's document = %q (err %v)", got, err)
		}
		c := newFixture(t, a.Opened, "c")
		if _, err := s.Schema(ctx, c.tenant, opening1("department").Schemas[0].Hash()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Schema: err = %v, want ErrNotFound", err)
		}
	})
	t.Run("an invite cannot replace another tenant's agent", func(t *testing.T) {
		a, b := two(t)
		b.invite(t, "steal", a.agent)
		if _, err := b.enrol(t, "steal", "k2", nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("err = %v, want ErrNotFound", err)
		}
		if got, err := a.Store.AgentByKey(t.Context(), a.keyID(a.key)); err != nil || got.State != store.AgentActive {
			t.Errorf("a's key is %s (err %v), want active", got.State, err)
		}
	})
}

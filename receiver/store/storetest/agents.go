package storetest

import (
	"errors"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

func enrolment(t *testing.T, o Opened) {
	wrong := errors.New("the proof does not match")
	t.Run("the same key may repeat, also after the invite expired, and gets the same identity", func(t *testing.T) {
		f := newFixture(t, o, "one")
		again, err := f.enrolAt(t, start.Add(2*time.Hour), "first", f.key, nil)
		if err != nil || again.Agent != f.agent || again.Stream != f.stream || !again.Repeated {
			t.Errorf("again = %+v (err %v), want agent %d, stream %d, repeated", again, err, f.agent, f.stream)
		}
	})
	t.Run("another key finds the invite taken", func(t *testing.T) {
		f := newFixture(t, o, "one")
		if _, err := f.enrol(t, "first", "other-key", nil); !errors.Is(err, store.ErrInviteTaken) {
			t.Errorf("err = %v, want ErrInviteTaken", err)
		}
	})
	t.Run("five wrong proofs burn the invite, also for a right one", func(t *testing.T) {
		f := newFixture(t, o, "one")
		f.invite(t, "second", 0)
		for range 5 {
			if _, err := f.enrol(t, "second", "k2", wrong); !errors.Is(err, store.ErrInvite) || !errors.Is(err, wrong) {
				t.Fatalf("err = %v, want ErrInvite and the reason", err)
			}
		}
		if _, err := f.enrol(t, "second", "k2", nil); !errors.Is(err, store.ErrInvite) {
			t.Errorf("err = %v, want ErrInvite", err)
		}
	})
	t.Run("four wrong proofs do not", func(t *testing.T) {
		f := newFixture(t, o, "one")
		f.invite(t, "second", 0)
		for range 4 {
			_, _ = f.enrol(t, "second", "k2", wrong)
		}
		if _, err := f.enrol(t, "second", "k2", nil); err != nil {
			t.Error(err)
		}
	})
	t.Run("an expired, and an unknown, invite is refused", func(t *testing.T) {
		f := newFixture(t, o, "one")
		f.invite(t, "second", 0)
		if _, err := f.enrolAt(t, start.Add(time.Hour), "second", "k2", nil); !errors.Is(err, store.ErrInvite) {
			t.Errorf("expired: err = %v, want ErrInvite", err)
		}
		if _, err := f.enrol(t, "no-such", "k2", nil); !errors.Is(err, store.ErrInvite) {
			t.Errorf("unknown: err = %v, want ErrInvite", err)
		}
	})
	t.Run("an invite id is used once", func(t *testing.T) {
		f := newFixture(t, o, "one")
		err := f.Store.CreateInvite(t.Context(), store.Invite{ID: f.name("first"), Tenant: f.tenant, Secret: []byte("s")})
		if !errors.Is(err, store.ErrExists) {
			t.Errorf("err = %v, want ErrExists", err)
		}
	})
	t.Run("a replacement keeps agent and stream, and ends the old key", func(t *testing.T) {
		f := newFixture(t, o, "one")
		f.invite(t, "replace", f.agent)
		a, err := f.enrol(t, "replace", "k2", nil)
		if err != nil || a.Agent != f.agent || a.Stream != f.stream {
			t.Fatalf("a = %+v (err %v), want agent %d and stream %d", a, err, f.agent, f.stream)
		}
		for key, want := range map[string]store.AgentState{f.key: store.AgentSuperseded, "k2": store.AgentActive} {
			got, err := f.Store.AgentByKey(t.Context(), f.keyID(key))
			if err != nil || got.State != want || got.Agent != f.agent || got.Tenant != f.tenant || got.Stream != f.stream {
				t.Errorf("key %s = %+v (err %v), want state %s", key, got.State, err, want)
			}
		}
	})
	t.Run("an unknown key is not found", func(t *testing.T) {
		f := newFixture(t, o, "one")
		if _, err := f.Store.AgentByKey(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("err = %v, want ErrNotFound", err)
		}
	})
	t.Run("the key tells that its agent or tenant is stopped", func(t *testing.T) {
		f := newFixture(t, o, "one")
		if err := f.Store.SetAgentState(t.Context(), f.tenant, f.agent, store.AgentRevoked); err != nil {
			t.Fatal(err)
		}
		if err := f.Store.SuspendTenant(t.Context(), f.tenant, true); err != nil {
			t.Fatal(err)
		}
		got, err := f.Store.AgentByKey(t.Context(), f.keyID(f.key))
		if err != nil || got.State != store.AgentRevoked || !got.TenantSuspended {
			t.Errorf("got = %s, suspended %t (err %v), want revoked, true", got.State, got.TenantSuspended, err)
		}
		if st, _, err := f.Store.StreamState(t.Context(), f.tenant, f.stream); err != nil || st.AgentState != store.AgentRevoked || !st.TenantSuspended {
			t.Errorf("stream = %+v (err %v), want the same there", st, err)
		}
	})
	t.Run("two tenants have different keys for blob names", func(t *testing.T) {
		a, b := newFixture(t, o, "one"), newFixture(t, o, "two")
		ka, err := a.Store.BlobKey(t.Context(), a.tenant)
		if err != nil {
			t.Fatal(err)
		}
		kb, err := b.Store.BlobKey(t.Context(), b.tenant)
		if err != nil || string(ka) == string(kb) || len(ka) != 32 {
			t.Errorf("keys of %d bytes are equal: %t (err %v)", len(ka), string(ka) == string(kb), err)
		}
		if _, err := a.Store.CreateTenant(t.Context(), a.code, "Again"); !errors.Is(err, store.ErrExists) {
			t.Errorf("second tenant of one code: err = %v, want ErrExists", err)
		}
	})
}

func opening(t *testing.T, o Opened) {
	t.Run("the generation is the clock, and one more when the clock went back", func(t *testing.T) {
		f := newFixture(t, o, "one")
		op := opening1()
		op.Now = start.Add(time.Hour)
		first, _, err := f.open(t, op)
		if want := protocol.Generation(op.Now.UnixMilli()); err != nil || first.Gen != want {
			t.Fatalf("gen = %d (err %v), want %d", first.Gen, err, want)
		}
		op.Now = start
		if second, _, err := f.open(t, op); err != nil || second.Gen != first.Gen+1 {
			t.Errorf("gen = %d (err %v), want %d", second.Gen, err, first.Gen+1)
		}
	})
	t.Run("the checkpoint stays, and numbers begin anew", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		f.in(t, func(tx *store.StreamTx) error {
			return tx.SetCheckpoint(t.Context(), store.Checkpoint{AppliedSeq: 9, Lineage: "line-0", Position: 44, AppliedAt: 1})
		})
		st, _, err := f.open(t, opening1("department"))
		if err != nil || st.AppliedSeq != 0 || st.Lineage != "line-0" || st.Position != 44 {
			t.Errorf("stream = %+v (err %v), want seq 0 at line-0, 44", st, err)
		}
	})
	t.Run("new kinds are needed, those no longer planned are suspended, and needed when planned again", func(t *testing.T) {
		f := newFixture(t, o, "one", "department", "employee")
		steps := []struct {
			plan []string
			want map[string]protocol.KindState
		}{
			{[]string{"department"}, map[string]protocol.KindState{"department": "ok", "employee": "suspended"}},
			{[]string{"department", "employee", "shift"}, map[string]protocol.KindState{"department": "ok", "employee": "needed", "shift": "needed"}},
		}
		for _, step := range steps {
			_, kinds, err := f.open(t, opening1(step.plan...))
			if err != nil || len(kinds) != len(step.want) {
				t.Fatalf("kinds = %v (err %v), want %v", kinds, err, step.want)
			}
			for kind, want := range step.want {
				if kinds[kind].State != want {
					t.Errorf("plan %v: %s is %s, want %s", step.plan, kind, kinds[kind].State, want)
				}
			}
		}
	})
	t.Run("a changed plan makes every kind needed but one that a person suspended", func(t *testing.T) {
		f := newFixture(t, o, "one", "department", "employee")
		if err := f.Store.SuspendKind(t.Context(), f.tenant, f.stream, "employee", store.Cause{Code: store.CausePerson, Note: "asked to"}); err != nil {
			t.Fatal(err)
		}
		op := opening1("department", "employee")
		op.PlanHash = "plan-2"
		_, kinds, err := f.open(t, op)
		if err != nil || kinds["department"].State != protocol.KindNeeded || kinds["employee"].State != protocol.KindSuspended {
			t.Errorf("kinds = %v (err %v)", kinds, err)
		}
	})
	t.Run("a released kind is needed, never what it was", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		if err := f.Store.SuspendKind(t.Context(), f.tenant, f.stream, "department", store.Cause{Code: store.CausePerson, Note: "asked to"}); err != nil {
			t.Fatal(err)
		}
		if err := f.Store.ReleaseKind(t.Context(), f.tenant, f.stream, "department"); err != nil {
			t.Fatal(err)
		}
		if got := f.state(t, "department").State; got != protocol.KindNeeded {
			t.Errorf("state = %s, want needed", got)
		}
	})
	t.Run("a held stream goes on", func(t *testing.T) {
		f := newFixture(t, o, "one")
		why := store.Cause{Code: store.CausePositions, Seq: 1, From: 9, To: 12, At: 4}
		f.in(t, func(tx *store.StreamTx) error { return tx.Hold(t.Context(), why) })
		if st, _, err := f.Store.StreamState(t.Context(), f.tenant, f.stream); err != nil || st.Status != store.StreamHeld || st.Cause != why {
			t.Fatalf("stream = %+v (err %v), want held with a cause", st, err)
		}
		if st, _, err := f.open(t, opening1()); err != nil || st.Status != store.StreamOK {
			t.Errorf("status = %s (err %v), want ok", st.Status, err)
		}
	})
	t.Run("two processes that take turns suspend the stream, restarts do not", func(t *testing.T) {
		f := newFixture(t, o, "one")
		op := opening1()
		for _, nonce := range []string{"a", "b", "c", "d", "e", "f"} {
			op.BootNonce = nonce
			if st, _, err := f.open(t, op); err != nil || st.Status != store.StreamOK {
				t.Fatalf("restart %s: status = %s (err %v), want ok", nonce, st.Status, err)
			}
		}
		given := map[string]protocol.Generation{}
		turns := func(held func(nonce string) protocol.Generation) {
			for range 9 {
				op.BootNonce = map[string]string{"e": "f", "f": "e"}[op.BootNonce]
				op.HeldGen = held(op.BootNonce)
				st, _, err := f.open(t, op)
				if err != nil {
					t.Fatal(err)
				}
				given[op.BootNonce] = st.Gen
			}
		}
		turns(func(nonce string) protocol.Generation {
			if nonce == "e" {
				return 0 // a process's first request, delivered again and again
			}
			return given[nonce]
		})
		if st, _, err := f.Store.StreamState(t.Context(), f.tenant, f.stream); err != nil || st.Status != store.StreamOK {
			t.Fatalf("after OPENs that came late: stream = %+v (err %v), want ok", st, err)
		}
		turns(func(nonce string) protocol.Generation { return given[nonce] })
		if st, _, err := f.Store.StreamState(t.Context(), f.tenant, f.stream); err != nil || st.Status != store.StreamSuspended || st.Cause.Code == "" {
			t.Fatalf("stream = %+v (err %v), want suspended with a cause", st, err)
		}
		if err := f.Store.ReleaseStream(t.Context(), f.tenant, f.stream); err != nil {
			t.Fatal(err)
		}
		if st, _, err := f.open(t, op); err != nil || st.Status != store.StreamOK {
			t.Errorf("after release: status = %s (err %v), want ok", st.Status, err)
		}
	})
	t.Run("a schema named at OPEN is found by its hash", func(t *testing.T) {
		f := newFixture(t, o, "one", "department")
		want := opening1("department").Schemas[0]
		got, err := f.Store.Schema(t.Context(), f.tenant, want.Hash())
		if err != nil || got.Hash() != want.Hash() {
			t.Errorf("schema = %+v (err %v), want %+v", got, err, want)
		}
	})
	t.Run("another stream's agent is not found", func(t *testing.T) {
		a, b := newFixture(t, o, "one"), newFixture(t, o, "two")
		a.agent = b.agent
		if _, _, err := a.open(t, opening1()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("err = %v, want ErrNotFound", err)
		}
	})
}

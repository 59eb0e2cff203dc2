package e2e_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// watched is what the invariants remember from step to step.
type watched struct {
	stream store.Stream
	shown  map[string]bool // permanent employees that the portal has shown
	towns  map[string]bool // employees with a town, while they were held for blanks; nil when they were not
}

// forget makes what was seen worthless: the portal was put back to an earlier state.
func (c *company) forget(ctx context.Context, t *rapid.T) {
	c.seen.shown, c.seen.towns = nil, nil
	st, _, err := c.state(ctx)
	check(t, err)
	c.seen.stream = st
}

func check(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// always checks what must hold after every single step.
func (c *company) always(ctx context.Context, t *rapid.T) {
	t.Helper()
	st, kinds, err := c.state(ctx)
	check(t, err)
	before := c.seen.stream
	c.i2(t, before, st)
	c.i4(t, before, st)
	c.i6(t, st)
	c.i9(t)
	c.n1(ctx, t, kinds)
	c.guard(ctx, t)
	c.seen.stream = st
}

// i1: a kind that is ok equals the main system. It is checked when nothing moves any more, so the main
// system is at the checkpoint. A kind whose sweep waits for a person may hold more; one that is held for blanks may
// hold older rows where the main system has emptied fields.
func (c *company) i1(ctx context.Context, t *rapid.T) {
	t.Helper()
	st, kinds, err := c.state(ctx)
	check(t, err)
	for _, k := range kinds {
		for _, p := range projections {
			if p.kind != k.Kind {
				continue
			}
			want, err := records(ctx, c.main.db, p.source)
			check(t, err)
			got, err := records(ctx, c.h.probe, p.portal, c.id.Tenant, c.id.Stream)
			check(t, err)
			for key, row := range want { // the portal has the last good state, if it ever had one
				if strings.Contains(row, fmt.Sprintf("|%d|", spoilt)) && k.Kind == "employee" {
					delete(want, key)
					delete(got, key)
				}
			}
			if k.State == protocol.KindSweeping && k.Held {
				for key := range got {
					if _, ok := want[key]; !ok {
						delete(got, key)
					} else if townless(want[key]) && !townless(got[key]) && c.heldForBlanks(ctx, t, k.Kind) {
						delete(want, key)
						delete(got, key)
					}
				}
			} else if k.State != protocol.KindOK {
				t.Errorf("I7: %s is %s when nothing moves any more: %s", k.Kind, k.State, c.describe(ctx, t))
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("I1: %s at position %d differs (-main system +portal):\n%s", k.Kind, st.Position, diff)
			}
		}
	}
}

// i2: the checkpoint moves only forward within a timeline.
func (c *company) i2(t *rapid.T, before, now store.Stream) {
	t.Helper()
	if now.Lineage == before.Lineage && now.Position < before.Position {
		t.Errorf("I2: position went from %d back to %d", before.Position, now.Position)
	}
}

// i3: no batch of an older generation changes anything after OPEN committed.
func (c *company) i3(t *rapid.T, before, now store.Stream) {
	t.Helper()
	if before.Gen != now.Gen || before.AppliedSeq != now.AppliedSeq || before.Position != now.Position || before.Lineage != now.Lineage {
		t.Errorf("I3: a batch of an older generation moved %d/%d at %d to %d/%d at %d",
			before.Gen, before.AppliedSeq, before.Position, now.Gen, now.AppliedSeq, now.Position)
	}
}

// i4: every batch is applied at most once, in order, without gaps: a step applies one batch at most.
func (c *company) i4(t *rapid.T, before, now store.Stream) {
	t.Helper()
	if now.Gen == before.Gen && now.AppliedSeq != before.AppliedSeq && now.AppliedSeq != before.AppliedSeq+1 {
		t.Errorf("I4: applied went from %d to %d in one step", before.AppliedSeq, now.AppliedSeq)
	}
}

// i5: the agent forgets a batch only when it is applied: what was sent and is not applied is held.
func (c *company) i5(t *rapid.T, a *agent, out int) {
	t.Helper()
	if got := a.capture.Status().BatchesOut; got != out {
		t.Errorf("I5: the agent holds %d batches, held %d, although nothing that can be trusted came back", got, out)
	}
}

// i6: a batch that does not fit the checkpoint never reaches the writer as the next one: it would be held.
func (c *company) i6(t *rapid.T, st store.Stream) {
	t.Helper()
	if st.Status == store.StreamHeld {
		t.Errorf("I6: the stream is held: %s", st.Cause)
	}
}

// i9: no generation repeats, also across restores of the portal.
func (c *company) i9(t *rapid.T) {
	t.Helper()
	seen := map[protocol.Generation]bool{}
	for _, gen := range c.h.net.gens {
		if seen[gen] {
			t.Errorf("I9: generation %d was issued twice", gen)
		}
		seen[gen] = true
	}
}

// i10: nothing of this company is readable or writable for another one's agent, however it asks.
func (c *company) i10(ctx context.Context, t *rapid.T, other *company) {
	t.Helper()
	before, _, err := c.state(ctx)
	check(t, err)
	h := protocol.StreamHeader{Tenant: c.id.Tenant, Stream: c.id.Stream, Gen: before.Gen, Seq: before.AppliedSeq + 1}
	answer, err := other.agents[0].client.Batch(ctx, h, []byte{protocol.EncodingVersion})
	if err == nil {
		t.Errorf("I10: a batch for another tenant's stream was answered %+v", answer)
	}
	told, err := other.agents[0].client.CheckIn(ctx, protocol.CheckInRequest{Stream: c.id.Stream})
	if err == nil {
		t.Errorf("I10: a check-in for another tenant's stream was answered %+v", told)
	}
	if open, err := other.agents[0].client.Open(ctx, protocol.OpenRequest{Stream: c.id.Stream, Protocol: protocol.Version}); err == nil {
		t.Errorf("I10: another tenant's stream was opened: %+v", open.Gen)
	}
	now, _, err := c.state(ctx)
	check(t, err)
	c.i3(t, before, now)
}

// i11: every report that the portal knows is one row in the main system, and none is two.
func (c *company) i11(ctx context.Context, t *rapid.T) {
	t.Helper()
	counts, err := records(ctx, c.main.db, `SELECT RapportID, COUNT(*) FROM PortalIndberetning GROUP BY RapportID`)
	check(t, err)
	for id, n := range counts {
		if n != "|1" {
			t.Errorf("I11: report %s is %s rows", id, strings.TrimPrefix(n, "|"))
		}
	}
	known, err := records(ctx, c.h.probe, `SELECT report_id, state FROM report WHERE tenant_id = $1 AND stream_id = $2`, c.id.Tenant, c.id.Stream)
	check(t, err)
	for id, state := range known {
		if counts[id] == "" {
			t.Errorf("I11: report %s is %s in the portal and no row in the main system", id, strings.TrimPrefix(state, "|"))
		}
	}
}

// n1: a row that the main system always held and the portal once showed never vanishes; so, with n2, no step
// empties the employees.
func (c *company) n1(ctx context.Context, t *rapid.T, kinds []protocol.KindStatus) {
	t.Helper()
	got, err := records(ctx, c.h.probe, projections[1].portal, c.id.Tenant, c.id.Stream)
	check(t, err)
	if c.seen.shown == nil {
		c.seen.shown = map[string]bool{}
	}
	for _, key := range permanent {
		_, there := got[key]
		if c.seen.shown[key] && !there {
			t.Errorf("N1: employee %s vanished; kinds are %s", key, describe(kinds))
		}
		c.seen.shown[key] = there
	}
}

func describe(kinds []protocol.KindStatus) string {
	var parts []string
	for _, k := range kinds {
		parts = append(parts, fmt.Sprintf("%s %s(%d)", k.Kind, k.State, k.Snapshot))
	}
	return strings.Join(parts, ", ")
}

// describe tells where both sides stand.
func (c *company) describe(ctx context.Context, t *rapid.T) string {
	st, kinds, err := c.state(ctx)
	check(t, err)
	enqueued, queued, err := c.h.queue.State(ctx, c.id.Tenant, c.id.Stream, st.Gen)
	check(t, err)
	return fmt.Sprintf("portal %s, generation %d, applied %d, enqueued %d, queued %d, %s; agent %+v",
		st.Status, st.Gen, st.AppliedSeq, enqueued, queued, describe(kinds), c.agents[0].capture.Status())
}

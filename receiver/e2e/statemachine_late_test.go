package e2e_test

import (
	"testing"

	"lessor.dk/portalsync/receiver/store"
)

// TestALateOpenIsNoClone delivers the OPEN of a process that has ended again and again, as a proxy may: each fences the
// process that runs, which opens anew, and that is all. Only two processes that both live are a clone.
func TestALateOpenIsNoClone(t *testing.T) {
	h := newHosted(t, newSQLiteFile(t), newEmbeddedRedis(t))
	ctx := t.Context()
	c, err := h.newCompany(ctx)
	h.must(err)
	defer c.close()
	alone := func() {
		t.Helper()
		worked, err := c.agents[0].step(ctx, stepTime)
		for worked || err != nil {
			_, werr := h.writer.Step(ctx)
			h.must(werr)
			worked, err = c.agents[0].step(ctx, stepTime)
		}
	}
	status := func() store.StreamStatus {
		t.Helper()
		st, _, err := c.state(ctx)
		h.must(err)
		return st.Status
	}

	for _, f := range []fault{delayed, noFault} {
		h.net.fault = f
		_, _ = c.agents[0].step(ctx, stepTime)
	}
	h.must(c.drop(0))
	h.must(c.startAgent())
	for range 6 {
		for _, q := range h.net.held {
			h.net.deliver(ctx, q) //nolint:bodyclose // of a recorder
		}
		alone()
	}
	if len(h.net.held) == 0 || len(h.net.gens) < 12 {
		t.Fatalf("%d late requests, %d generations: the late OPEN fenced nobody", len(h.net.held), len(h.net.gens))
	}
	if got := status(); got != store.StreamOK {
		t.Errorf("stream is %s after late OPENs, want ok", got)
	}

	h.must(c.startAgent())
	for i := 0; i < 40 && status() == store.StreamOK; i++ {
		_, _ = c.agents[i%2].step(ctx, stepTime)
	}
	if got := status(); got != store.StreamSuspended {
		t.Errorf("stream is %s while two processes take it from each other, want suspended", got)
	}
}

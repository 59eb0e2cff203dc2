package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
)

var machineTime = flag.Duration("statemachine", 20*time.Second, "how long the state machine test looks for faults, per edition")

// TestStateMachine drives the real agent, ingest, queue, writer and store through the faults of the protocol and
// holds them against its invariants. A failing run is shrunk and its seed printed; -rapid.seed repeats it.
// Longer: -statemachine=30m -rapid.checks=1000000.
func TestStateMachine(t *testing.T) {
	editions := map[string]struct {
		db    func(testing.TB) database
		redis func(testing.TB) memory
	}{
		"SQLite, embedded Redis": {newSQLiteFile, newEmbeddedRedis},
		"SQLite, Redis":          {newSQLiteFile, newRealRedis},
		"PostgreSQL, Redis":      {newPostgresDatabase, newRealRedis},
	}
	for _, name := range sortedKeys(editions) {
		t.Run(name, func(t *testing.T) {
			h := newHosted(t, editions[name].db(t), editions[name].redis(t))
			until, runs, failing := time.Now().Add(*machineTime), 0, false
			rapid.Check(t, func(t *rapid.T) {
				if !failing && time.Now().After(until) {
					return
				}
				runs++
				failing = true // shrinking takes the time it takes
				h.run(t)
				failing = t.Failed()
			})
			t.Logf("%d runs", runs)
		})
	}
}

// run is one random life of one company, beside another one.
func (h *hosted) run(t *rapid.T) {
	ctx := context.Background()
	h.net.fault, h.net.cut, h.net.held, h.net.past, h.net.gens = noFault, false, nil, nil, nil
	c, err := h.newCompany(ctx)
	check(t, err)
	defer c.close()
	other, err := h.newCompany(ctx)
	check(t, err)
	defer other.close()
	m := &machine{ctx: ctx, h: h, c: c, other: other}
	if rapid.IntRange(0, 3).Draw(t, "first load is over") > 0 {
		m.quiesce(t)
	}
	t.Repeat(m.actions())
	m.quiesce(t)
	m.releaseAll(t)
	m.quiesce(t)
}

// machine is the set of things that can happen.
type machine struct {
	ctx      context.Context //nolint:containedctx // actions of rapid take none, and a machine lives for one run
	h        *hosted
	c, other *company
	backup   bool
	cloned   bool // two processes ran at once
	reports  int
}

func (m *machine) actions() map[string]func(*rapid.T) {
	act := func(f func(*rapid.T) error) func(*rapid.T) {
		return func(t *rapid.T) { check(t, f(t)) }
	}
	return map[string]func(*rapid.T){
		"":       func(t *rapid.T) { m.c.always(m.ctx, t) },
		"change": act(func(t *rapid.T) error { return m.c.main.change(m.ctx, t) }),
		"more changes": act(func(t *rapid.T) error {
			for range rapid.IntRange(2, 6).Draw(t, "changes") {
				if err := m.c.main.change(m.ctx, t); err != nil {
					return err
				}
			}
			return nil
		}),
		"a cut is under way":    m.cutUnderWay,
		"fields are emptied":    m.fieldsAreEmptied,
		"truncate":              act(func(t *rapid.T) error { return m.c.main.truncate(m.ctx, t) }),
		"change data expires":   act(func(*rapid.T) error { return m.c.main.expire(m.ctx) }),
		"tracking off or on":    act(func(t *rapid.T) error { return m.c.main.tracking(m.ctx, t) }),
		"main system backup":    act(func(*rapid.T) error { return m.c.main.backup(m.ctx) }),
		"main system restored":  act(func(*rapid.T) error { return m.c.main.restore(m.ctx) }),
		"agent steps":           m.agentSteps,
		"both sides run":        m.bothRun,
		"both sides run on":     m.bothRun,
		"both sides run long":   m.bothRun,
		"agent restarts":        act(m.agentRestarts),
		"agent is cloned":       act(m.agentCloned),
		"strangers answer":      m.strangersAnswer,
		"late requests arrive":  m.lateRequests,
		"a request is replayed": m.replay,
		"writer steps":          m.writerSteps,
		"writer crashes":        m.writerCrashes,
		"Redis is lost":         act(func(*rapid.T) error { return m.h.redis.client().FlushAll(m.ctx).Err() }),
		"Redis is kept":         act(func(*rapid.T) error { return m.h.redis.keep(m.ctx) }),
		"Redis comes back old":  func(*rapid.T) { m.h.redis.recall(m.ctx) },
		"portal backup":         act(m.portalBackup),
		"portal restored":       m.portalRestored,
		"receiver restarts":     act(func(*rapid.T) error { return m.receiverRestarts(func() error { return nil }) }),
		"a kind is suspended":   act(m.suspend),
		"a kind is released":    act(m.release),
		"a report is submitted": act(m.submit),
		"another tenant tries":  func(t *rapid.T) { m.c.i10(m.ctx, t, m.other) },
		"quiet":                 m.quiesce,
	}
}

func (m *machine) pick(t *rapid.T) *agent {
	return m.c.agents[rapid.IntRange(0, len(m.c.agents)-1).Draw(t, "agent")]
}

// agentSteps lets one agent do a few things, while the network does what it likes.
func (m *machine) agentSteps(t *rapid.T) {
	a := m.pick(t)
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		m.h.net.fault = rapid.SampledFrom(faults).Draw(t, "fault")
		_, _ = a.step(m.ctx, stepTime)
	}
	m.h.net.fault = noFault
}

// bothRun lets one agent and the writer do a few things in turn, and then something happens, in the middle of it.
func (m *machine) bothRun(t *rapid.T) {
	a := m.pick(t)
	for range rapid.IntRange(1, 15).Draw(t, "rounds") {
		_, _ = a.step(m.ctx, stepTime)
		_, err := m.h.writer.Step(m.ctx)
		check(t, err)
		m.c.always(m.ctx, t)
	}
	happens := map[string]func() error{
		"nothing":           func() error { return nil },
		"the agent dies":    func() error { return m.agentRestarts(t) },
		"Redis is lost":     func() error { return m.h.redis.client().FlushAll(m.ctx).Err() },
		"receiver restarts": func() error { return m.receiverRestarts(func() error { return nil }) },
		"a change":          func() error { return m.c.main.change(m.ctx, t) },
	}
	check(t, happens[rapid.SampledFrom(sortedKeys(happens)).Draw(t, "happens")]())
}

// cutUnderWay changes more rows than a batch holds, in one transaction, and breaks off in the middle of the cut.
func (m *machine) cutUnderWay(t *rapid.T) {
	check(t, m.c.main.bulk(m.ctx, rapid.IntRange(batchRows+1, 3*batchRows).Draw(t, "rows"), rapid.StringMatching(`[a-z]{3}`).Draw(t, "text")))
	m.bothRun(t)
}

// strangersAnswer is I8: nothing unsigned moves the agent.
func (m *machine) strangersAnswer(t *rapid.T) {
	a := m.pick(t)
	out := a.capture.Status().BatchesOut
	m.h.net.cut, m.h.net.forged = true, 0
	_, err := a.step(m.ctx, 20*time.Millisecond)
	m.h.net.cut = false
	if m.h.net.forged == 0 {
		return // it only read
	}
	if err == nil {
		t.Error("I8: an answer that nobody signed was believed")
	}
	m.c.i5(t, a, out)
}

func (m *machine) agentRestarts(t *rapid.T) error {
	if err := m.c.drop(rapid.IntRange(0, len(m.c.agents)-1).Draw(t, "agent")); err != nil {
		return err
	}
	return m.c.startAgent()
}

func (m *machine) agentCloned(*rapid.T) error {
	if len(m.c.agents) > 1 {
		return m.c.drop(0)
	}
	m.cloned = true
	return m.c.startAgent()
}

func (m *machine) lateRequests(*rapid.T) {
	for _, q := range m.h.net.held {
		m.h.net.deliver(m.ctx, q) //nolint:bodyclose // of a recorder
	}
	m.h.net.held = nil
}

// replay sends again what was sent before, however long ago. What is of an older generation changes nothing (I3).
func (m *machine) replay(t *rapid.T) {
	if len(m.h.net.past) == 0 {
		return
	}
	q := rapid.SampledFrom(m.h.net.past).Draw(t, "request")
	before, _, err := m.c.state(m.ctx)
	check(t, err)
	m.h.net.deliver(m.ctx, q) //nolint:bodyclose // of a recorder
	place := q.header.Get(protocol.HeaderStream)
	if place == "" || strings.Contains(place, fmt.Sprintf("gen=%d,", before.Gen)) {
		return
	}
	now, _, err := m.c.state(m.ctx)
	check(t, err)
	m.c.i3(t, before, now)
}

func (m *machine) writerSteps(t *rapid.T) {
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		_, err := m.h.writer.Step(m.ctx)
		check(t, err)
		m.c.always(m.ctx, t)
	}
}

// writerCrashes lets the writer die between the commit and the acknowledgement.
func (m *machine) writerCrashes(t *rapid.T) {
	m.h.queue.crash = true
	_, err := m.h.writer.Step(m.ctx)
	check(t, err)
	m.h.queue.crash = false
	check(t, m.h.newWriter())
}

// receiverRestarts ends everything hosted, does something to the store, and starts it again.
func (m *machine) receiverRestarts(while func() error) error {
	if err := m.h.stop(); err != nil {
		return err
	}
	if err := while(); err != nil {
		return err
	}
	return m.h.start()
}

func (m *machine) portalBackup(*rapid.T) error {
	m.backup = true
	return m.receiverRestarts(func() error { return m.h.db.backup(m.ctx) })
}

func (m *machine) portalRestored(t *rapid.T) {
	if !m.backup {
		return
	}
	check(t, m.receiverRestarts(func() error { return m.h.db.restore(m.ctx) }))
	m.c.forget(m.ctx, t)
}

func (m *machine) kind(t *rapid.T) string {
	return rapid.SampledFrom(projections).Draw(t, "kind").kind
}

func (m *machine) suspend(t *rapid.T) error {
	_, kinds, err := m.c.state(m.ctx)
	name := m.kind(t)
	if err != nil || !slices.ContainsFunc(kinds, func(k protocol.KindStatus) bool { return k.Kind == name }) {
		return err // not opened yet: the portal has no kinds
	}
	return m.h.store.SuspendKind(m.ctx, m.c.id.Tenant, m.c.id.Stream, name, store.Cause{Code: store.CausePerson, Note: "a person stopped it"})
}

func (m *machine) release(t *rapid.T) error {
	_, kinds, err := m.c.state(m.ctx)
	name := m.kind(t)
	if err != nil || !slices.ContainsFunc(kinds, func(k protocol.KindStatus) bool { return k.Kind == name }) {
		return err
	}
	return m.h.store.ReleaseKind(m.ctx, m.c.id.Tenant, m.c.id.Stream, name)
}

func (m *machine) submit(*rapid.T) error {
	m.reports++
	_, _, err := m.h.store.SubmitReport(m.ctx, report.Submission{
		Tenant: m.c.id.Tenant, Stream: m.c.id.Stream, User: 1, Actor: "Aase Prøve", EmployeeNo: permanent[0],
		Type: "absence", Fields: map[string]string{"first_day": "2026-11-02"}, Key: fmt.Sprint(m.reports), At: time.Now(),
	})
	return err
}

// rounds bounds a run without faults (I7).
const rounds = 400

// quiesce lets everything run without faults until nothing moves, and holds both sides against each other.
func (m *machine) quiesce(t *rapid.T) {
	for len(m.c.agents) > 1 {
		check(t, m.c.drop(0))
	}
	check(t, m.c.main.track(m.ctx))
	m.lateRequests(t)
	check(t, m.releaseSuspended())
	for quiet := 0; quiet < 3; {
		if m.settled(t) {
			quiet++
		} else {
			quiet = 0
		}
	}
	m.c.i1(m.ctx, t)
	m.c.i11(m.ctx, t)
}

// settled runs both sides until neither moves and reports whether they did not move at all. While batches are on
// their way something is being waited for: a writer's next try, or the agent's patience to run out.
func (m *machine) settled(t *rapid.T) bool {
	a, still := m.c.agents[0], true
	patience := time.Now().Add(10 * stall)
	for range rounds {
		worked, err := a.step(m.ctx, stepTime)
		if err != nil {
			t.Fatalf("I7: a step without faults: %v", err)
		}
		wrote, err := m.h.writer.Step(m.ctx)
		check(t, err)
		m.c.always(m.ctx, t)
		m.releaseStream(t)
		switch {
		case worked, wrote:
			still = false
		case a.capture.Status().BatchesOut == 0:
			return still
		case time.Now().After(patience):
			t.Fatalf("I7: batches on their way are never applied: %s", m.c.describe(m.ctx, t))
		default:
			<-time.After(stall / 10)
		}
	}
	t.Fatalf("I7: still moving after %d steps: %s", rounds, m.c.describe(m.ctx, t))
	return false
}

// releaseStream is a person who has stopped the clone. The agent that stays may be the one whose return raises the alarm.
// Where no clone ever ran nobody is called (I7).
func (m *machine) releaseStream(t *rapid.T) {
	st, _, err := m.c.state(m.ctx)
	check(t, err)
	if st.Status != store.StreamSuspended {
		return
	}
	if !m.cloned {
		t.Fatalf("I7: the stream waits for a person: %s: %s", st.Cause, m.c.describe(m.ctx, t))
	}
	check(t, m.h.store.ReleaseStream(m.ctx, m.c.id.Tenant, m.c.id.Stream))
}

// releaseSuspended releases kinds that a person suspended, so that all of them can become ok.
func (m *machine) releaseSuspended() error {
	_, kinds, err := m.c.state(m.ctx)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		if k.State != protocol.KindSuspended {
			continue
		}
		if err := m.h.store.ReleaseKind(m.ctx, m.c.id.Tenant, m.c.id.Stream, k.Kind); err != nil {
			return err
		}
	}
	return nil
}

// releaseAll is a person who lets every held sweep run.
func (m *machine) releaseAll(t *rapid.T) {
	_, kinds, err := m.c.state(m.ctx)
	check(t, err)
	for _, k := range kinds {
		check(t, m.h.store.ReleaseKind(m.ctx, m.c.id.Tenant, m.c.id.Stream, k.Kind))
	}
}

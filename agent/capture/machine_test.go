package capture_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/protocol"
)

// TestWhateverHappensToAMainSystem drives all of capture through what can happen to a main system, the way to the
// portal and the portal itself, in any order. After every step a kind that is ok equals what the main system was at
// the checkpoint (I1), the checkpoint only moves forward (I2), and what was always there has not vanished (N1, N2);
// without faults both sides become equal (I7). Longer: -rapid.checks=20000.
func TestWhateverHappensToAMainSystem(t *testing.T) {
	for range 4 {
		rapid.Check(t, func(rt *rapid.T) {
			m := newMachine(t)
			rt.Repeat(m.actions())
			m.quiesce(rt)
		})
	}
}

// permanent are places that every state of the main system has.
var permanent = []string{"P1", "P2"}

// rowsOfABatch makes a handful of rows overflow a batch, and a dozen the window.
const rowsOfABatch = 3

// machine is one random life of a main system and what hangs on it.
type machine struct {
	*bench
	clone   *capture.Capture
	history map[moment]map[string]*table
	copies  []copied
	half    bool   // a cut's batches were applied and its last was not
	back    func() // puts the portal back to its backup
	lines   int    // lineages so far
	issued  protocol.Generation
	spoilt  map[string]bool // places that once could not be sent: the portal has some earlier state of them
	at      moment          // the checkpoint when it was looked at last
	shown   map[string]bool
}

func newMachine(t *testing.T) *machine {
	m := &machine{
		bench:   &bench{t: t, src: newMainSystem(t, "department", "employee", "place"), to: newPortal(t)},
		history: map[moment]map[string]*table{}, spoilt: map[string]bool{}, shown: map[string]bool{},
	}
	m.src.put("place", "Kontor", permanent...)
	m.src.put("employee", "Aase", keysOf(4)...)
	m.to.lazy = true
	m.to.onOpen = func() error { // generations never repeat, also when the portal was put back
		m.to.gen = max(m.to.gen, m.issued)
		m.issued = m.to.gen + 1
		return nil
	}
	m.begin()
	return m
}

func (m *machine) begin() { m.c = m.process() }

func (m *machine) process() *capture.Capture {
	return capture.New(m.src, m.to, capture.Config{Tenant: tenant, Stream: stream, BatchRows: rowsOfABatch, Advance: 1})
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":       m.always,
		"change": m.change,
		"move":   func(t *rapid.T) { m.src.move(m.any(t), m.key(t), m.key(t)) },
		"fill": func(t *rapid.T) {
			m.src.put("employee", fmt.Sprint(len(m.history)), keysOf(rapid.IntRange(5, 16).Draw(t, "rows"))...)
		},
		"empty":     func(*rapid.T) { m.src.remove("employee", keysOf(16)...) },
		"elsewhere": func(t *rapid.T) { m.src.elsewhere(rapid.IntRange(1, 3).Draw(t, "commits")) },
		"truncate":  func(t *rapid.T) { m.src.truncate(m.any(t)) },
		"clean up": func(t *rapid.T) {
			m.src.cleanUp(m.src.position - protocol.Position(rapid.IntRange(0, 6).Draw(t, "keeps")))
		},
		"untrack":      func(t *rapid.T) { m.src.untrack(m.kind(t)) },
		"track":        func(t *rapid.T) { m.src.track(m.kind(t)) },
		"replace":      func(t *rapid.T) { m.src.replace(m.any(t), m.key(t), m.key(t)) },
		"rekey":        func(t *rapid.T) { m.src.rekey(m.any(t), rapid.SampledFrom([]string{"A", "Z"}).Draw(t, "prefix")) },
		"spoil":        m.spoil,
		"copy":         func(*rapid.T) { m.copies = append(m.copies, m.src.copied()) },
		"restore":      m.restore,
		"lagging":      m.lagging,
		"secondary":    func(*rapid.T) { m.src.err = errSecondary; m.step(3); m.src.err = nil },
		"agent":        m.agent,
		"agent and on": m.agent,
		"both":         m.both,
		"both and on":  m.both,
		"restart":      func(*rapid.T) { m.begin() },
		"clone":        m.clones,
		"writer":       m.writer,
		"queue lost":   func(*rapid.T) { m.to.with(func() { m.to.queueGen, m.to.enqueued, m.to.queue = 0, 0, nil }) },
		"suffix lost":  m.suffixLost,
		"backup":       m.backup,
		"put back":     m.putBack,
		"decide":       m.decide,
		"quiet":        m.quiesce,
	}
}

func (m *machine) kind(t *rapid.T) string {
	return rapid.SampledFrom([]string{"department", "employee", "place"}).Draw(t, "kind")
}

// any is a kind of which nothing is permanent.
func (m *machine) any(t *rapid.T) string {
	return rapid.SampledFrom([]string{"department", "employee"}).Draw(t, "kind")
}

func (m *machine) key(t *rapid.T) string {
	return fmt.Sprint("K", rapid.IntRange(0, 5).Draw(t, "key"))
}

// change is one transaction of one to four changes, of which net changes show the outcome.
func (m *machine) change(t *rapid.T) {
	m.src.inOne(func(put, remove func(kind, key string)) {
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			do := put
			if rapid.IntRange(0, 2).Draw(t, "remove") == 2 {
				do = remove
			}
			do(m.kind(t), m.key(t))
		}
		if rapid.Bool().Draw(t, "a permanent one too") {
			put("place", rapid.SampledFrom(permanent).Draw(t, "place"))
		}
	})
}

func (m *machine) spoil(t *rapid.T) {
	m.src.spoil("place", rapid.SampledFrom(permanent).Draw(t, "place"), rapid.Bool().Draw(t, "spoil"))
	m.remember()
}

// restore puts the database back to a copy, under a lineage of its own, and may run on past where it was.
func (m *machine) restore(t *rapid.T) {
	if len(m.copies) == 0 {
		return
	}
	m.lines++
	was := m.src.position
	m.copies[rapid.IntRange(0, len(m.copies)-1).Draw(t, "copy")].put(m.src, protocol.Lineage(fmt.Sprint("line ", m.lines)))
	m.remember()
	if rapid.Bool().Draw(t, "past where it was") {
		m.src.put("department", "efter", m.key(t))
		m.src.elsewhere(max(0, int(was-m.src.position)) + rapid.IntRange(0, 2).Draw(t, "past"))
	}
}

// lagging has the agent look at a replica that is behind, and then at the primary again: by a person, who restarts it.
func (m *machine) lagging(t *rapid.T) {
	primary := m.src.copied()
	var behind []copied
	for _, c := range m.copies {
		if c.lineage == primary.lineage && c.position < primary.position {
			behind = append(behind, c)
		}
	}
	if len(behind) == 0 {
		return
	}
	behind[rapid.IntRange(0, len(behind)-1).Draw(t, "copy")].put(m.src, primary.lineage)
	m.remember()
	m.agent(t)
	primary.put(m.src, primary.lineage)
	m.begin()
}

// agent lets the agent do a few things while the way to the portal does what it likes.
func (m *machine) agent(t *rapid.T) { m.steps(t, m.c) }

func (m *machine) clones(t *rapid.T) {
	m.clone = cmp.Or(m.clone, m.process())
	m.steps(t, m.clone)
}

func (m *machine) steps(t *rapid.T, c *capture.Capture) {
	answers := []error{
		nil, nil, nil, nil, errLost,
		&protocol.Reject{Code: protocol.CodeFull}, &protocol.Reject{Code: protocol.CodeReopen}, &protocol.Reject{Code: protocol.CodeTooLarge},
	}
	drawn := func(name string) func(protocol.StreamHeader) error {
		return func(protocol.StreamHeader) error { return rapid.SampledFrom(answers).Draw(t, name) }
	}
	m.to.onBatch, m.to.onAnswer = drawn("request"), drawn("answer")
	for range rapid.IntRange(1, 8).Draw(t, "steps") {
		_, _ = c.Step(m.t.Context())
	}
	m.to.onBatch, m.to.onAnswer = nil, nil
}

// both lets agent and writer do a few things in turn, without faults.
func (m *machine) both(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "rounds") {
		m.step(1)
		m.apply(1)
		m.always(t)
	}
}

func (m *machine) writer(t *rapid.T) { m.apply(rapid.IntRange(1, 4).Draw(t, "batches")) }

// apply applies so many of the batches that wait.
func (m *machine) apply(n int) {
	m.to.with(func() {
		for range min(n, len(m.to.queue)) {
			before := m.to.applied
			m.to.write(m.to.queue[0])
			if m.to.applied > before {
				m.applied(m.to.queue[0])
			}
			m.to.queue = m.to.queue[1:]
		}
	})
}

// applied notes whether the batch left the portal in the middle of a cut. A generation that ends there leaves it so
// until the cut was read again.
func (m *machine) applied(at protocol.StreamHeader) {
	i := slices.IndexFunc(m.to.headers, func(h protocol.Header) bool { return h.StreamHeader == at })
	if h := m.to.headers[i]; h.Chunk == nil {
		m.half = !h.Last
	}
}

func (m *machine) suffixLost(*rapid.T) {
	m.to.with(func() {
		if n := len(m.to.queue); n > 0 && m.to.queue[n-1].Gen == m.to.queueGen {
			m.to.enqueued, m.to.queue = m.to.queue[n-1].Seq-1, m.to.queue[:n-1]
		}
	})
}

func (m *machine) backup(*rapid.T) {
	if len(m.to.opens) == 0 {
		return
	}
	restore, half := m.to.backup(), m.half
	m.back = func() { restore(); m.half = half }
}

func (m *machine) putBack(*rapid.T) {
	if m.back != nil {
		m.back()
		m.at, m.shown = moment{}, map[string]bool{}
	}
}

// decide is the portal's own word, or a person's: a kind is to be read anew, suspended, or released.
func (m *machine) decide(t *rapid.T) {
	kind := m.kind(t)
	state := rapid.SampledFrom([]protocol.KindState{protocol.KindNeeded, protocol.KindSuspended}).Draw(t, "state")
	m.to.with(func() {
		if k := m.to.kinds[kind]; k != nil {
			k.status = protocol.KindStatus{Kind: kind, State: state}
		}
	})
}

// remember keeps the main system's state, to hold the portal against it when it is there.
func (m *machine) remember() {
	m.history[m.src.now()] = maps.Clone(m.src.kinds)
	for key, bad := range m.src.kinds["place"].bad {
		if bad {
			m.spoilt[key] = true
		}
	}
}

// always checks what holds after every step.
func (m *machine) always(t *rapid.T) {
	m.remember()
	if m.to.held != "" {
		t.Fatalf("I6: held: %s", m.to.held)
	}
	at := moment{m.to.lineage, m.to.position}
	if at.lineage == m.at.lineage && at.position < m.at.position {
		t.Fatalf("I2: position went from %d back to %d", m.at.position, at.position)
	}
	m.at = at
	if slices.Contains(m.to.emptied, "place") && (m.shown[permanent[0]] || m.shown[permanent[1]]) {
		t.Fatal("N2: a step emptied the places")
	}
	m.to.emptied = nil // of a portal that never held a permanent place: none could be sent
	k := m.to.kinds["place"]
	for _, key := range permanent {
		there := k != nil && k.rows[key].name != ""
		if m.shown[key] && !there {
			t.Fatalf("N1: %s vanished", key)
		}
		m.shown[key] = there
	}
	if !m.half {
		m.i1(t, at, m.spoilt)
	}
}

// i1 holds every kind that is ok against what the main system was, but for some places.
func (m *machine) i1(t *rapid.T, at moment, except map[string]bool) {
	was, ok := m.history[at]
	if !ok && at.lineage != "" {
		t.Fatalf("I1: the main system never was at %v", at)
	}
	for name, k := range m.to.kinds {
		if k.status.State != protocol.KindOK {
			continue
		}
		want, got := map[string]string{}, map[string]string{}
		for key, values := range was[name].rows {
			want[key] = nameOf(m.src.planned[m.src.order(name)].Schema, values)
		}
		for key, row := range k.rows {
			got[key] = row.name
		}
		for key := range except {
			delete(want, key)
			delete(got, key)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("I1: %s at %v differs (-main system +portal):\n%s", name, at, diff)
		}
	}
}

// quiesce ends all faults and lets both sides run until nothing moves.
func (m *machine) quiesce(t *rapid.T) {
	for _, kind := range []string{"department", "employee", "place"} {
		m.src.track(kind)
	}
	for _, key := range permanent {
		m.src.spoil("place", key, false)
	}
	m.remember()
	m.to.with(func() {
		for name, k := range m.to.kinds {
			if k.status.State == protocol.KindSuspended {
				k.status = protocol.KindStatus{Kind: name, State: protocol.KindNeeded}
			}
		}
	})
	for steps, still := 0, 0; still < 2; steps++ {
		worked, err := m.c.Step(m.t.Context())
		if err != nil || steps > 1000 {
			t.Fatalf("I7: after %d steps: %v: %+v", steps, err, m.c.Status())
		}
		if still++; worked || len(m.to.queue) > 0 {
			still = 0
		}
		m.apply(1)
		m.always(t)
	}
	m.i1(t, m.at, nil)
	for name, k := range m.to.kinds {
		if k.status.State != protocol.KindOK {
			t.Fatalf("I7: %s is %s when nothing moves any more", name, k.status.State)
		}
	}
	if got, want := (moment{m.to.lineage, m.to.position}), m.src.now(); got != want {
		t.Fatalf("I7: the portal is at %v, the main system at %v", got, want)
	}
}

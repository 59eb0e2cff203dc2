package capture_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// errUntracked is what a source says of a kind whose table is not tracked.
var errUntracked = errors.New("change tracking of the table is off")

// errSecondary is what a source says of a replica.
var errSecondary = fmt.Errorf("%w: this server is a secondary replica: name the primary", source.ErrGone)

// moment names one state of a main system.
type moment struct {
	lineage  protocol.Lineage
	position protocol.Position
}

func (m *mainSystem) now() moment { return moment{m.lineage, m.position} }

// copied is a main system's database as a backup, or a replica, holds it. Tables are never changed in place.
type copied struct {
	moment
	kinds map[string]*table
}

func (m *mainSystem) copied() copied {
	m.mu.Lock()
	defer m.mu.Unlock()
	return copied{m.now(), maps.Clone(m.kinds)}
}

// put makes the database what a copy holds. A restored one, and a replica that has become the primary, has a lineage
// of its own; a replica that lags is its primary some time ago.
func (c copied) put(m *mainSystem, lineage protocol.Lineage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lineage, m.position, m.kinds = lineage, c.position, maps.Clone(c.kinds)
}

// cleanUp forgets the change data of every table up to a position, as retention does.
func (m *mainSystem) cleanUp(to protocol.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for kind := range m.kinds {
		t := m.fork(kind)
		maps.DeleteFunc(t.changed, func(_ string, at protocol.Position) bool { return at <= to })
		t.minValid = max(t.minValid, to)
	}
}

// untrack switches the tracking of a kind's table off.
func (m *mainSystem) untrack(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fork(kind).err = errUntracked
}

// track switches it on again: nothing is known of what happened meanwhile.
func (m *mainSystem) track(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kinds[kind].err != nil {
		m.anew(kind)
	}
}

// anew begins the tracking of a kind's table, which is another one as far as anybody can tell. The minimum valid
// position begins anew too, as if nothing were missing: only the epoch tells.
func (m *mainSystem) anew(kind string) *table {
	m.position++
	t := m.fork(kind)
	clear(t.changed)
	t.err, t.epoch, t.minValid = nil, fmt.Sprintf("made at %s %d", m.lineage, m.position), 0
	return t
}

// replace drops a kind's table and makes it again with these rows.
func (m *mainSystem) replace(kind string, keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.anew(kind)
	clear(t.rows)
	for _, key := range keys {
		m.set(t, kind, key, "made again")
	}
	clear(t.changed)
}

// rekey gives a kind's table another primary key, for which its tracking is switched off and on.
func (m *mainSystem) rekey(kind, prefix string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.anew(kind)
	for _, key := range slices.Sorted(maps.Keys(t.rows)) {
		delete(t.rows, key)
		m.set(t, kind, prefix+key, "keyed anew")
	}
	clear(t.changed)
}

// inOne commits several changes of one transaction: net changes tell of each key once.
func (m *mainSystem) inOne(changes func(put, remove func(kind, key string))) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.position++
	forks := map[string]*table{}
	table := func(kind string) *table {
		if forks[kind] == nil {
			forks[kind] = m.fork(kind)
		}
		return forks[kind]
	}
	changes(
		func(kind, key string) { m.set(table(kind), kind, key, fmt.Sprint("at ", m.position)) },
		func(kind, key string) {
			t := table(kind)
			delete(t.rows, key)
			t.changed[key] = m.position
		},
	)
}

// spoil makes a row one that cannot be sent; mend changes it back.
func (m *mainSystem) spoil(kind, key string, bad bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.position++
	t := m.fork(kind)
	t.bad = maps.Clone(t.bad)
	t.bad[key] = bad
	m.set(t, kind, key, fmt.Sprint("mended at ", m.position))
}

package operations

import (
	"context"
	"strings"
	"sync"
	"time"

	"lessor.dk/portalsync/receiver/store"
)

const (
	smallFleet = 500              // agents, up to which every page reads them
	viewFresh  = 2 * time.Second  // a view of a larger fleet is shown as it is
	viewOld    = 30 * time.Second // and from here on not at all: nobody has looked for a while
	viewTime   = 20 * time.Second // longest time that reading the fleet may take
)

// seen is one agent with what a search looks through.
type seen struct {
	store.FleetAgent
	text string // lower case
}

// view is the whole fleet as it was at a moment.
type view struct {
	agents []seen
	at     time.Time
}

// fleetView reads the fleet for the list of agents. A large fleet is read behind the pages that are shown, so that
// nobody waits for it: what they show is as old as the page before, or 2 s.
type fleetView struct {
	read func(context.Context) ([]store.FleetAgent, error)
	now  func() time.Time

	mu      sync.Mutex
	last    *view // nil before the first
	reading bool
}

// get returns the fleet as it is, or a large one as it was a moment ago.
func (f *fleetView) get(ctx context.Context) (*view, error) {
	f.mu.Lock()
	last := f.last
	if last == nil || len(last.agents) <= smallFleet || f.now().Sub(last.at) > viewOld {
		f.mu.Unlock()
		return f.renew(ctx)
	}
	if !f.reading && f.now().Sub(last.at) > viewFresh {
		f.reading = true
		go f.renewBehind(context.WithoutCancel(ctx))
	}
	f.mu.Unlock()
	return last, nil
}

// renewBehind renews the view that others are shown meanwhile. An error is left to the reader after them: the view
// grows old.
func (f *fleetView) renewBehind(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, viewTime)
	defer cancel()
	_, _ = f.renew(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reading = false
}

func (f *fleetView) renew(ctx context.Context) (*view, error) {
	at := f.now()
	agents, err := f.read(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{agents: make([]seen, len(agents)), at: at}
	for i, a := range agents {
		v.agents[i] = seen{a, strings.ToLower(strings.Join(
			[]string{a.TenantCode, a.TenantName, a.Stream.Name, a.Hostname, a.Version, a.Address, a.MainSystem}, "\n"))}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil || !f.last.at.After(at) {
		f.last = v
	}
	return v, nil
}

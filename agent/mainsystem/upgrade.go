package mainsystem

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// upgradable is a main system whose vendor's upgrades can be announced in its database.
type upgradable interface {
	Upgrade(ctx context.Context) (begun time.Time, err error)
}

// lookEvery is how often a main system is asked whether an upgrade is open, beside when somebody says so.
const lookEvery = time.Minute

// announced is what was last seen of an upgrade.
type announced struct {
	mu    sync.Mutex
	begun time.Time // zero when none is open
	at    time.Time
}

// Begin starts a read. While an upgrade is open the error is a [*source.UpgradeError], and the database is asked for
// nothing but whether it still is.
func (s *System) Begin(ctx context.Context) (source.Tx, error) {
	if err := s.paused(ctx); err != nil {
		return nil, err
	}
	return s.Live.Begin(ctx)
}

// paused returns the upgrade that is open as an error.
func (s *System) paused(ctx context.Context) error {
	s.upgrade.mu.Lock()
	begun, fresh := s.upgrade.begun, time.Since(s.upgrade.at) < lookEvery
	s.upgrade.mu.Unlock()
	if !fresh {
		seen, err := s.LookForUpgrade(ctx)
		if err == nil {
			begun = seen
		} // else whoever reads next meets the same trouble, and tells it
	}
	if !begun.IsZero() {
		return &source.UpgradeError{Begun: begun}
	}
	return nil
}

// LookForUpgrade asks the main system now whether an upgrade is open, and returns when it was begun; zero when none is.
func (s *System) LookForUpgrade(ctx context.Context) (time.Time, error) {
	u, ok := s.Live.(upgradable)
	if !ok {
		return time.Time{}, nil
	}
	begun, err := u.Upgrade(ctx)
	if err != nil {
		return begun, fmt.Errorf("ask the main system for an upgrade: %w", err)
	}
	s.upgrade.mu.Lock()
	defer s.upgrade.mu.Unlock()
	s.upgrade.begun, s.upgrade.at = begun, time.Now()
	return begun, nil
}

// Deliver writes a report into the main system, unless it is being upgraded. See inbox.MainSystem.
func (s *System) Deliver(ctx context.Context, r protocol.Report) (protocol.Ack, error) {
	if err := s.paused(ctx); err != nil {
		return protocol.Ack{}, err
	}
	return s.Live.Deliver(ctx, r)
}

package capture

import (
	"slices"
	"sync"
	"time"

	"lessor.dk/portalsync/protocol"
)

// The agent's states as operations sees them.
const (
	stateStarting  = "starting"  // no generation yet
	stateLoading   = "loading"   // a snapshot runs or must begin
	stateFollowing = "following" // everything planned is followed
	stateWaiting   = "waiting"   // the portal said no; it is asked again
	stateFailing   = "failing"   // the main system cannot be read
	stateUpgrading = "upgrading" // its vendor upgrades it, and it is not read until that ends
)

// status is the agent's status under a lock: the owner writes it, anybody reads it.
type status struct {
	mu      sync.Mutex
	told    protocol.AgentStatus
	trouble [areas]trouble
	bad     badRows
}

// Status tells how the capture is. It may be called from any goroutine at any time.
func (c *Capture) Status() protocol.AgentStatus {
	told := c.status.read()
	if c.cfg.ReportsIn != nil {
		told.ReportsIn = c.cfg.ReportsIn()
	}
	if c.cfg.ReportsWait != nil {
		told.ReportsWait = c.cfg.ReportsWait()
	}
	return told
}

func (s *status) read() protocol.AgentStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	told.Loading = slices.Clone(told.Loading)
	for _, t := range s.trouble {
		if t.code != "" {
			told.Code, told.Error, told.Since = t.code, t.sentence, t.since
			break
		}
	}
	switch {
	case s.trouble[areaSource].code == codeUpgrade:
		told.State = stateUpgrading
	case s.trouble[areaSource].code != "":
		told.State = stateFailing
	case s.trouble[areaPortal].code != "":
		told.State = stateWaiting
	}
	return told
}

// publish brings the status up to date with the session; nil is CLOSED.
func (s *status) publish(now *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := &s.told
	told.BatchesOut, told.Unsent, told.Loading, told.Quiet = 0, 0, told.Loading[:0], nil
	if now == nil {
		return
	}
	told.State, told.Position, told.BatchesOut = stateFollowing, now.read, len(now.window.batches)
	for _, b := range now.window.batches {
		if b.rows > 0 {
			told.Unsent = b.at
			break
		}
	}
	told.Quiet = now.quietKinds()
	for _, k := range now.kinds {
		if k.phase <= ending && !k.out {
			told.State = stateLoading
			told.Loading = append(told.Loading, protocol.LoadProgress{
				Kind: k.name(), Rows: k.rows, Total: max(k.total, k.rows),
			})
		}
	}
}

// saw notes that the main system was looked at.
func (s *status) saw(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told.SourceAt = at.UnixMilli()
}

// sent counts rows that the receiver has taken.
func (s *status) sent(rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told.RowsSent += int64(rows)
}

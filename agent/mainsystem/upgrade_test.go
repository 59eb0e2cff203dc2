package mainsystem

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// vendor is a main system that its vendor may be upgrading.
type vendor struct {
	plan.Live
	begun        time.Time
	err          error
	looks, reads int
	delivered    int
}

func (v *vendor) Upgrade(context.Context) (time.Time, error) {
	v.looks++
	return v.begun, v.err
}

func (v *vendor) Begin(context.Context) (source.Tx, error) {
	v.reads++
	return nil, nil
}

func (v *vendor) Deliver(context.Context, protocol.Report) (protocol.Ack, error) {
	v.delivered++
	return protocol.Ack{}, nil
}

func TestAnOpenUpgradePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{begun: time.Now().Add(-time.Hour)}
		s := &System{Live: v}
		var upgrade *source.UpgradeError
		if _, err := s.Begin(t.Context()); !errors.As(err, &upgrade) || !upgrade.Begun.Equal(v.begun) || v.reads != 0 {
			t.Fatalf("the first read of a new process: %v, %d reads, want the upgrade that is open", err, v.reads)
		}
		if _, err := s.Deliver(t.Context(), protocol.Report{}); !errors.As(err, &upgrade) || v.delivered != 0 {
			t.Errorf("deliver: %v, %d delivered", err, v.delivered)
		}
		v.begun = time.Time{}
		if _, err := s.Begin(t.Context()); err == nil {
			t.Error("it reads before anybody looked")
		}
		<-time.After(lookEvery) // nobody told the agent
		if _, err := s.Begin(t.Context()); err != nil || v.reads != 1 {
			t.Errorf("a minute after the end: %v, %d reads", err, v.reads)
		}
	})
}

func TestWhoeverSaysSoNeedNotWait(t *testing.T) {
	v := &vendor{}
	s := &System{Live: v}
	if _, err := s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.begun = time.Now()
	if _, err := s.LookForUpgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context()); err == nil || v.reads != 1 {
		t.Errorf("told of the upgrade: %v, %d reads, want no read", err, v.reads)
	}
}

// TestIdlePollsDoNotAsk: a look costs a question a minute, not one a poll.
func TestIdlePollsDoNotAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{}
		s := &System{Live: v}
		for range 150 {
			if _, err := s.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * time.Second)
		}
		if v.looks != 5 {
			t.Errorf("%d looks in five minutes, want 5", v.looks)
		}
	})
}

// TestAMainSystemThatDoesNotAnswerStaysAsItWas: an upgrade takes a database away for a while, which ends nothing.
func TestAMainSystemThatDoesNotAnswerStaysAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{begun: time.Now()}
		s := &System{Live: v}
		_, _ = s.Begin(t.Context())
		<-time.After(lookEvery)
		v.begun, v.err = time.Time{}, source.ErrGone
		var upgrade *source.UpgradeError
		if _, err := s.Begin(t.Context()); !errors.As(err, &upgrade) {
			t.Errorf("err = %v, want the upgrade that was open", err)
		}
	})
}

package daemon

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/keystore"
	"lessor.dk/portalsync/protocol"
)

// enrolled makes the computer of a state directory an agent.
func enrolled(t *testing.T, state string) {
	t.Helper()
	keys, err := keystore.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	id, err := keys.Prepare("https://portal.test", protocol.RootFingerprint{1})
	if err != nil {
		t.Fatal(err)
	}
	id.Agent, id.Tenant, id.Stream = 1, 2, 3
	if err := keys.Save(id); err != nil {
		t.Fatal(err)
	}
}

func TestServiceWaitsCalmlyUntilTheComputerIsEnrolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := New(&config.Config{State: t.TempDir()}, "test", NewLogger(config.Log{}, Plain(&log)))
		done := make(chan error, 1)
		go func() { done <- d.awaitEnrolment(t.Context(), manager{}) }()
		<-time.After(24 * time.Hour)
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("it waited no longer: %v", err)
		default:
		}
		if got := strings.Count(log.String(), "\n"); got != 1 || !strings.Contains(log.String(), "ask the customer's administrator for a code and run agent enrol") {
			t.Errorf("in a day it logged %d lines, want one that says what to do:\n%s", got, log.String())
		}
		if _, err := keystore.Open(d.cfg.State); err != nil { // what a process that asks does meanwhile
			t.Fatal(err)
		}
		enrolled(t, d.cfg.State)
		<-time.After(enrolPoll)
		synctest.Wait()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("awaitEnrolment = %v, want nil", err)
			}
		default:
			t.Error("enrolled, it goes on waiting")
		}
	})
}

func TestServiceThatWaitsCanBeStopped(t *testing.T) {
	d := New(&config.Config{State: t.TempDir()}, "test", NewLogger(config.Log{}, Plain(new(bytes.Buffer))))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := d.Serve(ctx); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

// Whoever runs the agent by hand hears at once that it cannot begin.
func TestAgentRunByHandDoesNotWaitToBeEnrolled(t *testing.T) {
	d := New(&config.Config{State: t.TempDir()}, "test", NewLogger(config.Log{}, Plain(new(bytes.Buffer))))
	if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "this computer is not enrolled") {
		t.Errorf("Run = %v, want an error that says so", err)
	}
}

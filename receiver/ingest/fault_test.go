package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/ingest"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/testenv"
)

// serve puts another ingest behind the server.
func (b *bench) serve(st ingest.Store, cfg ingest.Config) {
	b.t.Helper()
	cfg.Authority = []string{b.server.Listener.Addr().String()}
	in, err := ingest.New(st, b.queue, b.keys, cfg)
	b.must(err)
	handler, err := in.Handler()
	b.must(err)
	b.server.Config.Handler = handler
}

// brokenStore fails in the middle of a request.
type brokenStore struct {
	*store.Store
	fail func() error
}

func (s brokenStore) StreamState(context.Context, protocol.TenantID, protocol.StreamID) (store.Stream, []protocol.KindStatus, error) {
	return store.Stream{}, nil, s.fail()
}

func TestFaultsOfTheReceiver(t *testing.T) {
	tests := map[string]struct {
		fail func() error
		want protocol.Code
		logs string
	}{
		"a panic is an internal error, and its value is not logged": {func() error { panic("hemmelig løn") }, protocol.CodeInternal, "panic in a handler"},
		"an unknown error is an internal error":                     {func() error { return errors.New("uventet") }, protocol.CodeInternal, "request failed"},
		"a database whose disk is full is busy":                     {func() error { return syscall.ENOSPC }, protocol.CodeBusy, "disk full"},
		"a database that is away is busy":                           {func() error { return context.DeadlineExceeded }, protocol.CodeBusy, "request put off"},
	}
	b := newBench(t, ingest.Config{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b.t = t
			var log bytes.Buffer
			b.serve(brokenStore{b.store, tt.fail}, ingest.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
			b.refused(b.batch(1), tt.want)
			if !strings.Contains(log.String(), tt.logs) || strings.Contains(log.String(), "hemmelig") {
				t.Errorf("log is %s", log.String())
			}
		})
	}
}

func TestRedisKilledInBetween(t *testing.T) {
	b := newBench(t, ingest.Config{})
	redis := testenv.NewRedis(t, testenv.RedisConfig{})
	client, err := queue.Dial(redis.URL())
	b.must(err)
	t.Cleanup(func() { client.Close() })
	b.queue = queue.New(client, queue.Config{})
	b.serve(b.store, ingest.Config{})
	if got := b.batch(1); got.refusal != nil {
		t.Fatalf("refused: %v", got.refusal)
	}
	redis.Kill(t)
	got := b.batch(2)
	b.refused(got, protocol.CodeBusy)
	if got.header.Get("Retry-After") == "" {
		t.Error("busy without Retry-After")
	}
	redis.Start(t)
	b.refused(b.batch(2), protocol.CodeGap) // everything was lost: send again from the floor
	if got := b.batch(1); got.status != http.StatusAccepted {
		t.Errorf("answer is %d %s", got.status, got.body)
	}
	if got := b.batch(2); got.status != http.StatusAccepted {
		t.Errorf("answer is %d %s", got.status, got.body)
	}
}

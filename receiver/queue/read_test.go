package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/testenv"
)

func TestReader(t *testing.T) {
	shard := queue.Shard(tenant)
	promises := map[string]func(t *testing.T, client redis.UniversalClient, q *queue.Queue){
		"an entry arrives as it was queued": func(t *testing.T, _ redis.UniversalClient, q *queue.Queue) {
			want := entry(5, 1, "sealed \x00\xff bytes")
			enqueue(t, q, want, 0)
			got := drain(t, q.Reader(shard))
			if diff := cmp.Diff([]queue.Entry{want}, got, cmpopts.IgnoreUnexported(queue.Entry{})); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		},
		"what was queued before there was a reader is read": func(t *testing.T, _ redis.UniversalClient, q *queue.Queue) {
			enqueue(t, q, entry(5, 1, "a"), 0)
			enqueue(t, q, entry(5, 2, "b"), 0)
			if got, want := seqs(drain(t, q.Reader(shard))), "5/1 5/2"; got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		},
		"a new holder gets what a dead one left, in order, before anything new": func(t *testing.T, _ redis.UniversalClient, q *queue.Queue) {
			enqueue(t, q, entry(5, 1, "a"), 0)
			enqueue(t, q, entry(5, 2, "b"), 0)
			drain(t, q.Reader(shard))
			enqueue(t, q, entry(5, 3, "c"), 0)
			if got, want := seqs(drain(t, q.Reader(shard))), "5/1 5/2 5/3"; got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		},
		"what is done is gone, and done twice is done once": func(t *testing.T, client redis.UniversalClient, q *queue.Queue) {
			enqueue(t, q, entry(5, 1, "a"), 0)
			enqueue(t, q, entry(5, 2, "bb"), 0)
			got := drain(t, q.Reader(shard))
			for range 2 {
				if err := q.Done(t.Context(), got[0]); err != nil {
					t.Fatal(err)
				}
			}
			pending, err := client.XPending(t.Context(), fmt.Sprintf("ps:{%02d}:queue", shard), "writers").Result()
			if err != nil || pending.Count != 1 {
				t.Errorf("XPending = %+v, %v, want 1", pending, err)
			}
			if got, want := seqs(drain(t, q.Reader(shard))), "5/2"; got != want {
				t.Errorf("read %q, want %q", got, want)
			}
			if d, err := q.Depth(t.Context()); err != nil || d != (queue.Depth{Entries: 1, Bytes: 2}) {
				t.Errorf("Depth = %+v, %v, want 1 entry of 2 bytes", d, err)
			}
			if last, waiting, err := q.State(t.Context(), tenant, stream, 5); last != 2 || waiting != 1 || err != nil {
				t.Errorf("State = %d, %d, %v, want 2, 1", last, waiting, err)
			}
		},
		"an older generation's entry that is done does not count for the newer": func(t *testing.T, _ redis.UniversalClient, q *queue.Queue) {
			enqueue(t, q, entry(5, 1, "a"), 0)
			enqueue(t, q, entry(6, 1, "b"), 0)
			got := drain(t, q.Reader(shard))
			if err := q.Done(t.Context(), got[0]); err != nil {
				t.Fatal(err)
			}
			if _, waiting, err := q.State(t.Context(), tenant, stream, 6); waiting != 1 || err != nil {
				t.Errorf("State = %d waiting, %v, want 1", waiting, err)
			}
			if last, waiting, err := q.State(t.Context(), tenant, stream, 5); last != 0 || waiting != 0 || err != nil {
				t.Errorf("State of the old generation = %d, %d, %v, want 0, 0", last, waiting, err)
			}
		},
		"after everything was lost a waiting reader goes on with what comes": func(t *testing.T, client redis.UniversalClient, q *queue.Queue) {
			r := q.Reader(shard)
			enqueue(t, q, entry(5, 1, "a"), 0)
			drain(t, r)
			if err := client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			enqueue(t, q, entry(5, 2, "b"), 1)
			if got, want := seqs(drain(t, r)), "5/2"; got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		},
		"an entry that makes no sense is dropped and the rest is read": func(t *testing.T, client redis.UniversalClient, q *queue.Queue) {
			enqueue(t, q, entry(5, 1, "a"), 0)
			keys, err := client.Keys(t.Context(), "*:queue").Result()
			if err != nil || len(keys) != 1 {
				t.Fatalf("Keys = %v, %v", keys, err)
			}
			client.XAdd(t.Context(), &redis.XAddArgs{Stream: keys[0], Values: []string{"t", "seven"}})
			enqueue(t, q, entry(5, 2, "b"), 0)
			if got, want := seqs(drain(t, q.Reader(shard))), "5/1 5/2"; got != want {
				t.Errorf("read %q, want %q", got, want)
			}
			if n := client.XLen(t.Context(), keys[0]).Val(); n != 2 {
				t.Errorf("the stream holds %d entries, want 2", n)
			}
		},
		"a waiting read ends as soon as its context does": func(t *testing.T, _ redis.UniversalClient, q *queue.Queue) {
			r := q.Reader(shard)
			drain(t, r)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			began := time.Now()
			if _, err := r.Next(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Next = %v, want deadline exceeded", err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("Next took %v", took)
			}
		},
		"a waiting read sees what is queued meanwhile": func(t *testing.T, _ redis.UniversalClient, q *queue.Queue) {
			r := q.Reader(shard)
			drain(t, r)
			go q.Enqueue(t.Context(), entry(5, 1, "a"), 0) // if it is refused, the read below hangs
			for {
				if got := next(t, r, true); len(got) > 0 {
					return
				}
			}
		},
	}
	everywhere(t, func(t *testing.T, client redis.UniversalClient) {
		for name, promise := range promises {
			t.Run(name, func(t *testing.T) {
				if err := client.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				promise(t, client, queue.New(client, queue.Config{}))
			})
		}
	})
}

func TestReaderReadsAtMostCount(t *testing.T) {
	everywhere(t, func(t *testing.T, client redis.UniversalClient) {
		q := queue.New(client, queue.Config{Count: 2})
		for seq := protocol.Seq(1); seq <= 3; seq++ {
			enqueue(t, q, entry(5, seq, "a"), 0)
		}
		r := q.Reader(queue.Shard(tenant))
		for _, want := range []string{"5/1 5/2", "5/3"} {
			got := next(t, r, false)
			for len(got) == 0 {
				got = next(t, r, false)
			}
			if seqs(got) != want {
				t.Errorf("read %q, want %q", seqs(got), want)
			}
		}
	})
}

func TestRedisKilledAndStartedAgain(t *testing.T) {
	for name, cfg := range map[string]testenv.RedisConfig{
		"with everything lost": {},
		"with everything kept": {AppendOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := testenv.NewRedis(t, cfg)
			q := queue.New(dial(t, server.URL()), queue.Config{})
			run(t, q)
			r := q.Reader(queue.Shard(tenant))
			enqueue(t, q, entry(5, 1, "a"), 0)
			drain(t, r)
			w := q.Watch(stream)
			defer w.Close()
			subscribed(t, q)
			clearWake(w)

			server.Kill(t)
			if _, err := q.Enqueue(t.Context(), entry(5, 2, "b"), 0); err == nil {
				t.Error("Enqueue with Redis gone = nil, want an error")
			}
			if _, err := r.Next(t.Context(), true); err == nil {
				t.Error("Next with Redis gone = nil, want an error")
			}
			server.Start(t)

			<-w.C // the new subscription wakes everybody: something may have been missed
			if _, err := q.Enqueue(t.Context(), entry(5, 2, "b"), 1); err != nil {
				t.Fatalf("Enqueue after the restart: %v", err)
			}
			var got []queue.Entry
			for len(got) == 0 || got[len(got)-1].Seq != 2 {
				got = append(got, next(t, r, true)...)
			}
			want := "5/2"
			if cfg.AppendOnly {
				want = "5/1 5/2"
			}
			if seqs(got) != want {
				t.Errorf("read %q after the restart, want %q", seqs(got), want)
			}
			if err := q.Done(t.Context(), got...); err != nil {
				t.Fatalf("Done after the restart: %v", err)
			}
		})
	}
}

func TestRedisOutOfMemoryIsFullAndLeavesNoTrace(t *testing.T) {
	client := dial(t, testenv.NewRedis(t, testenv.RedisConfig{}).URL())
	q := queue.New(client, queue.Config{})
	enqueue(t, q, entry(5, 1, "a"), 0)
	got := drain(t, q.Reader(queue.Shard(tenant)))
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.ConfigSet(context.Background(), "maxmemory", "0") })
	if got, err := q.Enqueue(t.Context(), entry(5, 2, "b"), 0); err != nil || got.Outcome != queue.Full {
		t.Errorf("Enqueue = %+v, %v, want full", got, err)
	}
	if diff := cmp.Diff(hash{"5", "1", "1"}, stateOf(t, client)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if err := q.Done(t.Context(), got...); err != nil {
		t.Errorf("Done = %v: the writer must be able to empty a full Redis", err)
	}
	if diff := cmp.Diff(hash{"5", "1", "0"}, stateOf(t, client)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

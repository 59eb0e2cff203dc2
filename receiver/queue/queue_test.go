package queue_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/testenv"
)

// everywhere runs one promise of the queue on a real Redis and on the embedded one.
func everywhere(t *testing.T, promise func(t *testing.T, client redis.UniversalClient)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) { promise(t, dial(t, testenv.NewRedis(t, testenv.RedisConfig{}).URL())) })
	t.Run("embedded", func(t *testing.T) { promise(t, embedded(t)) })
}

func dial(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client, err := queue.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func embedded(t *testing.T) redis.UniversalClient {
	t.Helper()
	server, client, err := queue.Embedded("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client
}

const (
	tenant protocol.TenantID = 7
	stream protocol.StreamID = 70
	agent  protocol.AgentID  = 700
)

var noon = time.UnixMilli(1_790_000_000_000)

func entry(gen protocol.Generation, seq protocol.Seq, body string) queue.Entry {
	return queue.Entry{Tenant: tenant, Stream: stream, Gen: gen, Seq: seq, Agent: agent, At: noon, Body: []byte(body)}
}

// hash is the state of a stream in the queue, as the keys are documented in the package.
type hash struct{ Gen, Last, Waiting string }

func stateOf(t *testing.T, client redis.UniversalClient) hash {
	t.Helper()
	key := fmt.Sprintf("ps:{%02d}:stream:%d:%d", queue.Shard(tenant), tenant, stream)
	h, err := client.HGetAll(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	return hash{h["g"], h["l"], h["n"]}
}

func TestEnqueue(t *testing.T) {
	limits := queue.Config{TenantEntries: 3, ShardEntries: 5}
	type call struct {
		gen   protocol.Generation
		seq   protocol.Seq
		floor protocol.Seq
	}
	tests := map[string]struct {
		before []call // all accepted
		call   call
		want   queue.Result
		state  hash
	}{
		"the first batch of a stream is accepted":                   {nil, call{5, 1, 0}, queue.Result{Outcome: queue.Accepted, Expected: 2}, hash{"5", "1", "1"}},
		"the next batch is accepted":                                {[]call{{5, 1, 0}}, call{5, 2, 0}, queue.Result{Outcome: queue.Accepted, Expected: 3}, hash{"5", "2", "2"}},
		"the same batch again is a duplicate":                       {[]call{{5, 1, 0}}, call{5, 1, 0}, queue.Result{Outcome: queue.Duplicate, Expected: 2}, hash{"5", "1", "1"}},
		"a batch too far is a gap":                                  {[]call{{5, 1, 0}}, call{5, 3, 0}, queue.Result{Outcome: queue.Gap, Expected: 2}, hash{"5", "1", "1"}},
		"with the memory lost the floor is where it continues":      {nil, call{5, 8, 7}, queue.Result{Outcome: queue.Accepted, Expected: 9}, hash{"5", "8", "1"}},
		"with the memory lost a batch beyond the floor is a gap":    {nil, call{5, 9, 7}, queue.Result{Outcome: queue.Gap, Expected: 8}, hash{}},
		"with the memory lost an applied batch is a duplicate":      {nil, call{5, 7, 7}, queue.Result{Outcome: queue.Duplicate, Expected: 8}, hash{}},
		"a memory that came back old is lifted to the floor":        {[]call{{5, 1, 0}}, call{5, 6, 5}, queue.Result{Outcome: queue.Accepted, Expected: 7}, hash{"5", "6", "2"}},
		"a newer generation begins at 1":                            {[]call{{5, 1, 0}, {5, 2, 0}}, call{6, 1, 0}, queue.Result{Outcome: queue.Accepted, Expected: 2}, hash{"6", "1", "1"}},
		"a newer generation does not continue the older's numbers":  {[]call{{5, 1, 0}, {5, 2, 0}}, call{6, 3, 0}, queue.Result{Outcome: queue.Gap, Expected: 1}, hash{"5", "2", "2"}},
		"a store restored behind Redis continues at its floor":      {[]call{{5, 1, 0}, {5, 2, 0}}, call{4, 10, 9}, queue.Result{Outcome: queue.Accepted, Expected: 11}, hash{"4", "10", "1"}},
		"a store restored behind Redis still refuses what is known": {[]call{{5, 1, 0}, {5, 2, 0}}, call{4, 9, 9}, queue.Result{Outcome: queue.Duplicate, Expected: 10}, hash{"5", "2", "2"}},
		"over the tenant's entries it is full":                      {[]call{{5, 1, 0}, {5, 2, 0}, {5, 3, 0}}, call{5, 4, 0}, queue.Result{Outcome: queue.Full, Expected: 4}, hash{"5", "3", "3"}},
		"full does not hide a duplicate":                            {[]call{{5, 1, 0}, {5, 2, 0}, {5, 3, 0}}, call{5, 3, 0}, queue.Result{Outcome: queue.Duplicate, Expected: 4}, hash{"5", "3", "3"}},
	}
	everywhere(t, func(t *testing.T, client redis.UniversalClient) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				if err := client.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				q := queue.New(client, limits)
				for _, c := range tt.before {
					enqueue(t, q, entry(c.gen, c.seq, "sealed"), c.floor)
				}
				got, err := q.Enqueue(t.Context(), entry(tt.call.gen, tt.call.seq, "sealed"), tt.call.floor)
				if err != nil || got != tt.want {
					t.Errorf("Enqueue(%+v) = %+v, %v, want %+v", tt.call, got, err, tt.want)
				}
				if diff := cmp.Diff(tt.state, stateOf(t, client)); diff != "" {
					t.Errorf("state (-want +got):\n%s", diff)
				}
			})
		}
	})
}

func enqueue(t *testing.T, q *queue.Queue, e queue.Entry, floor protocol.Seq) {
	t.Helper()
	got, err := q.Enqueue(t.Context(), e, floor)
	if err != nil || got.Outcome != queue.Accepted {
		t.Fatalf("Enqueue(gen %d, seq %d) = %+v, %v, want accepted", e.Gen, e.Seq, got, err)
	}
}

func next(t *testing.T, r *queue.Reader, wait bool) []queue.Entry {
	t.Helper()
	entries, err := r.Next(t.Context(), wait)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return entries
}

// drain reads until a whole read is empty, new group and rewinds included.
func drain(t *testing.T, r *queue.Reader) []queue.Entry {
	t.Helper()
	var all []queue.Entry
	for empty := 0; empty < 3; {
		got := next(t, r, false)
		all = append(all, got...)
		if len(got) == 0 {
			empty++
		}
	}
	return all
}

func seqs(entries []queue.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%d/%d ", e.Gen, e.Seq)
	}
	return strings.TrimSpace(b.String())
}

func TestLimits(t *testing.T) {
	everywhere(t, func(t *testing.T, client redis.UniversalClient) {
		big := strings.Repeat("x", protocol.MaxSealedBytes)
		t.Run("a tenant over its bytes is full until the writer is done with one", func(t *testing.T) {
			client.FlushAll(t.Context())
			q := queue.New(client, queue.Config{TenantBytes: 1})
			enqueue(t, q, entry(1, 1, big), 0)
			if got, err := q.Enqueue(t.Context(), entry(1, 2, "x"), 0); err != nil || got.Outcome != queue.Full {
				t.Fatalf("Enqueue = %+v, %v, want full", got, err)
			}
			if err := q.Done(t.Context(), drain(t, q.Reader(queue.Shard(tenant)))...); err != nil {
				t.Fatal(err)
			}
			enqueue(t, q, entry(1, 2, "x"), 0)
		})
		t.Run("a shard over its bytes is full for every tenant in it", func(t *testing.T) {
			client.FlushAll(t.Context())
			q := queue.New(client, queue.Config{ShardBytes: 1})
			enqueue(t, q, entry(1, 1, big), 0)
			other := entry(1, 1, "x")
			other.Tenant = neighbour(tenant)
			if got, err := q.Enqueue(t.Context(), other, 0); err != nil || got.Outcome != queue.Full {
				t.Fatalf("Enqueue = %+v, %v, want full", got, err)
			}
		})
		t.Run("a shard over its entries is full, another shard is not", func(t *testing.T) {
			client.FlushAll(t.Context())
			q := queue.New(client, queue.Config{ShardEntries: 1})
			enqueue(t, q, entry(1, 1, "x"), 0)
			if got, err := q.Enqueue(t.Context(), entry(1, 2, "x"), 0); err != nil || got.Outcome != queue.Full {
				t.Fatalf("Enqueue = %+v, %v, want full", got, err)
			}
			other := entry(1, 1, "x")
			other.Tenant = stranger(tenant)
			enqueue(t, q, other, 0)
		})
		t.Run("a tenant's limit leaves its neighbour alone", func(t *testing.T) {
			client.FlushAll(t.Context())
			q := queue.New(client, queue.Config{TenantEntries: 1})
			enqueue(t, q, entry(1, 1, "x"), 0)
			other := entry(1, 1, "x")
			other.Tenant = neighbour(tenant)
			enqueue(t, q, other, 0)
		})
	})
}

// neighbour returns another tenant of the same shard, stranger one of another shard.
func neighbour(t protocol.TenantID) protocol.TenantID {
	for n := t + 1; ; n++ {
		if queue.Shard(n) == queue.Shard(t) {
			return n
		}
	}
}

func stranger(t protocol.TenantID) protocol.TenantID {
	for n := t + 1; ; n++ {
		if queue.Shard(n) != queue.Shard(t) {
			return n
		}
	}
}

func TestShardsAreEven(t *testing.T) {
	var count [queue.Shards]int
	for n := range 64 * 200 {
		count[queue.Shard(protocol.TenantID(n+1))]++
	}
	for shard, n := range count {
		if n < 100 || n > 300 {
			t.Errorf("shard %d holds %d of 12800 tenants, want about 200", shard, n)
		}
	}
}

func TestWakeReachesEveryWatcherOfTheStreamAndNoOther(t *testing.T) {
	everywhere(t, func(t *testing.T, client redis.UniversalClient) {
		q := queue.New(client, queue.Config{})
		run(t, q)
		a, b, other := q.Watch(stream), q.Watch(stream), q.Watch(stream+1)
		defer a.Close()
		subscribed(t, q)
		for _, w := range []*queue.Watcher{a, b, other} { // the new subscription woke all
			clearWake(w)
		}
		if err := q.Wake(t.Context(), tenant, stream); err != nil {
			t.Fatal(err)
		}
		<-a.C
		<-b.C
		select {
		case <-other.C:
			t.Error("the watcher of another stream was woken")
		default:
		}
		b.Close()
		b.Close()
	})
}

func run(t *testing.T, q *queue.Queue) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

// subscribed waits until wakes come through.
func subscribed(t *testing.T, q *queue.Queue) {
	t.Helper()
	const probe protocol.StreamID = 999
	w := q.Watch(probe)
	defer w.Close()
	for {
		if err := q.Wake(t.Context(), tenant, probe); err != nil {
			t.Logf("not yet: %v", err)
		}
		select {
		case <-w.C:
			return
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("no subscription")
		}
	}
}

func clearWake(w *queue.Watcher) {
	select {
	case <-w.C:
	default:
	}
}

func TestNonceIsNewOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, client redis.UniversalClient) {
		q := queue.New(client, queue.Config{})
		for _, tt := range []struct {
			key  protocol.KeyID
			want bool
		}{{"k1", true}, {"k1", false}, {"k2", true}} {
			if first, err := q.FirstUse(t.Context(), tt.key, "n"); err != nil || first != tt.want {
				t.Errorf("FirstUse(%s) = %v, %v, want %v", tt.key, first, err, tt.want)
			}
		}
	})
}

func TestHoldersThatLiveAreCounted(t *testing.T) {
	everywhere(t, func(t *testing.T, client redis.UniversalClient) {
		q := queue.New(client, queue.Config{})
		join := func(holder string, ttl time.Duration, want int) {
			t.Helper()
			if n, err := q.Join(t.Context(), holder, ttl); err != nil || n != want {
				t.Errorf("Join(%s) = %d, %v, want %d", holder, n, err, want)
			}
		}
		join("a", time.Minute, 1)
		join("b", time.Minute, 2)
		join("a", time.Minute, 2)
		join("dead", -time.Second, 3)
		join("a", time.Minute, 2)
		if err := q.Leave(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		join("a", time.Minute, 1)
	})
}

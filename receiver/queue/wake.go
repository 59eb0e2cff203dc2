package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"lessor.dk/portalsync/protocol"
)

// Watcher hears of news of one stream. A watcher that is not read loses nothing but the count of them.
type Watcher struct {
	C <-chan struct{} // one value waits here after one or more wakes

	q      *Queue
	c      chan struct{}
	stream protocol.StreamID
}

// Watch registers interest in a stream. The caller calls Close when it no longer listens.
// Wakes arrive only while [Queue.Run] runs.
func (q *Queue) Watch(stream protocol.StreamID) *Watcher {
	c := make(chan struct{}, 1)
	w := &Watcher{C: c, q: q, c: c, stream: stream}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.watchers[stream] == nil {
		q.watchers[stream] = map[*Watcher]struct{}{}
	}
	q.watchers[stream][w] = struct{}{}
	return w
}

// Close ends the interest. It may be called twice.
func (w *Watcher) Close() {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	delete(w.q.watchers[w.stream], w)
	if len(w.q.watchers[w.stream]) == 0 {
		delete(w.q.watchers, w.stream)
	}
}

// Wake tells every receiver process that there is news of a stream: a batch was committed or a report
// submitted. A wake may be lost with a connection; those who watch also look by themselves now and then.
func (q *Queue) Wake(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID) error {
	if err := q.redis.Publish(ctx, q.channel(), strconv.FormatInt(int64(stream), 10)).Err(); err != nil {
		return fmt.Errorf("wake stream %d of tenant %d: %w", stream, tenant, err)
	}
	return nil
}

func (q *Queue) channel() string { return q.cfg.Prefix + ":wake" }

// Run holds the process's one subscription, over any number of reconnections, and hands wakes to
// the watchers. It blocks until ctx ends.
func (q *Queue) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := q.listen(ctx); ctx.Err() == nil {
			q.log.WarnContext(ctx, "wake subscription lost", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

// listen subscribes and hands on wakes until the connection is lost.
func (q *Queue) listen(ctx context.Context) error {
	sub := q.redis.Subscribe(ctx, q.channel())
	stop := context.AfterFunc(ctx, func() { sub.Close() }) // which is how a blocked receive ends
	defer func() {
		if stop() {
			sub.Close()
		}
	}()
	for {
		message, err := sub.ReceiveTimeout(ctx, time.Minute)
		if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
			err = sub.Ping(ctx)
			message = nil
		}
		if err != nil {
			return fmt.Errorf("receive wakes: %w", err)
		}
		switch m := message.(type) {
		case *redis.Subscription: // wakes may have been missed while there was none
			q.wakeAll()
		case *redis.Message:
			if stream, err := strconv.ParseInt(m.Payload, 10, 64); err == nil {
				q.wake(protocol.StreamID(stream))
			}
		}
	}
}

func (q *Queue) wake(stream protocol.StreamID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for w := range q.watchers[stream] {
		w.tell()
	}
}

func (q *Queue) wakeAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, ws := range q.watchers {
		for w := range ws {
			w.tell()
		}
	}
}

func (w *Watcher) tell() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

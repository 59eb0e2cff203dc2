package ingest

import (
	"fmt"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
)

// batch queues a sealed batch. Everything that can be judged by its head is judged before the body is read: with
// Expect: 100-continue a refusal then costs no body at all. "Accepted" promises nothing: the checkpoint does.
func (in *Ingest) batch(c *call) (any, error) {
	h := c.verified.Stream
	if h == nil {
		return nil, malformed("a batch needs the header %s", protocol.HeaderStream)
	}
	if h.Seq < 1 || c.Header.Get("Content-Type") != protocol.MediaBatch {
		return nil, malformed("a batch has a seq of at least 1 and is %s", protocol.MediaBatch)
	}
	stream, _, err := in.store.StreamState(c.Context(), h.Tenant, h.Stream)
	if err != nil {
		return nil, err
	}
	if err := accepts(stream, h.Gen); err != nil {
		return nil, err
	}
	body, err := c.bytes()
	if err != nil {
		return nil, err
	}
	entry := queue.Entry{Tenant: h.Tenant, Stream: h.Stream, Gen: h.Gen, Seq: h.Seq, Agent: c.agent.Agent, At: c.now, Body: body}
	got, err := in.queue.Enqueue(c.Context(), entry, stream.AppliedSeq)
	if err != nil {
		return nil, err
	}
	in.metrics.batches.WithLabelValues(string(got.Outcome)).Inc()
	switch got.Outcome {
	case queue.Accepted:
		in.metrics.bytes.Add(float64(len(body)))
		return protocol.BatchAnswer{AppliedSeq: stream.AppliedSeq}, nil
	case queue.Duplicate:
		return protocol.BatchAnswer{Duplicate: true, AppliedSeq: stream.AppliedSeq}, nil
	case queue.Gap:
		return nil, &protocol.Reject{Code: protocol.CodeGap, Expected: got.Expected, Detail: fmt.Sprintf("batch %d does not follow: continue at %d", h.Seq, got.Expected)}
	case queue.Full:
		return nil, &protocol.Reject{Code: protocol.CodeFull, RetryAfter: retrySoon, Detail: "more waits to be applied than the queue holds: the same batch again later"}
	}
	return nil, fmt.Errorf("queue answered %q", got.Outcome)
}

// accepts refuses batches of a generation that is over. A stream that is held takes nothing more in its
// generation either: opening again is how it gets a checkpoint that fits.
func accepts(s store.Stream, gen protocol.Generation) error {
	switch {
	case s.Status == store.StreamSuspended:
		return &protocol.Reject{Code: protocol.CodeSuspended, Detail: "the stream is suspended: " + s.Cause.String()}
	case s.Gen != gen:
		return &protocol.Reject{Code: protocol.CodeReopen, Detail: fmt.Sprintf("generation %d is over: open the stream again", gen)}
	case s.Status == store.StreamHeld:
		return &protocol.Reject{Code: protocol.CodeReopen, Detail: "the stream is held: " + s.Cause.String() + "; open it again"}
	}
	return nil
}

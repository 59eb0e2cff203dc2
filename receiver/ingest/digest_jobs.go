package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"lessor.dk/portalsync/protocol"
)

// digests reads digests for requests that may not wait so long: one that is not done in time goes on, and is there
// when the agent asks the same again. Losing it costs a second read.
type digests struct {
	slots chan struct{}
	mu    sync.Mutex
	jobs  map[protocol.StreamID]*digestJob // an agent asks one thing at a time
}

type digestJob struct {
	asked  string
	done   chan struct{}
	cancel context.CancelFunc
	answer protocol.DigestAnswer
	err    error
}

func newDigests() *digests {
	return &digests{slots: make(chan struct{}, digestsAtOnce), jobs: map[protocol.StreamID]*digestJob{}}
}

// answer returns what read returns for the request, whoever began it. One that is not there within digestWait is busy.
// Another question of the same stream ends a read that nobody waits for.
func (d *digests) answer(c *call, r protocol.DigestRequest, read func(context.Context) (protocol.DigestAnswer, error)) (protocol.DigestAnswer, error) {
	asked, err := json.Marshal(r)
	if err != nil {
		return protocol.DigestAnswer{}, fmt.Errorf("encode digest request: %w", err)
	}
	job, err := d.job(c.Context(), r.Stream, string(asked), read)
	if err != nil {
		return protocol.DigestAnswer{}, err
	}
	timeout := time.NewTimer(digestWait)
	defer timeout.Stop()
	select {
	case <-job.done:
		d.forget(r.Stream, job)
		return job.answer, job.err
	case <-timeout.C:
	case <-c.Context().Done():
	}
	return protocol.DigestAnswer{}, &protocol.Reject{Code: protocol.CodeBusy, RetryAfter: retrySoon, Detail: "the digest is being read: ask again"}
}

// job returns the read that answers the question, begun unless it runs already.
func (d *digests) job(ctx context.Context, stream protocol.StreamID, asked string, read func(context.Context) (protocol.DigestAnswer, error)) (*digestJob, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if job := d.jobs[stream]; job != nil {
		if job.asked == asked {
			return job, nil
		}
		job.cancel()
		delete(d.jobs, stream)
	}
	select {
	case d.slots <- struct{}{}:
	default:
		return nil, &protocol.Reject{Code: protocol.CodeBusy, RetryAfter: retrySoon, Detail: "other digests are being read: ask again"}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), digestLife)
	job := &digestJob{asked: asked, done: make(chan struct{}), cancel: cancel}
	d.jobs[stream] = job
	go func() {
		defer cancel()
		job.answer, job.err = read(ctx)
		<-d.slots
		close(job.done)
		time.AfterFunc(digestKept, func() { d.forget(stream, job) })
	}()
	return job, nil
}

// forget frees a read whose answer was taken, or that nobody came back for.
func (d *digests) forget(stream protocol.StreamID, job *digestJob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.jobs[stream] == job {
		delete(d.jobs, stream)
	}
}

// stop ends all reads.
func (d *digests) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, job := range d.jobs {
		job.cancel()
	}
}

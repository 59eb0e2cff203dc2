package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// rememberFault is how long a fault of the store counts when nobody has tried to write since.
const rememberFault = 2 * time.Minute

// watchedStore is the store as writer and ingest use it. It remembers what the database said when a batch or a
// check-in could not be written: reading goes on working on a full disk, so nothing else would tell.
type watchedStore struct {
	*store.Store
	batches, checkIns fault
}

// fault is the last error of one kind of writing.
type fault struct {
	mu    sync.Mutex
	err   error
	since time.Time
	seen  time.Time
}

// InShard is the store's, watched.
func (w *watchedStore) InShard(ctx context.Context, by store.Fence, tenant protocol.TenantID, stream protocol.StreamID, f func(*store.StreamTx) error) error {
	err := w.Store.InShard(ctx, by, tenant, stream, f)
	w.note(ctx, &w.batches, err)
	return err
}

// SaveCheckIn is the store's, watched.
func (w *watchedStore) SaveCheckIn(ctx context.Context, tenant protocol.TenantID, agent protocol.AgentID, status protocol.AgentStatus, address string, at time.Time) error {
	err := w.Store.SaveCheckIn(ctx, tenant, agent, status, address, at)
	w.note(ctx, &w.checkIns, err)
	return err
}

// note remembers an error, and forgets it when something was written. What says nothing of the store changes nothing:
// rows that it refuses, who is gone, a lease that is lost, and a caller that did not wait for the end.
func (w *watchedStore) note(ctx context.Context, f *fault, err error) {
	switch {
	case err == nil:
		f.set(nil)
	case ctx.Err() != nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrFenced), w.Unfit(err):
	default:
		f.set(err)
	}
}

// fault returns why the store cannot be written; nil if it can. Since is when it began.
func (w *watchedStore) fault() (since time.Time, err error) {
	if since, err := w.batches.now(); err != nil {
		return since, err
	}
	return w.checkIns.now()
}

func (f *fault) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.err == nil {
		f.since = time.Now()
	}
	f.err, f.seen = err, time.Now()
}

func (f *fault) now() (since time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.seen) > rememberFault {
		return time.Time{}, nil
	}
	return f.since, f.err
}

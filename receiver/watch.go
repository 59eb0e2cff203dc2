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

// InStream is the store's, watched.
func (w *watchedStore) InStream(ctx context.Context, tenant protocol.TenantID, stream protocol.StreamID, f func(*store.StreamTx) error) error {
	err := w.Store.InStream(ctx, tenant, stream, f)
	w.batches.note(w.ofStore(ctx, err))
	return err
}

// SaveCheckIn is the store's, watched.
func (w *watchedStore) SaveCheckIn(ctx context.Context, tenant protocol.TenantID, agent protocol.AgentID, status protocol.AgentStatus, address string, at time.Time) error {
	err := w.Store.SaveCheckIn(ctx, tenant, agent, status, address, at)
	w.checkIns.note(w.ofStore(ctx, err))
	return err
}

// ofStore leaves out what says nothing of the store: rows that it refuses, and who is gone.
func (w *watchedStore) ofStore(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, store.ErrNotFound) || w.Unfit(err) {
		return nil
	}
	return err
}

// fault returns why the store cannot be written, and since when; nil if it can.
func (w *watchedStore) fault() (error, time.Time) {
	if err, since := w.batches.now(); err != nil {
		return err, since
	}
	return w.checkIns.now()
}

func (f *fault) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.err == nil {
		f.since = time.Now()
	}
	f.err, f.seen = err, time.Now()
}

func (f *fault) now() (error, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.seen) > rememberFault {
		return nil, time.Time{}
	}
	return f.err, f.since
}

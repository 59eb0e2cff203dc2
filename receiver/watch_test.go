package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"lessor.dk/portalsync/receiver/store"
)

// A fault of the store is remembered until something is written, whatever else happens meanwhile.
func TestWatchedStoreRemembersAFault(t *testing.T) {
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	gone, leave := context.WithCancel(t.Context())
	leave()
	full := fmt.Errorf("apply batch: %w", &pgconn.PgError{Code: "53100"})
	tests := map[string]struct {
		ctx  context.Context //nolint:containedctx // of the write that comes next
		err  error
		want error
	}{
		"another write fails as well":             {t.Context(), full, full},
		"it is written again":                     {t.Context(), nil, nil},
		"an agent hung up before the end":         {gone, context.Canceled, full},
		"the process ends":                        {gone, full, full},
		"the agent is not known":                  {t.Context(), store.ErrNotFound, full},
		"the shard went to another writer":        {t.Context(), store.ErrFenced, full},
		"a write that ended just before its time": {gone, nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &watchedStore{Store: st}
			w.note(t.Context(), &w.batches, full)
			w.note(tt.ctx, &w.batches, tt.err)
			if _, got := w.fault(); !errors.Is(got, tt.want) {
				t.Errorf("fault = %v, want %v", got, tt.want)
			}
		})
	}
}

package operations

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/receiver/store"
)

// A large fleet is read behind the pages that are shown; a small one is always as it is.
func TestAViewOfTheFleet(t *testing.T) {
	tests := map[string]struct {
		agents int
		steps  func(t *testing.T, get func(wantReads int), pass func(time.Duration), fail func(error))
	}{
		"a small fleet is read for every page": {smallFleet, func(_ *testing.T, get func(int), _ func(time.Duration), _ func(error)) {
			get(1)
			get(2)
		}},
		"a large one is read once for pages of the same moment": {smallFleet + 1, func(_ *testing.T, get func(int), pass func(time.Duration), _ func(error)) {
			get(1)
			pass(viewFresh)
			get(1)
		}},
		"and then behind the page that is shown, once": {smallFleet + 1, func(_ *testing.T, get func(int), pass func(time.Duration), _ func(error)) {
			get(1)
			pass(viewFresh + time.Millisecond)
			get(1)
			get(1)
			pass(readingTakes)
			get(2)
		}},
		"what nobody looked at for long is not shown": {smallFleet + 1, func(_ *testing.T, get func(int), pass func(time.Duration), _ func(error)) {
			get(1)
			pass(viewOld + time.Millisecond)
			get(2)
		}},
		"a store that is away shows the last view until it is old": {smallFleet + 1, func(_ *testing.T, get func(int), pass func(time.Duration), fail func(error)) {
			get(1)
			fail(errors.New("away"))
			for range 3 {
				pass(5 * time.Second)
				get(1)
			}
			pass(viewOld)
			get(-1)
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reads, away := 0, error(nil)
				f := &fleetView{now: time.Now, read: func(context.Context) ([]store.FleetAgent, error) {
					if err := away; err != nil {
						return nil, err
					}
					reads++
					agents := make([]store.FleetAgent, tt.agents)
					agents[0].RowsApplied = int64(reads)
					if reads > 1 {
						time.Sleep(readingTakes) //nolint:forbidigo // the bubble's clock, for which nobody waits
					}
					return agents, nil
				}}
				get := func(want int) {
					t.Helper()
					v, err := f.get(t.Context())
					if want < 0 {
						if err == nil {
							t.Error("an old view is shown, want the error")
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if got := v.agents[0].RowsApplied; got != int64(want) {
						t.Errorf("the view of reading %d, want %d", got, want)
					}
					f.mu.Lock()
					defer f.mu.Unlock()
					if !f.reading && reads != want {
						t.Errorf("%d readings, want %d", reads, want)
					}
				}
				tt.steps(t, get, pause, func(err error) { away = err })
				pause(viewTime)
			})
		})
	}
}

// readingTakes is how long reading the fleet takes behind a page.
const readingTakes = 300 * time.Millisecond

// pause lets time pass in the bubble, and all that happens then happen.
func pause(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock, for which nobody waits
	synctest.Wait()
}

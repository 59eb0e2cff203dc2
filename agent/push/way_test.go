package push

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
)

// statuses are what the check-ins that arrived said.
func (r *receiver) statuses() []protocol.AgentStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []protocol.AgentStatus
	for i, path := range r.paths {
		if path != "POST "+protocol.PathCheckIn {
			continue
		}
		var q protocol.CheckInRequest
		if err := json.Unmarshal(r.bodies[i], &q); err != nil {
			r.t.Error(err)
		}
		all = append(all, q.Status)
	}
	return all
}

// The check-in that gets through after an hour behind a sign-in page tells what was there, and from when until when.
func TestTheFirstCheckInThatArrivesTellsWhatKeptTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		began := time.Now()
		r.meddle = func(_ int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
			if time.Since(began) < time.Hour {
				w.WriteHeader(http.StatusOK)
				return
			}
			next(w, q)
		}
		c := r.client(Config{Wait: func(int, time.Duration) time.Duration { return time.Minute }})
		if got := c.Trouble(); got != nil {
			t.Errorf("trouble before the first call = %+v", got)
		}
		if _, err := c.CheckIn(t.Context(), protocol.CheckInRequest{Status: protocol.AgentStatus{State: "following"}}); err != nil {
			t.Fatal(err)
		}
		want := &protocol.Trouble{
			Code: TroubleUnsigned, From: began.UnixMilli(), Until: began.Add(time.Hour).UnixMilli(),
			Sentence: "portal.test answered 200 without the receiver's signature: a proxy or sign-in page answers in its place, or the address is wrong.",
		}
		got := r.statuses()
		if len(got) != 1 {
			t.Fatalf("%d check-ins arrived, want 1", len(got))
		}
		if diff := cmp.Diff(want, got[0].LastTrouble); diff != "" {
			t.Errorf("the check-in told (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, c.Trouble()); diff != "" {
			t.Errorf("afterwards (-want +got):\n%s", diff)
		}
	})
}

// A proxy that kills every batch and lets check-ins through: they say that the trouble lasts.
func TestACheckInTellsOfABatchThatIsKeptBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		began := time.Now()
		r.meddle = func(_ int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
			if q.URL.Path == protocol.PathBatch {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next(w, q)
		}
		var told troubles
		c := r.client(Config{Wait: func(int, time.Duration) time.Duration { return time.Minute }, Trouble: told.tell})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = c.Batch(ctx, header, []byte("encoded"))
		}()
		checkIn := func() *protocol.Trouble {
			t.Helper()
			time.Sleep(90 * time.Second) //nolint:forbidigo // the bubble's clock, for which nobody waits
			if _, err := c.CheckIn(t.Context(), protocol.CheckInRequest{}); err != nil {
				t.Fatal(err)
			}
			all := r.statuses()
			return all[len(all)-1].LastTrouble
		}
		for range 2 {
			if got := checkIn(); got == nil || got.Code != TroubleUnsigned || got.From != began.UnixMilli() || got.Until != 0 {
				t.Errorf("a check-in beside the batch told %+v, want that it lasts since the beginning", got)
			}
		}
		stop()
		<-ended
		if got := checkIn(); got.Until == 0 {
			t.Errorf("after the batch was given up a check-in told %+v, want an end", got)
		}
		if codes, _ := told.all(); codes[len(codes)-1] != "" || slices.Contains(codes[:len(codes)-1], "") {
			t.Errorf("told %q, want an end only at the end", codes)
		}
	})
}

// What a check-in says of times is the receiver's time, on a computer whose clock is an hour fast.
func TestACheckInSpeaksTheReceiversTime(t *testing.T) {
	r := newReceiver(t)
	fast := func() time.Time { return time.Now().Add(time.Hour) }
	c := r.client(Config{Now: fast})
	look := time.Now().Add(-time.Minute)
	at := look.Add(time.Hour).UnixMilli() // as that computer sees it
	wait := &protocol.ReportsWait{Code: "report-later", Waiting: 3, Since: at}
	if _, err := c.CheckIn(t.Context(), protocol.CheckInRequest{Status: protocol.AgentStatus{SourceAt: at, Unsent: at, ReportsWait: wait}}); err != nil {
		t.Fatal(err)
	}
	got := r.statuses()[0]
	if wait.Since != at {
		t.Error("the caller's own status was changed")
	}
	const second = 1000
	near := func(ms int64, want time.Time) bool { return max(ms-want.UnixMilli(), want.UnixMilli()-ms) < 2*second }
	if !near(got.SourceAt, look) || !near(got.Unsent, look) || !near(got.ReportsWait.Since, look) || got.Since != 0 {
		t.Errorf("source_at %d, unsent %d, reports wait since %d, since %d, want %d three times and nothing", got.SourceAt, got.Unsent,
			got.ReportsWait.Since, got.Since, look.UnixMilli())
	}
	if off := time.Duration(got.ClockOff) * time.Millisecond; off > -59*time.Minute || off < -61*time.Minute {
		t.Errorf("clock_off = %s, want an hour back", off)
	}
	last := got.LastTrouble
	if last == nil || last.Code != TroubleClock || !near(last.From, time.Now()) || !near(last.Until, time.Now()) {
		t.Errorf("told %+v, want the clock, now", last)
	}
}

func TestStretchesOfTrouble(t *testing.T) {
	began := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return began.Add(time.Duration(minutes) * time.Minute) }
	dns, cut, busy := trouble{code: TroubleDNS}, trouble{code: TroubleTimeout}, trouble{code: TroubleBusy, signed: true}
	one, other := new(call), new(call)
	tests := map[string]struct {
		happens     func(*way)
		code        string
		from, until time.Time
	}{
		"one that lasts": {func(w *way) { w.note(one, dns, at(0)); w.note(one, dns, at(5)) }, TroubleDNS, at(0), time.Time{}},
		"another reason": {func(w *way) { w.note(one, dns, at(0)); w.note(one, cut, at(5)) }, TroubleTimeout, at(0), time.Time{}},
		"another reason, for a moment before the end": {func(w *way) { w.note(one, dns, at(0)); w.note(one, cut, at(5)); w.clear(one, at(6)) }, TroubleDNS, at(0), at(6)},
		"another reason, for longer":                  {func(w *way) { w.note(one, dns, at(0)); w.note(one, cut, at(5)); w.clear(one, at(11)) }, TroubleTimeout, at(0), at(11)},
		"a new stretch forgets the reasons of the old": {func(w *way) {
			w.note(one, dns, at(0))
			w.note(one, cut, at(5))
			w.clear(one, at(6))
			w.note(one, cut, at(20))
			w.clear(one, at(21))
		}, TroubleTimeout, at(20), at(21)},
		"the receiver is reached and is busy":   {func(w *way) { w.note(one, dns, at(0)); w.note(one, busy, at(5)) }, TroubleBusy, at(5), time.Time{}},
		"over":                                  {func(w *way) { w.note(one, dns, at(0)); w.clear(one, at(5)) }, TroubleDNS, at(0), at(5)},
		"over for another call only":            {func(w *way) { w.note(one, dns, at(0)); w.clear(other, at(5)) }, TroubleDNS, at(0), time.Time{}},
		"over once the call in it is gone":      {func(w *way) { w.note(one, dns, at(0)); w.leave(one); w.clear(other, at(5)) }, TroubleDNS, at(0), at(5)},
		"over, and later answers":               {func(w *way) { w.note(one, dns, at(0)); w.clear(one, at(5)); w.clear(one, at(9)) }, TroubleDNS, at(0), at(5)},
		"over, and soon back":                   {func(w *way) { w.note(one, dns, at(0)); w.clear(one, at(5)); w.note(one, dns, at(9)) }, TroubleDNS, at(0), time.Time{}},
		"over, and back after a long good time": {func(w *way) { w.note(one, dns, at(0)); w.clear(one, at(5)); w.note(one, dns, at(11)) }, TroubleDNS, at(11), time.Time{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var w way
			tt.happens(&w)
			want := &protocol.Trouble{Code: tt.code, From: tt.from.UnixMilli()}
			if !tt.until.IsZero() {
				want.Until = tt.until.UnixMilli()
			}
			if diff := cmp.Diff(want, w.told(time.Time{}, nil, 0)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

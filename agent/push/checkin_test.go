package push

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/protocol"
)

// A proxy that kills waiting requests after ten seconds: after two cuts the agent waits on its own
// side, and it tries again after a day.
func TestWaitsThatAreCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		var asked []int64
		cuts := true
		r.meddle = func(_ int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
			var body protocol.CheckInRequest
			if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			asked = append(asked, body.WaitMillis)
			if body.WaitMillis > 0 && cuts {
				time.Sleep(10 * time.Second) //nolint:forbidigo // the bubble's clock, for which nobody waits
				w.WriteHeader(http.StatusGatewayTimeout)
				return
			}
			r.sign(w, 200, protocol.CheckInAnswer{Gen: 5}, protocol.RequestSignatureOf(q.Header))
		}
		c := r.client(Config{})
		checkIn := func() time.Duration {
			t.Helper()
			began := time.Now()
			if a, err := c.CheckIn(t.Context(), protocol.CheckInRequest{WaitMillis: 25_000}); err != nil || a.Gen != 5 {
				t.Fatalf("answer = %+v, %v", a, err)
			}
			return time.Since(began)
		}
		if took := checkIn(); took != 20*time.Second {
			t.Errorf("the first check-in took %v, want two cuts", took)
		}
		for range 3 {
			if took := checkIn(); took < 30*time.Second || took > time.Minute {
				t.Errorf("a poll took %v, want 30 to 60 s", took)
			}
		}
		if want := []int64{25_000, 25_000, 0, 0, 0, 0}; !slices.Equal(asked, want) {
			t.Errorf("waits asked for = %v, want %v", asked, want)
		}
		time.Sleep(24 * time.Hour) //nolint:forbidigo // the bubble's clock, for which nobody waits
		asked, cuts = nil, false
		checkIn()
		if want := []int64{25_000}; !slices.Equal(asked, want) {
			t.Errorf("after a day = %v, want %v", asked, want)
		}
	})
}

// What fails at once was not cut: an outage must not end long polling.
func TestAnOutageDoesNotEndLongPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		r.meddle = func(n int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
			if n < 50 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next(w, q)
		}
		c := r.client(Config{Wait: fullJitter})
		if _, err := c.CheckIn(t.Context(), protocol.CheckInRequest{WaitMillis: 25_000}); err != nil {
			t.Fatal(err)
		}
		if !c.longPolls.allowed(time.Now()) {
			t.Error("long polling ended")
		}
		var last protocol.CheckInRequest
		if err := json.Unmarshal(r.bodies[len(r.bodies)-1], &last); err != nil || last.WaitMillis != 25_000 {
			t.Errorf("last request = %+v, %v", last, err)
		}
	})
}

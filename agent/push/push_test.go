package push

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
)

var header = protocol.StreamHeader{Tenant: 1, Stream: 7, Gen: 1763600000000, Seq: 3}

func TestBatchArrivesSealedSignedAndWhole(t *testing.T) {
	r := newReceiver(t)
	r.answer = func(int, *http.Request, []byte) (int, any) { return 202, protocol.BatchAnswer{AppliedSeq: 2} }
	a, err := r.client(Config{}).Batch(t.Context(), header, []byte("encoded"))
	if err != nil || a.AppliedSeq != 2 {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	if v := r.heads()[0]; v.Stream == nil || *v.Stream != header {
		t.Errorf("stream = %v, want %v", v.Stream, header)
	}
	opener, err := protocol.NewOpener(r.open)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := opener.OpenBatch(header, r.bodies[0]); err != nil || string(got) != "encoded" {
		t.Errorf("opened %q, %v", got, err)
	}
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		refusal  protocol.Reject
		comeBack bool
		codes    []string
	}{
		"gap":         {refusal: protocol.Reject{Code: protocol.CodeGap, Expected: 2}, comeBack: true},
		"reopen":      {refusal: protocol.Reject{Code: protocol.CodeReopen}, comeBack: true},
		"too large":   {refusal: protocol.Reject{Code: protocol.CodeTooLarge}, comeBack: true},
		"suspended":   {refusal: protocol.Reject{Code: protocol.CodeSuspended}, comeBack: true},
		"revoked":     {refusal: protocol.Reject{Code: protocol.CodeRevoked}, comeBack: true},
		"pending":     {refusal: protocol.Reject{Code: protocol.CodePending}, comeBack: true},
		"malformed":   {refusal: protocol.Reject{Code: protocol.CodeMalformed}, comeBack: true},
		"a new code":  {refusal: protocol.Reject{Code: "from-the-future"}, comeBack: true},
		"full":        {refusal: protocol.Reject{Code: protocol.CodeFull, RetryAfter: 7}, codes: []string{TroubleBusy, ""}},
		"busy":        {refusal: protocol.Reject{Code: protocol.CodeBusy}, codes: []string{TroubleBusy, ""}},
		"internal":    {refusal: protocol.Reject{Code: protocol.CodeInternal}, codes: []string{TroubleReceiver, ""}},
		"replay":      {refusal: protocol.Reject{Code: protocol.CodeReplay}, codes: []string{TroubleAltered, ""}},
		"unknown key": {refusal: protocol.Reject{Code: protocol.CodeUnknownKey}, codes: []string{TroubleRefusedKey, ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			r.answer = func(n int, _ *http.Request, _ []byte) (int, any) {
				if n == 0 {
					return tt.refusal.Code.Status(), tt.refusal
				}
				return 202, protocol.BatchAnswer{}
			}
			var told troubles
			_, err := r.client(Config{Trouble: told.tell}).Batch(t.Context(), header, nil)
			var refused *protocol.Reject
			if tt.comeBack {
				if !errors.As(err, &refused) || *refused != tt.refusal {
					t.Errorf("err = %v, want %v", err, &tt.refusal)
				}
			} else if err != nil {
				t.Errorf("err = %v, want it waited out", err)
			}
			if codes, _ := told.all(); !slices.Equal(codes, tt.codes) {
				t.Errorf("troubles = %q, want %q", codes, tt.codes)
			}
		})
	}
}

func TestWaitsAsAsked(t *testing.T) {
	tests := map[string]struct {
		meddle func(int, http.ResponseWriter, *http.Request, http.HandlerFunc)
		answer protocol.Reject
		want   time.Duration
	}{
		"signed":                  {answer: protocol.Reject{Code: protocol.CodeFull, RetryAfter: 42}, want: 42 * time.Second},
		"signed, a day":           {answer: protocol.Reject{Code: protocol.CodeBusy, RetryAfter: 86400}, want: time.Hour},
		"signed, negative":        {answer: protocol.Reject{Code: protocol.CodeBusy, RetryAfter: -5}},
		"unsigned":                {meddle: retryAfter("42"), want: 42 * time.Second},
		"unsigned, a day":         {meddle: retryAfter("86400"), want: 5 * time.Minute},
		"unsigned, a date":        {meddle: retryAfter("Fri, 20 Nov 2026 06:12:00 GMT")},
		"unsigned, a huge number": {meddle: retryAfter("99999999999999999999")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			r.meddle = tt.meddle
			r.answer = func(n int, _ *http.Request, _ []byte) (int, any) {
				if n == 0 {
					return tt.answer.Code.Status(), tt.answer
				}
				return 200, struct{}{}
			}
			var asked []time.Duration
			c := r.client(Config{Wait: func(_ int, a time.Duration) time.Duration { asked = append(asked, a); return 0 }})
			if err := c.Ack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if want := []time.Duration{tt.want}; !slices.Equal(asked, want) {
				t.Errorf("waits = %v, want %v", asked, want)
			}
		})
	}
}

func retryAfter(value string) func(int, http.ResponseWriter, *http.Request, http.HandlerFunc) {
	return first(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Retry-After", value)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
}

func TestFullJitter(t *testing.T) {
	for attempt, most := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 5: 32 * time.Second, 8: 256 * time.Second, 9: maxWait, 1000: maxWait} {
		var longest time.Duration
		for range 2000 {
			d := fullJitter(attempt, 0)
			if d <= 0 || d > most {
				t.Fatalf("attempt %d waits %v, want at most %v", attempt, d, most)
			}
			longest = max(longest, d)
		}
		if longest < most*9/10 {
			t.Errorf("attempt %d waits at most %v of %v", attempt, longest, most)
		}
	}
	for range 100 {
		if d := fullJitter(3, time.Minute); d < time.Minute || d > 72*time.Second {
			t.Errorf("asked for a minute, waits %v", d)
		}
	}
}

// The default wait, in real time: three failures cost at most 1 + 2 + 4 s, and the end of ctx ends a wait.
func TestRetriesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		r.meddle = func(n int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
			if n < 3 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next(w, q)
		}
		began := time.Now()
		if err := r.client(Config{Wait: fullJitter}).Ack(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 7*time.Second || took == 0 {
			t.Errorf("took %v", took)
		}
		r.meddle = func(_ int, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.WriteHeader(http.StatusBadGateway)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began = time.Now()
		if err := r.client(Config{Wait: fullJitter}).Ack(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("gave up after %v, want an hour", took)
		}
	})
}

func TestClockAnHourOff(t *testing.T) {
	for name, off := range map[string]time.Duration{"slow": -time.Hour, "fast": time.Hour, "ten years slow": -87600 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			var told troubles
			waits := 0
			c := r.client(Config{
				Trouble: told.tell, Now: func() time.Time { return time.Now().Add(off) },
				Wait: func(int, time.Duration) time.Duration { waits++; return 0 },
			})
			if err := c.Ack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if got := c.ClockOffset() + off; got.Abs() > 2*time.Second {
				t.Errorf("offset = %v, want %v", c.ClockOffset(), -off)
			}
			codes, sentence := told.all()
			if !slices.Equal(codes, []string{TroubleClock, ""}) || !strings.Contains(sentence, strings.TrimPrefix(name, "ten years ")+": the agent corrects") {
				t.Errorf("troubles = %q, %q", codes, sentence)
			}
			if err := c.Ack(t.Context(), nil); err != nil || r.calls != 3 || waits != 0 {
				t.Errorf("second call: %v after %d requests and %d waits, want 3 and none", err, r.calls, waits)
			}
		})
	}
}

// A receiver whose own clock leaps, or that has seen every nonce, must not be asked in a tight loop.
func TestOneRefusalIsAnsweredAtOnce(t *testing.T) {
	for _, code := range []protocol.Code{protocol.CodeStale, protocol.CodeReplay} {
		r := newReceiver(t)
		r.answer = func(n int, _ *http.Request, _ []byte) (int, any) {
			if n < 4 {
				return 401, &protocol.Reject{Code: code, ServerTime: time.Now().UnixMilli()}
			}
			return 200, struct{}{}
		}
		waits := 0
		c := r.client(Config{Wait: func(int, time.Duration) time.Duration { waits++; return 0 }})
		if err := c.Ack(t.Context(), nil); err != nil || waits != 3 {
			t.Errorf("%s: waits = %d, %v; want 3", code, waits, err)
		}
	}
}

func TestKeysetIsRenewed(t *testing.T) {
	r := newReceiver(t)
	var saved []int
	var told troubles
	c := r.client(Config{Trouble: told.tell, SaveKeyset: func(s protocol.SignedKeyset) error {
		var ks protocol.Keyset
		err := json.Unmarshal(s.Keyset, &ks)
		saved = append(saved, ks.Version)
		return err
	}})
	r.answer = func(_ int, q *http.Request, _ []byte) (int, any) {
		return 200, protocol.CheckInAnswer{Keyset: r.version}
	}
	checkIn := func() {
		t.Helper()
		if _, err := c.CheckIn(t.Context(), protocol.CheckInRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	checkIn()
	r.version = 2 // the answer names a newer version
	checkIn()
	r.version, r.response = 3, protocol.NewSigningKey() // the answer is signed by a key not held yet
	checkIn()
	if codes, _ := told.all(); len(codes) != 0 || r.calls != 3 {
		t.Errorf("%d requests and troubles %q, want 3 and none", r.calls, codes)
	}
	if err := c.refreshKeyset(t.Context()); err != nil { // the same once more
		t.Error(err)
	}
	older := r.version
	r.version = 1 // somebody shows an old keyset again
	if err := c.refreshKeyset(t.Context()); !errors.Is(err, errKeyset) {
		t.Errorf("older keyset: err = %v, want %v", err, errKeyset)
	}
	if ks, _ := c.Keyset(t.Context()); ks.Version != older {
		t.Errorf("version = %d, want %d", ks.Version, older)
	}
	r.version, r.root = 9, protocol.NewSigningKey() // somebody shows a keyset of his own
	if err := c.refreshKeyset(t.Context()); !errors.Is(err, protocol.ErrRoot) {
		t.Errorf("foreign keyset: err = %v, want %v", err, protocol.ErrRoot)
	}
	if want := []int{1, 2, 3}; !slices.Equal(saved, want) {
		t.Errorf("saved = %v, want %v", saved, want)
	}
}

func TestNewNamesTheWrongSetting(t *testing.T) {
	r := newReceiver(t)
	id := Identity{Sign: r.agent, Seal: r.agentKey}
	tests := map[string]struct {
		base string
		id   Identity
		cfg  Config
		want string
	}{
		"plain http":      {"http://portal.test", id, Config{}, "not of the form https://host"},
		"no scheme":       {"portal.test", id, Config{}, "not of the form https://host"},
		"with a path":     {"https://portal.test/synchronization", id, Config{}, "not of the form https://host"},
		"with a password": {"https://a:b@portal.test", id, Config{}, "not of the form https://host"},
		"no keys":         {"https://portal.test", Identity{}, Config{}, "no keys"},
		"bad proxy":       {"https://portal.test", id, Config{Proxy: "proxy:8080"}, "proxy setting is not of the form"},
		"bad certificate": {"https://portal.test", id, Config{ExtraCA: []byte("x")}, "no certificate in PEM form"},
	}
	for name, tt := range tests {
		_, err := New(tt.base, tt.id, tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err = %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestReportOpens(t *testing.T) {
	r := newReceiver(t)
	want := protocol.Report{ID: "R1", Type: "absence", EmployeeNo: "17", Fields: map[string]string{"first_day": "2026-11-20"}}
	text, _ := json.Marshal(want)
	at := protocol.Address{Purpose: protocol.PurposeReport, Tenant: 1, Stream: 7, Agent: 9, ID: "R1"}
	sealed, err := protocol.SealTo(r.agentKey.Public(), at, text)
	if err != nil {
		t.Fatal(err)
	}
	c := r.client(Config{})
	got, err := c.Report(protocol.SealedReport{ID: "R1", Sealed: sealed})
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("report = %+v, %v", got, err)
	}
	if _, err := c.Report(protocol.SealedReport{ID: "R2", Sealed: sealed}); !errors.Is(err, protocol.ErrSealed) {
		t.Errorf("moved to another id: err = %v", err)
	}
}

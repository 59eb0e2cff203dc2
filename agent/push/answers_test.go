package push

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/protocol"
)

// What stands on the way may do any of this: the batch counts as delivered only with the
// receiver's own answer, and each trouble has its code and its sentence.
func TestOnlySignedAnswersCount(t *testing.T) {
	page := "<html>Log på hotellets net</html>"
	tests := map[string]struct {
		meddle   func(n int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc)
		code     string
		sentence string
		attempts int
	}{
		"a login page": {
			meddle: first(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
				w.Header().Set("Content-Type", "text/html")
				io.WriteString(w, page)
			}),
			code: TroubleUnsigned, sentence: "portal.test answered 200 without the receiver's signature", attempts: 1,
		},
		"an unsigned 202 that looks right": {
			meddle: first(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
				w.Header().Set("Content-Type", protocol.MediaJSON)
				w.WriteHeader(http.StatusAccepted)
				io.WriteString(w, `{"applied_seq":9}`)
			}),
			code: TroubleUnsigned, sentence: "answered 202 without", attempts: 1,
		},
		"an unsigned refusal": {
			meddle: first(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
				w.WriteHeader(http.StatusConflict)
				io.WriteString(w, `{"code":"reopen"}`)
			}),
			code: TroubleUnsigned, sentence: "answered 409 without", attempts: 1,
		},
		"a redirect": {
			meddle: first(func(w http.ResponseWriter, q *http.Request, _ http.HandlerFunc) {
				http.Redirect(w, q, "https://login.test/", http.StatusFound)
			}),
			code: TroubleRedirect, sentence: "redirects the agent", attempts: 1,
		},
		"a permanent redirect that keeps the method": {
			meddle: first(func(w http.ResponseWriter, q *http.Request, _ http.HandlerFunc) {
				http.Redirect(w, q, "https://portal.test/elsewhere", http.StatusPermanentRedirect)
			}),
			code: TroubleRedirect, sentence: "redirects the agent", attempts: 1,
		},
		"a proxy that wants a password": {
			meddle: first(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
				w.WriteHeader(http.StatusProxyAuthRequired)
			}),
			code: TroubleProxyAuth, sentence: "wants a user and password", attempts: 1,
		},
		"an altered answer": {
			meddle: first(func(w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
				rec := httptest.NewRecorder()
				next(rec, q)
				copyHeader(w, rec)
				w.WriteHeader(rec.Code)
				w.Write(bytes.Replace(rec.Body.Bytes(), []byte("2"), []byte("9"), 1))
			}),
			code: TroubleForged, sentence: "not as the receiver signed it", attempts: 2,
		},
		"an answer with another status": {
			meddle: first(func(w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
				rec := httptest.NewRecorder()
				next(rec, q)
				copyHeader(w, rec)
				w.Write(rec.Body.Bytes())
			}),
			code: TroubleForged, sentence: "not as the receiver signed it", attempts: 2,
		},
		"a cut answer": {
			meddle: first(func(w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
				rec := httptest.NewRecorder()
				next(rec, q)
				copyHeader(w, rec)
				w.WriteHeader(rec.Code)
				w.Write(rec.Body.Bytes()[:5])
			}),
			code: TroubleForged, sentence: "not as the receiver signed it", attempts: 2,
		},
		"an endless answer": {
			meddle: first(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
				w.Write(make([]byte, protocol.MaxMessageBytes+1))
			}),
			code: TroubleUnsigned, sentence: "without the receiver's signature", attempts: 1,
		},
		"a request altered on the way": {
			meddle: first(func(w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
				q.Body = io.NopCloser(strings.NewReader("other"))
				next(w, q)
			}),
			code: TroubleAltered, sentence: "reaches portal.test changed", attempts: 1,
		},
		"a head altered on the way": {
			meddle: first(func(w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
				q.Method = "PUT"
				next(w, q)
			}),
			code: TroubleRefusedKey, sentence: "does not accept the agent's signature (bad-signature)", attempts: 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var told troubles
			r := newReceiver(t)
			r.meddle = tt.meddle
			r.answer = func(int, *http.Request, []byte) (int, any) { return 202, protocol.BatchAnswer{AppliedSeq: 2} }
			a, err := r.client(Config{Trouble: told.tell}).Batch(t.Context(), header, []byte("encoded"))
			if err != nil || a.AppliedSeq != 2 {
				t.Fatalf("answer = %+v, %v", a, err)
			}
			codes, sentence := told.all()
			if want := []string{tt.code, ""}; !slices.Equal(codes, want) {
				t.Errorf("troubles = %q, want %q", codes, want)
			}
			if !strings.Contains(sentence, tt.sentence) {
				t.Errorf("sentence = %q, want one with %q", sentence, tt.sentence)
			}
			if got := r.calls; got != 2 {
				t.Errorf("attempts = %d, want 2", got)
			}
			seen := map[string]bool{}
			for _, v := range r.heads() {
				seen[v.Nonce] = true
			}
			if len(seen) != tt.attempts {
				t.Errorf("%d nonces, want %d: every attempt is signed anew", len(seen), tt.attempts)
			}
		})
	}
}

func first(f func(http.ResponseWriter, *http.Request, http.HandlerFunc)) func(int, http.ResponseWriter, *http.Request, http.HandlerFunc) {
	return func(n int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
		if n == 0 {
			f(w, q, next)
			return
		}
		next(w, q)
	}
}

func copyHeader(w http.ResponseWriter, from *httptest.ResponseRecorder) {
	for name, values := range from.Header() {
		w.Header()[name] = values
	}
}

func TestAnswerToAnotherRequestDoesNotCount(t *testing.T) {
	r := newReceiver(t)
	var kept *httptest.ResponseRecorder
	r.meddle = func(n int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
		switch n {
		case 0:
			kept = httptest.NewRecorder()
			next(kept, q)
			kept.Flush()
			copyHeader(w, kept)
			w.Write(kept.Body.Bytes())
		case 1: // replay of the first answer
			copyHeader(w, kept)
			w.Write(kept.Body.Bytes())
		default:
			next(w, q)
		}
	}
	var told troubles
	c := r.client(Config{Trouble: told.tell})
	for range 2 {
		if err := c.Ack(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if codes, _ := told.all(); !slices.Equal(codes, []string{TroubleForged, ""}) {
		t.Errorf("troubles = %q", codes)
	}
}

// hanging answers nothing until the request is given up.
type hanging struct {
	attempts int
	then     http.RoundTripper
}

func (h *hanging) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Path == protocol.PathKeyset || h.attempts > 0 {
		return h.then.RoundTrip(q)
	}
	h.attempts++
	<-q.Context().Done()
	return nil, q.Context().Err()
}

// Each attempt has the time it needs and no more: 30 s, the wait it asks for, and its body over a slow line.
func TestAttemptsEnd(t *testing.T) {
	tests := map[string]struct {
		send func(context.Context, *Client) error
		want time.Duration
	}{
		"a message": {want: 30 * time.Second, send: func(ctx context.Context, c *Client) error { return c.Ack(ctx, nil) }},
		"a long poll": {want: 55 * time.Second, send: func(ctx context.Context, c *Client) error {
			_, err := c.CheckIn(ctx, protocol.CheckInRequest{WaitMillis: 25_000})
			return err
		}},
		"a large batch": {want: 62 * time.Second, send: func(ctx context.Context, c *Client) error { _, err := c.Batch(ctx, header, noise(512<<10)); return err }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told troubles
				r := newReceiver(t)
				c := r.client(Config{Transport: &hanging{then: handler{r}}, Trouble: told.tell})
				began := time.Now()
				if err := tt.send(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began).Truncate(time.Second); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				if codes, _ := told.all(); !slices.Equal(codes, []string{TroubleTimeout, ""}) {
					t.Errorf("troubles = %q", codes)
				}
			})
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// counted is a body of 64 MiB that knows how much of it was read.
type counted struct{ read int }

func (c *counted) Read(p []byte) (int, error) {
	if c.read >= 64<<20 {
		return 0, io.EOF
	}
	c.read += len(p)
	return len(p), nil
}

func (c *counted) Close() error { return nil }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

func TestEndlessAnswerIsNotReadToItsEnd(t *testing.T) {
	var told troubles
	r := newReceiver(t)
	body := new(counted)
	ctx, cfg := giveUp(t, Config{Transport: roundTrip(func(q *http.Request) (*http.Response, error) {
		if q.URL.Path == protocol.PathKeyset {
			return handler{r}.RoundTrip(q)
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: q}, nil
	})}, &told)
	if err := r.client(cfg).Ack(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if body.read > 8*protocol.MaxMessageBytes { // some attempts may pass before ctx is seen to end
		t.Errorf("%d bytes read", body.read)
	}
}

package push

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"lessor.dk/portalsync/protocol"
)

// What a digest says is believed only if the receiver signed it for this very question: an unsigned, an altered and a
// replayed answer are passed over, and the receiver's own is waited for.
func TestOnlySignedDigestsCount(t *testing.T) {
	forged := `{"state":"ok","rows":0,"sum":0,"buckets":"AAAAAAAAAAAAAAAA"}`
	var recorded *httptest.ResponseRecorder // the answer to an earlier question
	tests := map[string]func(w http.ResponseWriter, q *http.Request, next http.HandlerFunc){
		"unsigned": func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.Header().Set("Content-Type", protocol.MediaJSON)
			io.WriteString(w, forged)
		},
		"altered": func(w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
			rec := httptest.NewRecorder()
			next(rec, q)
			copyHeader(w, rec)
			io.WriteString(w, forged)
		},
		"replayed": func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			copyHeader(w, recorded)
			w.Write(recorded.Body.Bytes())
		},
	}
	for name, meddle := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			r.answer = func(int, *http.Request, []byte) (int, any) {
				return 200, protocol.DigestAnswer{State: protocol.KindOK, Rows: 7, Sum: 77}
			}
			r.meddle = func(n int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
				switch n {
				case 0:
					recorded = httptest.NewRecorder()
					next(recorded, q)
					copyHeader(w, recorded)
					w.Write(recorded.Body.Bytes())
				case 1:
					meddle(w, q, next)
				default:
					next(w, q)
				}
			}
			c := r.client(Config{})
			for range 2 {
				a, err := c.Digest(t.Context(), protocol.DigestRequest{Kind: "employee"})
				if err != nil || a.Rows != 7 || a.Sum != 77 || len(a.Buckets) != 0 {
					t.Errorf("answer = %+v, err %v; want the receiver's own", a, err)
				}
			}
			if r.calls != 3 {
				t.Errorf("calls = %d, want one more than questions", r.calls)
			}
		})
	}
}

// A digest that the receiver still reads is waited for, which is no trouble on the way.
func TestADigestThatTakesLongIsNoTrouble(t *testing.T) {
	r := newReceiver(t)
	r.answer = func(n int, _ *http.Request, _ []byte) (int, any) {
		if n < 5 {
			return protocol.CodeBusy.Status(), protocol.Reject{Code: protocol.CodeBusy, RetryAfter: 2}
		}
		return 200, protocol.DigestAnswer{Rows: 7}
	}
	var told troubles
	c := r.client(Config{Trouble: told.tell})
	if a, err := c.Digest(t.Context(), protocol.DigestRequest{Kind: "employee"}); err != nil || a.Rows != 7 {
		t.Errorf("answer = %+v, %v", a, err)
	}
	if codes, sentence := told.all(); len(codes) > 0 || c.Trouble() != nil {
		t.Errorf("told %q (%s), last %+v; want nothing", codes, sentence, c.Trouble())
	}
}

func TestKeysOfADigestOpenOnlyForTheAgentAndTheKind(t *testing.T) {
	for name, tt := range map[string]struct {
		kind string
		ok   bool
	}{"of the kind": {"employee", true}, "of another kind": {"place", false}} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			c := r.client(Config{})
			sealed, err := protocol.SealTo(r.agentKey.Public(), protocol.Address{
				Purpose: protocol.PurposeSecret, Tenant: c.id.Tenant, Stream: c.id.Stream, Agent: c.id.Agent, ID: protocol.DigestKeysID(tt.kind),
			}, []byte("keys"))
			if err != nil {
				t.Fatal(err)
			}
			r.answer = func(int, *http.Request, []byte) (int, any) { return 200, protocol.DigestAnswer{Keys: sealed} }
			a, err := c.Digest(t.Context(), protocol.DigestRequest{Kind: "employee"})
			if tt.ok != (err == nil) || tt.ok && string(a.Keys) != "keys" {
				t.Errorf("keys = %q, err %v", a.Keys, err)
			}
		})
	}
}

package push

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"lessor.dk/portalsync/protocol"
)

func TestEnrolProvesTheCodeWithoutSendingIt(t *testing.T) {
	r := newReceiver(t)
	code := protocol.NewInviteCode(protocol.RootFingerprintOf(r.root.Public()))
	r.answer = func(_ int, q *http.Request, body []byte) (int, any) {
		var request protocol.EnrolRequest
		if err := json.Unmarshal(body, &request); err != nil {
			t.Error(err)
		}
		if !protocol.CheckEnrolProof(protocol.EnrolVerifier(code.Secret), request) {
			return 403, &protocol.Reject{Code: protocol.CodeInvite}
		}
		return 200, protocol.EnrolAnswer{Agent: 9, Tenant: 1, Stream: 7, Key: protocol.KeyIDOf(request.SignKey)}
	}
	c := r.client(Config{})
	a, err := c.Enrol(t.Context(), code, protocol.EnrolRequest{Hostname: "pc7", InstallID: "i"})
	if err != nil || a.Agent != 9 || a.Key != r.agent.ID() {
		t.Errorf("answer = %+v, %v", a, err)
	}
	if got := r.heads()[0]; got.Key != r.agent.ID() || !got.Public.Equal(r.agent.Public()) {
		t.Errorf("head = %+v", got)
	}

	other := protocol.NewInviteCode(code.Root)
	if _, err := c.Enrol(t.Context(), other, protocol.EnrolRequest{}); !errors.Is(err, &protocol.Reject{Code: protocol.CodeInvite}) {
		t.Errorf("another code: err = %v, want invite", err)
	}
	before := r.calls
	foreign := protocol.NewInviteCode(protocol.RootFingerprint{1})
	if _, err := c.Enrol(t.Context(), foreign, protocol.EnrolRequest{}); !errors.Is(err, protocol.ErrRoot) || r.calls != before {
		t.Errorf("another receiver's code: err = %v after %d requests", err, r.calls-before)
	}
}

// A person waits for the answer: what an agent at work waits out comes back at once.
func TestEnrolHandsRefusalsBack(t *testing.T) {
	for _, code := range []protocol.Code{protocol.CodeUnknownKey, protocol.CodeBadSignature, protocol.CodeConflict, protocol.CodePending} {
		r := newReceiver(t)
		r.answer = func(int, *http.Request, []byte) (int, any) { return code.Status(), &protocol.Reject{Code: code} }
		invite := protocol.NewInviteCode(protocol.RootFingerprintOf(r.root.Public()))
		if _, err := r.client(Config{}).Enrol(t.Context(), invite, protocol.EnrolRequest{}); !errors.Is(err, &protocol.Reject{Code: code}) {
			t.Errorf("err = %v, want %s", err, code)
		}
	}
}

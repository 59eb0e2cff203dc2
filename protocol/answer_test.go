package protocol_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
)

func TestEveryCodeHasItsStatus(t *testing.T) {
	want := map[protocol.Code]int{
		protocol.CodeMalformed: 400, protocol.CodeVersion: 400, protocol.CodeBadDigest: 400,
		protocol.CodeUnsigned: 401, protocol.CodeUnknownKey: 401, protocol.CodeBadSignature: 401,
		protocol.CodeStale: 401, protocol.CodeReplay: 401,
		protocol.CodeForbidden: 403, protocol.CodeRevoked: 403, protocol.CodePending: 403, protocol.CodeInvite: 403,
		protocol.CodeNotFound: 404,
		protocol.CodeGap:      409, protocol.CodeReopen: 409, protocol.CodeSuspended: 409, protocol.CodeConflict: 409,
		protocol.CodeTooLarge: 413, protocol.CodeFull: 429, protocol.CodeBusy: 503, protocol.CodeInternal: 500,
	}
	for _, code := range constants(t, "answer.go", "Code") {
		status, ok := want[protocol.Code(code)]
		if !ok {
			t.Errorf("code %q is not in this table", code)
		}
		if got := protocol.Code(code).Status(); got != status {
			t.Errorf("%s travels as %d, want %d", code, got, status)
		}
	}
	if got := protocol.Code("never heard of").Status(); got != http.StatusInternalServerError {
		t.Errorf("an unknown code travels as %d, want 500", got)
	}
}

func TestReject(t *testing.T) {
	err := fmt.Errorf("push: %w", &protocol.Reject{Code: protocol.CodeFull, Detail: "the queue is full", RetryAfter: 90})
	if !errors.Is(err, &protocol.Reject{Code: protocol.CodeFull}) || errors.Is(err, &protocol.Reject{Code: protocol.CodeGap}) {
		t.Error("errors.Is does not compare codes")
	}
	var reject *protocol.Reject
	if !errors.As(err, &reject) || reject.Wait() != 90*time.Second {
		t.Errorf("Wait = %s, want 90s", reject.Wait())
	}
	if got, want := err.Error(), "push: full: the queue is full"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
	if got := (&protocol.Reject{Code: protocol.CodeGap}).Error(); got != "gap" {
		t.Errorf("error without detail is %q, want the code", got)
	}
}

func TestSnapshotIDsNeverRepeat(t *testing.T) {
	const last = 1<<20 - 1
	if a, b := protocol.NewSnapshotID(1000, last), protocol.NewSnapshotID(1001, 0); a >= b {
		t.Errorf("the last id of a generation is %d, the next generation begins with %d", a, b)
	}
	year2200 := protocol.Generation(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	if got := protocol.NewSnapshotID(year2200, last); got < 0 {
		t.Errorf("a generation of the year 2200 overflows: %d", got)
	}
	for _, n := range []int{-1, last + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewSnapshotID(1, %d) returned", n)
				}
			}()
			protocol.NewSnapshotID(1, n)
		}()
	}
}

func TestPathsAreBelowTheBase(t *testing.T) {
	for _, path := range constants(t, "message.go", "") {
		if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, protocol.BasePath+"/v1/") {
			t.Errorf("%s is not below %s/v1/", path, protocol.BasePath)
		}
	}
}

package protocol

import (
	"fmt"
	"net/http"
	"time"
)

// Code is a refusal that crosses the wire. Codes are stable: operations and documentation rely on them.
type Code string

// The codes. README.md says for each what the agent does.
const (
	CodeMalformed    Code = "malformed"     // the request cannot be read
	CodeVersion      Code = "version"       // protocol version not spoken
	CodeUnsigned     Code = "unsigned"      // no signature, or one outside the profile
	CodeUnknownKey   Code = "unknown-key"   // the key is not enrolled
	CodeBadSignature Code = "bad-signature" // the signature does not verify
	CodeBadDigest    Code = "bad-digest"    // the body is not what was signed
	CodeStale        Code = "stale"         // created outside the time window: the clock is off
	CodeReplay       Code = "replay"        // the nonce was seen before
	CodeForbidden    Code = "forbidden"     // signed by a key that may not do this
	CodeRevoked      Code = "revoked"       // the agent was revoked
	CodePending      Code = "pending"       // enrolled, not yet approved
	CodeSuspended    Code = "suspended"     // the agent or tenant is suspended
	CodeInvite       Code = "invite"        // the invite is unknown, used, burnt or expired
	CodeConflict     Code = "conflict"      // the invite was used with another key
	CodeGap          Code = "gap"           // seq too high: continue at Expected
	CodeReopen       Code = "reopen"        // the generation is not the portal's
	CodeFull         Code = "full"          // the queue is full: same batch after RetryAfter
	CodeTooLarge     Code = "too-large"     // over a limit of this package
	CodeNotFound     Code = "not-found"
	CodeBusy         Code = "busy"     // overloaded or starting: later
	CodeInternal     Code = "internal" // a fault of the receiver, logged there
)

// Reject is a refusal. It is the JSON body of every answer that is not 2xx.
type Reject struct {
	Code       Code   `json:"code"`
	Detail     string `json:"detail"`                // for operators: what, where, what to do; never payroll data
	Expected   Seq    `json:"expected,omitempty"`    // of CodeGap
	RetryAfter int    `json:"retry_after,omitempty"` // seconds, of CodeFull and CodeBusy
	ServerTime int64  `json:"server_time,omitempty"` // unix ms, of CodeStale
}

func (r *Reject) Error() string {
	if r.Detail == "" {
		return string(r.Code)
	}
	return fmt.Sprintf("%s: %s", r.Code, r.Detail)
}

// Is makes errors.Is(err, &Reject{Code: c}) compare codes.
func (r *Reject) Is(target error) bool {
	t, ok := target.(*Reject)
	return ok && t.Code == r.Code
}

// Wait returns RetryAfter as a duration.
func (r *Reject) Wait() time.Duration { return time.Duration(r.RetryAfter) * time.Second }

// Status returns the HTTP status that carries the code. It is the only place that decides so.
func (c Code) Status() int {
	switch c {
	case CodeMalformed, CodeVersion, CodeBadDigest:
		return http.StatusBadRequest
	case CodeUnsigned, CodeUnknownKey, CodeBadSignature, CodeStale, CodeReplay:
		return http.StatusUnauthorized
	case CodeForbidden, CodeRevoked, CodePending, CodeInvite:
		return http.StatusForbidden
	case CodeNotFound:
		return http.StatusNotFound
	case CodeGap, CodeReopen, CodeSuspended, CodeConflict:
		return http.StatusConflict
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeFull:
		return http.StatusTooManyRequests
	case CodeBusy:
		return http.StatusServiceUnavailable
	case CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

package push

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"lessor.dk/portalsync/protocol"
)

// Enrol asks for an identity with an enrolment code. The receiver's keys are first held against the
// fingerprint in the code, so that nobody on the way can take the receiver's place; the code's
// secret is never sent. r names the computer: its keys, invite and proof are filled in here.
// The same keys may repeat the request. Every refusal comes back as *[protocol.Reject].
func (c *Client) Enrol(ctx context.Context, code protocol.InviteCode, r protocol.EnrolRequest) (protocol.EnrolAnswer, error) {
	var a protocol.EnrolAnswer
	if code.Root != c.id.Root {
		return a, fmt.Errorf("enrol: %w", protocol.ErrRoot)
	}
	r.Invite = code.Invite
	r.SignKey = c.id.Sign.Public()
	r.SealKey = c.id.Seal.Public().Bytes()
	r.Proof = protocol.EnrolProof(code.Secret, r)
	body, err := json.Marshal(r)
	if err != nil {
		return a, fmt.Errorf("encode enrolment: %w", err)
	}
	send := &call{
		client: c, method: http.MethodPost, path: protocol.PathEnrol, media: protocol.MediaJSON, body: body, asking: true,
		header: http.Header{http.CanonicalHeaderKey(protocol.HeaderKey): {base64.RawURLEncoding.EncodeToString(r.SignKey)}},
	}
	return a, send.do(ctx, &a)
}

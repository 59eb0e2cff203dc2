package protocol

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Errors of answers. An answer with one of them is nobody's and changes nothing.
var (
	// ErrUnsignedAnswer reports an answer without a signature of the profile.
	ErrUnsignedAnswer = errors.New("the answer is not signed by a receiver")
	// ErrAnswerKey reports an answer signed with a key outside the keyset: the keyset may be old.
	ErrAnswerKey = errors.New("the answer is signed with a key that is not in the keyset")
	// ErrForgedAnswer reports an answer whose signature or digest does not fit: another status or
	// body, an answer to another request, or a part of one.
	ErrForgedAnswer = errors.New("the answer's signature does not fit it")
)

// VerifyResponse reports whether an answer with its whole body was signed by the receiver for the
// request with that signature. Errors wrap [ErrUnsignedAnswer], [ErrAnswerKey] or [ErrForgedAnswer].
// The answer's own time is not judged: it is bound to the request's nonce.
func (ks *Keyset) VerifyResponse(resp *http.Response, body []byte, request RequestSignature, now time.Time) error {
	if len(request) != ed25519.SignatureSize {
		return fmt.Errorf("%w: the request was not signed", ErrForgedAnswer)
	}
	var texts [4]string
	for i, name := range [...]string{headerSignatureInput, headerSignature, headerDigest, headerContentType} {
		text, err := single(resp.Header, name)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnsignedAnswer, err)
		}
		texts[i] = text
	}
	in, err := parseSignatureInput(texts[0])
	if err == nil && (in.tag != responseTag || string(in.appendField(nil)) != texts[0]) {
		err = errShape("Signature-Input is not an answer's")
	}
	var signature [ed25519.SignatureSize]byte
	if err == nil {
		err = parseSignature(signature[:], texts[1])
	}
	var digest [sha256.Size]byte
	if err == nil {
		err = parseDigest(digest[:], texts[2])
	}
	var base []byte
	if err == nil {
		base, err = appendResponseBase(make([]byte, 0, 1024), resp.Header, resp.StatusCode, request, &in)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsignedAnswer, err)
	}
	public, ok := ks.responseKey(in.keyID, now)
	if !ok {
		return fmt.Errorf("%w: %s", ErrAnswerKey, in.keyID)
	}
	if !ed25519.Verify(public, base, signature[:]) {
		return ErrForgedAnswer
	}
	if sha256.Sum256(body) != digest {
		return fmt.Errorf("%w: its body is another or was cut", ErrForgedAnswer)
	}
	return nil
}

package protocol

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"
)

// NonceLifetime is how long a receiver keeps nonces: a signature can be valid no longer.
const NonceLifetime = 10 * time.Minute

// Verifier verifies requests. It is safe for concurrent use.
type Verifier struct {
	// Authority lists the names (with port unless 443) under which agents call, in lower case.
	// The covered authority is always one of them: Host only picks which.
	Authority []string
	// Window is how far created may lie from now; 0 means five minutes.
	Window time.Duration
	// Keys returns the public key of an id. A *[Reject] it returns is the answer; a nil key is
	// [CodeUnknownKey]; any other error is the caller's own and not a Reject. The request is not
	// proven to come from the key's owner yet: write nothing here, and judge states after Head.
	Keys func(context.Context, KeyID) (ed25519.PublicKey, error)
	// Nonces remembers a nonce for [NonceLifetime] and reports whether it is new. It is called
	// last, after Ed25519 and the time window. Nil accepts repeats, as idempotent endpoints must.
	Nonces func(context.Context, KeyID, string) (bool, error)
}

// Verified is a request whose head is proven. Its body is not, until Body has reached EOF.
type Verified struct {
	Key       KeyID
	Public    ed25519.PublicKey
	Stream    *StreamHeader // nil without PortalSync-Stream
	Created   time.Time
	Nonce     string
	Signature RequestSignature // for SignResponse

	digest [sha256.Size]byte
}

// Head verifies a request's head before any byte of its body is read, in the order: shape, key,
// Ed25519, time window, nonce. Refusals are *[Reject]: unsigned, unknown-key, bad-signature,
// stale (with ServerTime), replay.
func (v *Verifier) Head(r *http.Request, now time.Time) (*Verified, error) {
	return v.head(r, now, func(id KeyID) (ed25519.PublicKey, error) { return v.Keys(r.Context(), id) })
}

// EnrolHead is Head for a key that the receiver does not know yet: it stands in [HeaderKey] and
// the signature's keyid must be its id. It proves that the sender holds the key, nothing else.
func (v *Verifier) EnrolHead(r *http.Request, now time.Time) (*Verified, error) {
	return v.head(r, now, func(id KeyID) (ed25519.PublicKey, error) {
		text, err := single(r.Header, HeaderKey)
		if err != nil {
			return nil, unsigned(err)
		}
		public, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(public) != ed25519.PublicKeySize || KeyIDOf(public) != id {
			return nil, unsigned(errShape(HeaderKey + " is not the public key that keyid names"))
		}
		return public, nil
	})
}

func (v *Verifier) head(r *http.Request, now time.Time, lookUp func(KeyID) (ed25519.PublicKey, error)) (*Verified, error) {
	verified := &Verified{Signature: make(RequestSignature, ed25519.SignatureSize)}
	in, base, err := v.shape(r, verified)
	if err != nil {
		return nil, unsigned(err)
	}
	public, err := lookUp(in.keyID)
	var refused *Reject
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, fmt.Errorf("look up agent key %s: %w", in.keyID, err)
	case len(public) != ed25519.PublicKeySize:
		return nil, &Reject{Code: CodeUnknownKey, Detail: "key " + string(in.keyID) + " is not enrolled here"}
	}
	if !ed25519.Verify(public, base, verified.Signature) {
		return nil, &Reject{Code: CodeBadSignature, Detail: "the signature does not fit what arrived: the address used, a device on the way, or the key differs"}
	}
	if err := v.inTime(in, now); err != nil {
		return nil, err
	}
	if v.Nonces != nil {
		first, err := v.Nonces(r.Context(), in.keyID, in.nonce)
		if err != nil {
			return nil, fmt.Errorf("remember nonce: %w", err)
		}
		if !first {
			return nil, &Reject{Code: CodeReplay, Detail: "this request was seen before"}
		}
	}
	verified.Key, verified.Public, verified.Nonce = in.keyID, public, in.nonce
	verified.Created = time.Unix(in.created, 0)
	return verified, nil
}

// shape reads everything that the profile fixes and returns the signature base.
func (v *Verifier) shape(r *http.Request, out *Verified) (*signatureInput, []byte, error) {
	var texts [4]string
	for i, name := range [...]string{headerSignatureInput, headerSignature, headerDigest, headerContentType} {
		text, err := single(r.Header, name)
		if err != nil {
			return nil, nil, err
		}
		texts[i] = text
	}
	in, err := parseSignatureInput(texts[0])
	if err != nil {
		return nil, nil, err
	}
	var again [maxSignatureInput]byte
	if string(in.appendField(again[:0])) != texts[0] {
		return nil, nil, errShape("Signature-Input is not spelled as the profile does")
	}
	if in.tag != requestTag {
		return nil, nil, errShape("the signature is an answer's, not a request's")
	}
	if in.expires != in.created+signatureLifetime {
		return nil, nil, errShape("expires is not created plus 300 seconds")
	}
	if err := parseSignature(out.Signature, texts[1]); err != nil {
		return nil, nil, err
	}
	if err := parseDigest(out.digest[:], texts[2]); err != nil {
		return nil, nil, err
	}
	head := requestHead{method: r.Method, authority: v.authority(r.Host), contentType: texts[3], digest: texts[2]}
	if len(r.Header.Values(HeaderStream)) > 0 {
		if head.stream, err = single(r.Header, HeaderStream); err != nil {
			return nil, nil, err
		}
		stream, err := ParseStreamHeader(head.stream)
		if err != nil {
			return nil, nil, err
		}
		out.Stream = &stream
	}
	if (out.Stream != nil) != (in.components == streamComponents) {
		return nil, nil, errShape(HeaderStream + " is sent but not covered, or covered but not sent")
	}
	target := r.RequestURI
	if target == "" {
		target = r.URL.RequestURI()
	}
	if !strings.HasPrefix(target, "/") {
		return nil, nil, errShape("the request target is not a path")
	}
	head.path, head.query, _ = strings.Cut(target, "?")
	base, err := head.appendBase(make([]byte, 0, 1024), &in)
	return &in, base, err
}

// authority returns the configured name that equals host, or the first.
func (v *Verifier) authority(host string) string {
	if len(v.Authority) == 0 {
		return ""
	}
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	for _, a := range v.Authority {
		if a == host {
			return a
		}
	}
	return v.Authority[0]
}

func (v *Verifier) inTime(in *signatureInput, now time.Time) error {
	window := v.Window
	if window == 0 {
		window = signatureLifetime * time.Second
	}
	off := time.Unix(in.created, 0).Sub(now)
	if off.Abs() <= window {
		return nil
	}
	return &Reject{
		Code:       CodeStale,
		Detail:     fmt.Sprintf("the agent's clock is off by %s: set it", off.Round(time.Second)),
		ServerTime: now.UnixMilli(),
	}
}

// RequestSignatureOf returns the signature that a refused request carries, so that the refusal can
// be bound to it; nil when it carries none that the profile knows.
func RequestSignatureOf(h http.Header) RequestSignature {
	text, err := single(h, headerSignature)
	if err != nil {
		return nil
	}
	s := make(RequestSignature, ed25519.SignatureSize)
	if parseSignature(s, text) != nil {
		return nil
	}
	return s
}

// Body returns a reader of the request's body that ends in io.EOF only if the body is the one that
// was signed; otherwise it ends in a *[Reject] with [CodeBadDigest].
func (v *Verified) Body(body io.Reader) io.Reader {
	return &digestReader{from: body, hash: sha256.New(), want: v.digest}
}

type digestReader struct {
	from io.Reader
	hash hash.Hash
	want [sha256.Size]byte
}

func (d *digestReader) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	d.hash.Write(p[:n])
	if err == io.EOF {
		var sum [sha256.Size]byte
		if [sha256.Size]byte(d.hash.Sum(sum[:0])) != d.want {
			return n, &Reject{Code: CodeBadDigest, Detail: "the body that arrived is not the body that was signed: a device on the way changed it"}
		}
	}
	return n, err
}

// single returns the only value of a header.
func single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	if len(values) != 1 {
		return "", errShape(name + " does not stand exactly once")
	}
	return values[0], nil
}

func unsigned(err error) error {
	var refused *Reject
	if errors.As(err, &refused) {
		return refused
	}
	return &Reject{Code: CodeUnsigned, Detail: err.Error()}
}

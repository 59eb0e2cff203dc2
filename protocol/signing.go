package protocol

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Headers of RFC 9421 and RFC 9530.
const (
	headerDigest         = "Content-Digest"
	headerSignature      = "Signature"
	headerSignatureInput = "Signature-Input"
	headerContentType    = "Content-Type"
)

// signatureLifetime is expires minus created of every request.
const signatureLifetime = 300 // seconds

// requestHead is what a request's signature covers, as texts.
type requestHead struct {
	method, authority, path, query string
	contentType, digest, stream    string
}

// SignRequest signs a request with its body and sets Content-Digest, Signature-Input and Signature,
// replacing earlier ones: a request sent again is signed again. The authority is r.URL's; a missing
// Content-Type becomes JSON; a [HeaderStream] that is set is covered. Bodies are at most a few MiB:
// the whole of it is hashed here. The returned signature verifies the answer.
func (k *SigningKey) SignRequest(r *http.Request, body []byte, now time.Time) (RequestSignature, error) {
	if r.Header.Get(headerContentType) == "" {
		r.Header.Set(headerContentType, MediaJSON)
	}
	if r.URL.Host == "" || r.URL.Opaque != "" {
		return nil, fmt.Errorf("sign request: %s has no authority", r.URL.Redacted())
	}
	path, query, _ := strings.Cut(r.URL.RequestURI(), "?")
	head := requestHead{
		method:      r.Method,
		authority:   authorityOf(r.URL),
		path:        path,
		query:       query,
		contentType: r.Header.Get(headerContentType),
		digest:      digestField(body),
		stream:      r.Header.Get(HeaderStream),
	}
	var nonce [16]byte
	rand.Read(nonce[:])
	in := signatureInput{
		components: requestComponents,
		created:    now.Unix(),
		expires:    now.Unix() + signatureLifetime,
		nonce:      base64.RawURLEncoding.EncodeToString(nonce[:]),
		keyID:      k.id,
		tag:        requestTag,
	}
	if head.stream != "" {
		in.components = streamComponents
	}
	base, err := head.appendBase(make([]byte, 0, 1024), &in)
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	signature := RequestSignature(ed25519.Sign(k.private(), base))
	r.Header.Set(headerDigest, head.digest)
	setSignature(r.Header, &in, signature)
	return signature, nil
}

func setSignature(h http.Header, in *signatureInput, signature []byte) {
	h.Set(headerSignatureInput, string(in.appendField(nil)))
	h.Set(headerSignature, string(RequestSignature(signature).appendValue([]byte(signatureLabel+"="))))
}

// appendBase appends the signature base of RFC 9421 part 2.5. A value with a control character,
// a blank at an end or anything outside ASCII has no base: it could be read in two ways.
func (h *requestHead) appendBase(b []byte, in *signatureInput) ([]byte, error) {
	for _, c := range [...]struct {
		name, value string
		blanks      bool
	}{
		{"@method", h.method, false},
		{"@authority", h.authority, false},
		{"@path", h.path, false},
		{"@query", h.query, false},
		{"content-type", h.contentType, true},
		{"portalsync-stream", h.stream, true},
	} {
		if !plain(c.value, c.blanks) {
			return nil, errShape(c.name + " holds a character that the profile does not allow")
		}
	}
	b = appendComponent(b, "@method", h.method)
	b = appendComponent(b, "@authority", h.authority)
	b = appendComponent(b, "@path", h.path)
	b = append(b, `"@query": ?`...)
	b = append(append(b, h.query...), '\n')
	b = appendComponent(b, "content-type", h.contentType)
	b = appendComponent(b, "content-digest", h.digest)
	if in.components == streamComponents {
		b = appendComponent(b, "portalsync-stream", h.stream)
	}
	b = append(b, `"@signature-params": `...)
	return in.appendParams(b), nil
}

func appendComponent(b []byte, name, value string) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `": `...)
	b = append(b, value...)
	return append(b, '\n')
}

// plain reports whether a value is visible ASCII, with blanks inside where allowed.
func plain(value string, blanks bool) bool {
	for i := range len(value) {
		c := value[i]
		if c == ' ' && blanks && i > 0 && i < len(value)-1 {
			continue
		}
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

func digestField(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// authorityOf returns host and port in lower case, without the scheme's default port
// (RFC 9421 part 2.2.3).
func authorityOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// SignResponse signs an answer over its status, content type, digest and the signature of the
// request it answers, and sets Content-Digest, Signature-Input and Signature in h. A missing
// Content-Type becomes JSON. A request without a readable signature is answered with nil, which
// no agent takes for an answer to one of its own.
func (k *SigningKey) SignResponse(h http.Header, status int, body []byte, request RequestSignature, now time.Time) error {
	if h.Get(headerContentType) == "" {
		h.Set(headerContentType, MediaJSON)
	}
	h.Set(headerDigest, digestField(body))
	in := signatureInput{components: responseComponents, created: now.Unix(), keyID: k.id, tag: responseTag}
	base, err := appendResponseBase(make([]byte, 0, 1024), h, status, request, &in)
	if err != nil {
		return fmt.Errorf("sign answer: %w", err)
	}
	setSignature(h, &in, ed25519.Sign(k.private(), base))
	return nil
}

func appendResponseBase(b []byte, h http.Header, status int, request RequestSignature, in *signatureInput) ([]byte, error) {
	contentType, digest := h.Get(headerContentType), h.Get(headerDigest)
	if !plain(contentType, true) {
		return nil, errShape("content-type holds a character that the profile does not allow")
	}
	b = append(b, `"@status": `...)
	b = append(strconv.AppendInt(b, int64(status), 10), '\n')
	b = appendComponent(b, "content-type", contentType)
	b = appendComponent(b, "content-digest", digest)
	b = append(b, `"signature";req;key="`+signatureLabel+`": `...)
	b = append(request.appendValue(b), '\n')
	b = append(b, `"@signature-params": `...)
	return in.appendParams(b), nil
}

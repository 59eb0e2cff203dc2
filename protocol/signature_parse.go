package protocol

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// The closed profile of RFC 9421: one label, fixed components, fixed parameters in fixed order.
const (
	signatureLabel = "portalsync"
	signatureAlg   = "ed25519"
	requestTag     = "portalsync-request"
	responseTag    = "portalsync-response"

	nonceLength       = 22 // characters: 16 bytes in base64url
	signatureLength   = 88 // characters: 64 bytes in base64
	digestLength      = 44 // characters: 32 bytes in base64
	maxSignatureInput = 512
)

// The covered components, spelled as in Signature-Input.
const (
	requestComponents  = `("@method" "@authority" "@path" "@query" "content-type" "content-digest")`
	streamComponents   = `("@method" "@authority" "@path" "@query" "content-type" "content-digest" "portalsync-stream")`
	responseComponents = `("@status" "content-type" "content-digest" "signature";req;key="` + signatureLabel + `")`
)

// errShape is the reason of a head outside the profile; the text says what is wrong with it.
type errShape string

func (e errShape) Error() string { return string(e) }

// signatureInput is a parsed Signature-Input of the profile. Strings alias the header.
type signatureInput struct {
	components string
	created    int64  // unix seconds
	expires    int64  // unix seconds; requests only
	nonce      string // requests only
	keyID      KeyID
	tag        string
}

// parseSignatureInput reads the one form that the profile allows. What it accepts,
// [signatureInput.append] writes back byte for byte.
func parseSignatureInput(text string) (signatureInput, error) {
	var in signatureInput
	if len(text) > maxSignatureInput {
		return in, errShape("Signature-Input is longer than the profile's")
	}
	rest, ok := strings.CutPrefix(text, signatureLabel+"=")
	if !ok {
		return in, errShape("Signature-Input does not begin with the label " + signatureLabel)
	}
	for _, known := range []string{requestComponents, streamComponents, responseComponents} {
		if after, ok := strings.CutPrefix(rest, known); ok {
			in.components, rest = known, after
			break
		}
	}
	if in.components == "" {
		return in, errShape("Signature-Input covers other components than the profile's")
	}
	s := scanner{rest: rest}
	in.created = s.integer("created")
	if in.components != responseComponents {
		in.expires = s.integer("expires")
		in.nonce = s.text("nonce", nonceLength)
	}
	if alg := s.text("alg", len(signatureAlg)); s.err == nil && alg != signatureAlg {
		s.err = errShape("parameter alg is not " + signatureAlg)
	}
	in.keyID = KeyID(s.text("keyid", keyIDLength))
	in.tag = s.text("tag", len(in.wantTag()))
	if s.err == nil && in.tag != in.wantTag() {
		s.err = errShape("parameter tag is not " + in.wantTag())
	}
	if s.err == nil && s.rest != "" {
		s.err = errShape("Signature-Input goes on after its last parameter")
	}
	return in, s.err
}

func (in *signatureInput) wantTag() string {
	if in.components == responseComponents {
		return responseTag
	}
	return requestTag
}

// appendParams appends the value of "@signature-params": components and parameters.
func (in *signatureInput) appendParams(b []byte) []byte {
	b = append(b, in.components...)
	b = append(b, ";created="...)
	b = strconv.AppendInt(b, in.created, 10)
	if in.components != responseComponents {
		b = append(b, ";expires="...)
		b = strconv.AppendInt(b, in.expires, 10)
		b = append(b, `;nonce="`...)
		b = append(b, in.nonce...)
		b = append(b, '"')
	}
	b = append(b, `;alg="`+signatureAlg+`";keyid="`...)
	b = append(b, in.keyID...)
	b = append(b, `";tag="`...)
	b = append(b, in.tag...)
	return append(b, '"')
}

// appendField appends the whole value of Signature-Input.
func (in *signatureInput) appendField(b []byte) []byte {
	return in.appendParams(append(b, signatureLabel+"="...))
}

// scanner reads parameters in their fixed order and keeps the first error.
type scanner struct {
	rest string
	err  error
}

// integer reads ;name=digits without sign or leading zero, below 10^15 as RFC 8941 limits it.
func (s *scanner) integer(name string) int64 {
	if !s.name(name) {
		return 0
	}
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	digits := s.rest[:n]
	if n == 0 || n > 15 || (n > 1 && digits[0] == '0') {
		s.err = errShape("parameter " + name + " is not a plain integer")
		return 0
	}
	s.rest = s.rest[n:]
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		s.err = errShape("parameter " + name + " is not a plain integer")
	}
	return v
}

// text reads ;name="…" of exactly length characters of the base64url alphabet.
func (s *scanner) text(name string, length int) string {
	if !s.name(name) {
		return ""
	}
	if len(s.rest) < length+2 || s.rest[0] != '"' || s.rest[length+1] != '"' {
		s.err = errShape("parameter " + name + " is not a string of " + strconv.Itoa(length) + " characters")
		return ""
	}
	v := s.rest[1 : length+1]
	for i := range len(v) {
		c := v[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			s.err = errShape("parameter " + name + " holds a character outside base64url")
			return ""
		}
	}
	s.rest = s.rest[length+2:]
	return v
}

func (s *scanner) name(name string) bool {
	if s.err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(s.rest, ";")
	if ok {
		rest, ok = strings.CutPrefix(rest, name+"=")
	}
	if !ok {
		s.err = errShape("parameter " + name + " is missing or out of order")
		return false
	}
	s.rest = rest
	return true
}

// RequestSignature is the signature of a request, 64 bytes; an answer is bound to it.
type RequestSignature []byte

// appendValue appends the signature as a byte sequence of RFC 8941.
func (s RequestSignature) appendValue(b []byte) []byte {
	b = append(b, ':')
	b = base64.StdEncoding.AppendEncode(b, s)
	return append(b, ':')
}

// parseSignature reads the one form of the Signature header into dst, which has 64 bytes.
func parseSignature(dst []byte, text string) error {
	rest, ok := strings.CutPrefix(text, signatureLabel+"=")
	if !ok {
		return errShape("Signature does not begin with the label " + signatureLabel)
	}
	if !byteSequence(dst, rest, signatureLength) {
		return errShape("Signature is not one signature of 64 bytes")
	}
	return nil
}

// parseDigest reads the one form of Content-Digest (RFC 9530) into dst, which has 32 bytes.
func parseDigest(dst []byte, text string) error {
	rest, ok := strings.CutPrefix(text, "sha-256=")
	if !ok || !byteSequence(dst, rest, digestLength) {
		return errShape("Content-Digest is not one sha-256 digest")
	}
	return nil
}

// byteSequence decodes :base64: of exactly length characters, canonical, into dst.
func byteSequence(dst []byte, text string, length int) bool {
	if len(text) != length+2 || text[0] != ':' || text[length+1] != ':' {
		return false
	}
	var decoded [66]byte // 88 characters decode to at most 66 bytes
	n, err := base64.StdEncoding.Strict().Decode(decoded[:], []byte(text[1:length+1]))
	if err != nil || n != len(dst) {
		return false
	}
	copy(dst, decoded[:n])
	return true
}

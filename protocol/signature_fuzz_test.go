package protocol

import (
	"strings"
	"testing"
)

// Whatever the parser accepts it writes back byte for byte.
func FuzzSignatureInput(f *testing.F) {
	key := NewSigningKey()
	r, _ := signedRequest(f, key, nil)
	f.Add(r.Header.Get("Signature-Input"))
	f.Add(signatureLabel + "=" + requestComponents + `;created=1;expires=301;nonce="AAAAAAAAAAAAAAAAAAAAAA";alg="ed25519";keyid="AAAAAAAAAAAAAAAAAAAAAA";tag="portalsync-request"`)
	f.Add(signatureLabel + "=" + responseComponents + `;created=0;alg="ed25519";keyid="AAAAAAAAAAAAAAAAAAAAAA";tag="portalsync-response"`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		in, err := parseSignatureInput(text)
		if err != nil {
			return
		}
		if again := string(in.appendField(nil)); again != text {
			t.Errorf("parsed and written again:\n%q\n%q", text, again)
		}
		if len(in.keyID) != keyIDLength || in.created < 0 || strings.ContainsAny(text, "\r\n") {
			t.Errorf("accepted %q", text)
		}
	})
}

func FuzzSignatureAndDigest(f *testing.F) {
	f.Add("portalsync=:" + strings.Repeat("A", 86) + "==:")
	f.Add(digestField(nil))
	f.Fuzz(func(t *testing.T, text string) {
		signature := make(RequestSignature, 64)
		if parseSignature(signature, text) == nil && string(signature.appendValue([]byte("portalsync="))) != text {
			t.Errorf("signature written again differs from %q", text)
		}
		var digest [32]byte
		if parseDigest(digest[:], text) == nil && len(text) != len(digestField(nil)) {
			t.Errorf("digest accepted: %q", text)
		}
	})
}

func FuzzStreamHeader(f *testing.F) {
	f.Add("tenant=1, stream=7, gen=1763600000000, seq=3")
	f.Add("tenant=0, stream=0, gen=0, seq=9223372036854775807")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseStreamHeader(text)
		if err == nil && h.String() != text {
			t.Errorf("%q read as %q", text, h)
		}
	})
}

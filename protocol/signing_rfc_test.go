package protocol

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"
)

// RFC 9421 appendix B.1.4 and B.2.6: its key, its signature base, its signature.
func TestRFC9421AppendixB26(t *testing.T) {
	seed, err := base64.RawURLEncoding.DecodeString("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseSigningKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := base64.RawURLEncoding.EncodeToString(key.Public()), "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"; got != want {
		t.Fatalf("public key = %s, want %s", got, want)
	}

	var base []byte
	base = appendComponent(base, "date", "Tue, 20 Apr 2021 02:07:55 GMT")
	base = appendComponent(base, "@method", "POST")
	base = appendComponent(base, "@path", "/foo")
	base = appendComponent(base, "@authority", "example.com")
	base = appendComponent(base, "content-type", "application/json")
	base = appendComponent(base, "content-length", "18")
	base = append(base, `"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`...)

	signature := RequestSignature(ed25519.Sign(key.private(), base))
	const want = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
	if got := string(signature.appendValue([]byte("sig-b26="))); got != want {
		t.Errorf("signature = %s, want %s", got, want)
	}
	parsed := make(RequestSignature, ed25519.SignatureSize)
	if err := parseSignature(parsed, signatureLabel+want[len("sig-b26"):]); err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(key.Public(), base, parsed) {
		t.Error("the RFC's signature does not verify")
	}
}

// RFC 9530 appendix D: the digest of {"hello": "world"} and a line feed.
func TestRFC9530Digest(t *testing.T) {
	const want = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
	if got := digestField([]byte("{\"hello\": \"world\"}\n")); got != want {
		t.Errorf("digest = %s, want %s", got, want)
	}
}

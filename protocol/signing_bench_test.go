package protocol

import (
	"bytes"
	"crypto/ed25519"
	"testing"
)

// The cost beside the bare signature is what the profile adds: compare within one run.
func BenchmarkSigning(b *testing.B) {
	key, body := NewSigningKey(), make([]byte, 2<<10)
	r, _ := signedRequest(b, key, body)
	v := verifierOf(key)
	verified := &Verified{Signature: make(RequestSignature, 64)}
	_, base, err := v.shape(r, verified)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bare Ed25519 sign", func(b *testing.B) {
		for b.Loop() {
			ed25519.Sign(key.private(), base)
		}
	})
	b.Run("sign a request of 2 kB", func(b *testing.B) {
		b.ReportAllocs()
		sent := r.Clone(b.Context())
		sent.URL.Scheme, sent.URL.Host = "https", signedFor
		for b.Loop() {
			if _, err := key.SignRequest(sent, body, signedAt); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare Ed25519 verify", func(b *testing.B) {
		for b.Loop() {
			if !ed25519.Verify(key.Public(), base, verified.Signature) {
				b.Fatal("it does not verify")
			}
		}
	})
	b.Run("verify a head", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Head(r, signedAt); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify a request of 2 kB", func(b *testing.B) {
		b.ReportAllocs()
		from, buffer := bytes.NewReader(body), make([]byte, 4<<10)
		for b.Loop() {
			got, err := v.Head(r, signedAt)
			if err != nil {
				b.Fatal(err)
			}
			from.Reset(body)
			for reader := got.Body(from); err == nil; {
				_, err = reader.Read(buffer)
			}
		}
	})
}

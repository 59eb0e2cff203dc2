package protocol

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func keysetOf(t testing.TB, response *SigningKey, sealing *SealingKey) *Keyset {
	t.Helper()
	root := NewSigningKey()
	signed, err := SignKeyset(root, keysetFor(response, sealing, 1))
	if err != nil {
		t.Fatal(err)
	}
	ks, err := signed.Verify(RootFingerprintOf(root.Public()), signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func keysetFor(response *SigningKey, sealing *SealingKey, version int) Keyset {
	from, until := signedAt.Add(-time.Hour).UnixMilli(), signedAt.Add(21*24*time.Hour).UnixMilli()
	return Keyset{
		Version: version, Issued: from, Expires: until,
		Response: []PublicKey{{ID: response.ID(), Public: response.Public(), From: from, Until: until}},
		Sealing:  []PublicKey{{ID: sealing.ID(), Public: sealing.Public().Bytes(), From: from, Until: until}},
	}
}

func sealingKey(t testing.TB) *SealingKey {
	t.Helper()
	k, err := NewSealingKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAnswers(t *testing.T) {
	agent, receiver, stranger := NewSigningKey(), NewSigningKey(), NewSigningKey()
	ks := keysetOf(t, receiver, sealingKey(t))
	_, request := signedRequest(t, agent, []byte("one"))
	_, otherRequest := signedRequest(t, agent, []byte("one"))
	body := []byte(`{"applied_seq":3}`)
	tests := map[string]struct {
		signer *SigningKey
		change func(*http.Response, *[]byte, *RequestSignature)
		now    time.Time
		want   error
	}{
		"as signed":                 {change: func(*http.Response, *[]byte, *RequestSignature) {}},
		"with a proxy's headers":    {change: func(r *http.Response, _ *[]byte, _ *RequestSignature) { r.Header.Set("Via", "1.1 proxy") }},
		"the agent's clock is slow": {change: func(*http.Response, *[]byte, *RequestSignature) {}, now: signedAt.AddDate(-10, 0, 0)},
		"another status":            {change: func(r *http.Response, _ *[]byte, _ *RequestSignature) { r.StatusCode = 202 }, want: ErrForgedAnswer},
		"another body":              {change: func(_ *http.Response, b *[]byte, _ *RequestSignature) { *b = []byte(`{"applied_seq":9}`) }, want: ErrForgedAnswer},
		"a cut body":                {change: func(_ *http.Response, b *[]byte, _ *RequestSignature) { *b = (*b)[:5] }, want: ErrForgedAnswer},
		"another body and digest": {change: func(r *http.Response, b *[]byte, _ *RequestSignature) {
			*b = nil
			r.Header.Set("Content-Digest", digestField(nil))
		}, want: ErrForgedAnswer},
		"another content type":     {change: func(r *http.Response, _ *[]byte, _ *RequestSignature) { r.Header.Set("Content-Type", "text/html") }, want: ErrForgedAnswer},
		"the answer to another":    {change: func(_ *http.Response, _ *[]byte, s *RequestSignature) { *s = otherRequest }, want: ErrForgedAnswer},
		"a request never signed":   {change: func(_ *http.Response, _ *[]byte, s *RequestSignature) { *s = nil }, want: ErrForgedAnswer},
		"a key outside the keyset": {signer: stranger, change: func(*http.Response, *[]byte, *RequestSignature) {}, want: ErrAnswerKey},
		"a key that has ended":     {change: func(*http.Response, *[]byte, *RequestSignature) {}, now: signedAt.AddDate(0, 1, 0), want: ErrAnswerKey},
		"no signature":             {change: func(r *http.Response, _ *[]byte, _ *RequestSignature) { r.Header.Del("Signature") }, want: ErrUnsignedAnswer},
		"no Signature-Input":       {change: func(r *http.Response, _ *[]byte, _ *RequestSignature) { r.Header.Del("Signature-Input") }, want: ErrUnsignedAnswer},
		"two signatures": {change: func(r *http.Response, _ *[]byte, _ *RequestSignature) {
			r.Header.Add("Signature", r.Header.Get("Signature"))
		}, want: ErrUnsignedAnswer},
		"without the request bound": {change: func(r *http.Response, _ *[]byte, _ *RequestSignature) {
			cutHeader(r, ` "signature";req;key="portalsync"`)
		}, want: ErrUnsignedAnswer},
		"without the status covered": {change: func(r *http.Response, _ *[]byte, _ *RequestSignature) { cutHeader(r, `"@status" `) }, want: ErrUnsignedAnswer},
		"a login page": {change: func(r *http.Response, b *[]byte, _ *RequestSignature) {
			r.Header = http.Header{"Content-Type": {"text/html"}}
			*b = []byte("<html>")
		}, want: ErrUnsignedAnswer},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			signer, now, signature, got := receiver, signedAt, request, body
			if tt.signer != nil {
				signer = tt.signer
			}
			if !tt.now.IsZero() {
				now = tt.now
			}
			resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}}
			if err := signer.SignResponse(resp.Header, 200, body, request, signedAt); err != nil {
				t.Fatal(err)
			}
			tt.change(resp, &got, &signature)
			if err := ks.VerifyResponse(resp, got, signature, now); !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
		})
	}
}

func cutHeader(r *http.Response, part string) {
	r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), part, "", 1))
}

// A request turned round is not an answer, and an answer is not a request.
func TestRequestSignatureIsNoAnswer(t *testing.T) {
	key := NewSigningKey()
	ks := keysetOf(t, key, sealingKey(t))
	r, signature := signedRequest(t, key, nil)
	resp := &http.Response{StatusCode: http.StatusOK, Header: r.Header}
	if err := ks.VerifyResponse(resp, nil, signature, signedAt); !errors.Is(err, ErrUnsignedAnswer) {
		t.Errorf("err = %v, want %v", err, ErrUnsignedAnswer)
	}
}

func TestRefusalOfAnUnsignedRequestIsNobodysAnswer(t *testing.T) {
	agent, receiver := NewSigningKey(), NewSigningKey()
	ks := keysetOf(t, receiver, sealingKey(t))
	r, request := signedRequest(t, agent, nil)
	if got := RequestSignatureOf(r.Header); string(got) != string(request) {
		t.Error("the signature of a refused request is not found")
	}
	r.Header.Set("Signature", "nonsense")
	bound := RequestSignatureOf(r.Header)
	if bound != nil {
		t.Fatalf("signature = %v, want none", bound)
	}
	resp := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}}
	if err := receiver.SignResponse(resp.Header, 401, nil, bound, signedAt); err != nil {
		t.Fatal(err)
	}
	for _, s := range []RequestSignature{request, nil} {
		if err := ks.VerifyResponse(resp, nil, s, signedAt); !errors.Is(err, ErrForgedAnswer) {
			t.Errorf("err = %v, want %v", err, ErrForgedAnswer)
		}
	}
}

package protocol

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var signedAt = time.Date(2026, 11, 20, 6, 12, 0, 0, time.UTC)

const signedFor = "portal.example.dk"

// signedRequest returns a batch request as it arrives at the receiver.
func signedRequest(t testing.TB, key *SigningKey, body []byte) (*http.Request, RequestSignature) {
	t.Helper()
	sent, err := http.NewRequest(http.MethodPost, "https://"+signedFor+PathBatch+"?trace=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	sent.Header.Set("Content-Type", MediaBatch)
	sent.Header.Set(HeaderStream, StreamHeader{Tenant: 1, Stream: 7, Gen: 1763600000000, Seq: 3}.String())
	signature, err := key.SignRequest(sent, body, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return arrived(sent, body), signature
}

func arrived(sent *http.Request, body []byte) *http.Request {
	r := httptest.NewRequest(sent.Method, sent.URL.RequestURI(), bytes.NewReader(body))
	r.Host = sent.URL.Host
	r.Header = sent.Header.Clone()
	return r
}

func verifierOf(keys ...*SigningKey) *Verifier {
	return &Verifier{
		Authority: []string{signedFor},
		Keys: func(_ context.Context, id KeyID) (ed25519.PublicKey, error) {
			for _, k := range keys {
				if k.ID() == id {
					return k.Public(), nil
				}
			}
			return nil, nil
		},
	}
}

func TestSignedRequestVerifies(t *testing.T) {
	key, body := NewSigningKey(), []byte("sealed")
	r, signature := signedRequest(t, key, body)
	got, err := verifierOf(key).Head(r, signedAt.Add(4*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if want := (StreamHeader{Tenant: 1, Stream: 7, Gen: 1763600000000, Seq: 3}); got.Stream == nil || *got.Stream != want {
		t.Errorf("stream = %v, want %v", got.Stream, want)
	}
	if got.Key != key.ID() || !bytes.Equal(got.Signature, signature) || !got.Created.Equal(signedAt) {
		t.Errorf("verified = %+v", got)
	}
	if b, err := io.ReadAll(got.Body(r.Body)); err != nil || string(b) != "sealed" {
		t.Errorf("body = %q, %v", b, err)
	}
}

func TestSignedRequestForms(t *testing.T) {
	tests := map[string]struct{ method, url, wantTarget string }{
		"no path":                 {"GET", "https://portal.example.dk", "/"},
		"default port":            {"GET", "https://portal.example.dk:443/a", "/a"},
		"upper case host":         {"GET", "https://Portal.Example.DK/a", "/a"},
		"escaped path":            {"PUT", "https://portal.example.dk/a%2Fb/%C3%A6?x=%20&y", "/a%2Fb/%C3%A6?x=%20&y"},
		"question mark, no query": {"GET", "https://portal.example.dk/a?", "/a?"},
	}
	key := NewSigningKey()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sent, err := http.NewRequest(tt.method, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := key.SignRequest(sent, nil, signedAt); err != nil {
				t.Fatal(err)
			}
			r := arrived(sent, nil)
			if r.RequestURI != tt.wantTarget {
				t.Errorf("target = %q, want %q", r.RequestURI, tt.wantTarget)
			}
			if _, err := verifierOf(key).Head(r, signedAt); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSignRequestAgainReplacesTheSignature(t *testing.T) {
	key := NewSigningKey()
	sent, _ := http.NewRequest(http.MethodPost, "https://"+signedFor+PathAck, nil)
	first, err := key.SignRequest(sent, []byte("a"), signedAt)
	if err != nil {
		t.Fatal(err)
	}
	second, err := key.SignRequest(sent, []byte("a"), signedAt)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, second) {
		t.Error("two attempts share a nonce")
	}
	if _, err := verifierOf(key).Head(arrived(sent, nil), signedAt); err != nil {
		t.Error(err)
	}
}

func TestAuthorityComesFromConfiguration(t *testing.T) {
	key := NewSigningKey()
	r, _ := signedRequest(t, key, nil)
	r.Host = "evil.example.dk"
	if _, err := verifierOf(key).Head(r, signedAt); err != nil {
		t.Errorf("behind a proxy that rewrites Host: %v", err)
	}
	v := verifierOf(key)
	v.Authority = []string{"other.example.dk"}
	r.Host = signedFor
	if _, err := v.Head(r, signedAt); !errors.Is(err, &Reject{Code: CodeBadSignature}) {
		t.Errorf("signed for a host that is not configured: %v", err)
	}
	v.Authority = []string{"other.example.dk", signedFor}
	if _, err := v.Head(r, signedAt); err != nil {
		t.Errorf("second configured name: %v", err)
	}
}

func TestBodyEndsOnlyIfItIsTheSignedOne(t *testing.T) {
	key, body := NewSigningKey(), bytes.Repeat([]byte("x"), 10_000)
	tests := map[string]struct {
		arrives io.Reader
		want    error
	}{
		"whole":                {arrives: bytes.NewReader(body)},
		"whole, byte by byte":  {arrives: iotest.OneByteReader(bytes.NewReader(body))},
		"whole, end with data": {arrives: iotest.DataErrReader(bytes.NewReader(body))},
		"cut":                  {arrives: bytes.NewReader(body[:9999]), want: &Reject{Code: CodeBadDigest}},
		"empty":                {arrives: bytes.NewReader(nil), want: &Reject{Code: CodeBadDigest}},
		"longer":               {arrives: io.MultiReader(bytes.NewReader(body), strings.NewReader("x")), want: &Reject{Code: CodeBadDigest}},
		"altered":              {arrives: io.MultiReader(bytes.NewReader(body[1:]), strings.NewReader("y")), want: &Reject{Code: CodeBadDigest}},
		"broken connection":    {arrives: io.MultiReader(bytes.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF)), want: io.ErrUnexpectedEOF},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, _ := signedRequest(t, key, body)
			v, err := verifierOf(key).Head(r, signedAt)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(v.Body(tt.arrives)); !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
		})
	}
}

// Nothing may be written, and no body byte read, before Ed25519 has passed.
func TestOrderOfVerification(t *testing.T) {
	key := NewSigningKey()
	tests := map[string]struct {
		mutate func(*http.Request)
		now    time.Time
		code   Code
		steps  string
	}{
		"shape before key":         {mutate: func(r *http.Request) { r.Header.Set("Signature", "x") }, now: signedAt, code: CodeUnsigned, steps: ""},
		"Ed25519 before window":    {mutate: func(r *http.Request) { r.Method = "PUT" }, now: signedAt.Add(time.Hour), code: CodeBadSignature, steps: "key"},
		"window before nonce":      {mutate: func(*http.Request) {}, now: signedAt.Add(time.Hour), code: CodeStale, steps: "key"},
		"nonce last":               {mutate: func(*http.Request) {}, now: signedAt, code: CodeReplay, steps: "key nonce"},
		"forged nonce not written": {mutate: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, now: signedAt, code: CodeBadSignature, steps: "key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, _ := signedRequest(t, key, []byte("body"))
			r.Body = io.NopCloser(iotest.ErrReader(errors.New("the body was read")))
			tt.mutate(r)
			var steps []string
			v := verifierOf(key)
			lookUp := v.Keys
			v.Keys = func(ctx context.Context, id KeyID) (ed25519.PublicKey, error) {
				steps = append(steps, "key")
				return lookUp(ctx, id)
			}
			v.Nonces = func(context.Context, KeyID, string) (bool, error) {
				steps = append(steps, "nonce")
				return false, nil
			}
			_, err := v.Head(r, tt.now)
			if !errors.Is(err, &Reject{Code: tt.code}) {
				t.Errorf("err = %v, want %s", err, tt.code)
			}
			if got := strings.Join(steps, " "); got != tt.steps {
				t.Errorf("steps = %q, want %q", got, tt.steps)
			}
		})
	}
}

func TestStaleTellsTheTime(t *testing.T) {
	key := NewSigningKey()
	r, _ := signedRequest(t, key, nil)
	now := signedAt.Add(time.Hour)
	_, err := verifierOf(key).Head(r, now)
	var refused *Reject
	if !errors.As(err, &refused) || refused.Code != CodeStale || refused.ServerTime != now.UnixMilli() {
		t.Errorf("err = %+v, want stale with the receiver's time", err)
	}
}

func TestKeyLookUpErrors(t *testing.T) {
	key := NewSigningKey()
	r, _ := signedRequest(t, key, nil)
	v := verifierOf(key)
	v.Keys = func(context.Context, KeyID) (ed25519.PublicKey, error) { return nil, &Reject{Code: CodeRevoked} }
	if _, err := v.Head(r, signedAt); !errors.Is(err, &Reject{Code: CodeRevoked}) {
		t.Errorf("err = %v, want revoked", err)
	}
	gone := errors.New("database gone")
	v.Keys = func(context.Context, KeyID) (ed25519.PublicKey, error) { return nil, gone }
	var refused *Reject
	if _, err := v.Head(r, signedAt); !errors.Is(err, gone) || errors.As(err, &refused) {
		t.Errorf("err = %v, want the caller's own error and no Reject", err)
	}
}

func TestEnrolmentProvesTheKeyItShows(t *testing.T) {
	key, other := NewSigningKey(), NewSigningKey()
	show := func(public []byte) string { return base64.RawURLEncoding.EncodeToString(public) }
	tests := map[string]struct {
		shown []string
		want  Code
	}{
		"its own key":       {shown: []string{show(key.Public())}},
		"another's key":     {shown: []string{show(other.Public())}, want: CodeUnsigned},
		"no key":            {want: CodeUnsigned},
		"two keys":          {shown: []string{show(key.Public()), show(key.Public())}, want: CodeUnsigned},
		"a cut key":         {shown: []string{show(key.Public()[:31])}, want: CodeUnsigned},
		"padded base64":     {shown: []string{base64.URLEncoding.EncodeToString(key.Public())}, want: CodeUnsigned},
		"not base64 at all": {shown: []string{"!"}, want: CodeUnsigned},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, _ := signedRequest(t, key, nil)
			r.Header[http.CanonicalHeaderKey(HeaderKey)] = tt.shown
			got, err := verifierOf().EnrolHead(r, signedAt)
			var refused *Reject
			switch {
			case tt.want == "" && (err != nil || !got.Public.Equal(key.Public())):
				t.Errorf("head = %+v, %v", got, err)
			case tt.want != "" && (!errors.As(err, &refused) || refused.Code != tt.want):
				t.Errorf("err = %v, want %s", err, tt.want)
			}
		})
	}
}

// 256 kB must not be held to be verified.
func TestVerifyAllocatesLittle(t *testing.T) {
	key, body := NewSigningKey(), make([]byte, 256<<10)
	v, buffer, from := verifierOf(key), make([]byte, 32<<10), bytes.NewReader(body)
	r, _ := signedRequest(t, key, body)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			got, err := v.Head(r, signedAt)
			if err != nil {
				b.Fatal(err)
			}
			from.Reset(body)
			for reader := got.Body(from); err == nil; {
				_, err = reader.Read(buffer)
			}
			if !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
		}
	})
	t.Logf("%d bytes in %d allocations, %v", result.AllocedBytesPerOp(), result.AllocsPerOp(), time.Duration(result.NsPerOp()))
	if got := result.AllocedBytesPerOp(); got >= 4<<10 {
		t.Errorf("verifying 256 kB allocates %d bytes, want less than 4 kB", got)
	}
}

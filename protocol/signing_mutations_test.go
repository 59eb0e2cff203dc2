package protocol

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// edit replaces text in a header and fails the test when it is not there.
func edit(t *testing.T, r *http.Request, name, old, new string) {
	t.Helper()
	was := r.Header.Get(name)
	if !strings.Contains(was, old) {
		t.Fatalf("%s %q does not hold %q", name, was, old)
	}
	r.Header.Set(name, strings.Replace(was, old, new, 1))
}

// Every one of these heads is one change away from a good one.
func TestMutatedHeadsAreRefused(t *testing.T) {
	key, other := NewSigningKey(), NewSigningKey()
	type head = *http.Request
	set := func(name, value string) func(*testing.T, head) {
		return func(_ *testing.T, r head) { r.Header.Set(name, value) }
	}
	replace := func(name, old, new string) func(*testing.T, head) {
		return func(t *testing.T, r head) { edit(t, r, name, old, new) }
	}
	drop := func(name string) func(*testing.T, head) {
		return func(_ *testing.T, r head) { r.Header.Del(name) }
	}
	twice := func(name string) func(*testing.T, head) {
		return func(_ *testing.T, r head) { r.Header.Add(name, r.Header.Get(name)) }
	}
	const input, signature, digest = "Signature-Input", "Signature", "Content-Digest"
	const bad = "does not fit what arrived"
	tests := map[string]struct {
		mutate func(*testing.T, head)
		code   Code
		reason string
	}{
		"no Signature-Input":                {drop(input), CodeUnsigned, "Signature-Input does not stand exactly once"},
		"no Signature":                      {drop(signature), CodeUnsigned, "Signature does not stand exactly once"},
		"no Content-Digest":                 {drop(digest), CodeUnsigned, "Content-Digest does not stand exactly once"},
		"no Content-Type":                   {drop("Content-Type"), CodeUnsigned, "Content-Type does not stand exactly once"},
		"no stream header though covered":   {drop(HeaderStream), CodeUnsigned, "covered but not sent"},
		"two Signature-Inputs":              {twice(input), CodeUnsigned, "exactly once"},
		"two Signatures":                    {twice(signature), CodeUnsigned, "exactly once"},
		"two digests":                       {twice(digest), CodeUnsigned, "exactly once"},
		"two content types":                 {twice("Content-Type"), CodeUnsigned, "exactly once"},
		"two stream headers":                {twice(HeaderStream), CodeUnsigned, "exactly once"},
		"another label":                     {replace(input, "portalsync=(", "sig1=("), CodeUnsigned, "label"},
		"two labels":                        {replace(input, "portalsync=(", "sig1=(), portalsync=("), CodeUnsigned, "label"},
		"a second label after":              {replace(input, requestTag+`"`, requestTag+`", sig2=()`), CodeUnsigned, "goes on after"},
		"a component left out":              {replace(input, ` "@query"`, ""), CodeUnsigned, "other components"},
		"components in another order":       {replace(input, `"@path" "@query"`, `"@query" "@path"`), CodeUnsigned, "other components"},
		"a component more":                  {replace(input, `"@path"`, `"@path" "host"`), CodeUnsigned, "other components"},
		"a component twice":                 {replace(input, `"@path"`, `"@path" "@path"`), CodeUnsigned, "other components"},
		"a component with a parameter":      {replace(input, `"@path"`, `"@path";req`), CodeUnsigned, "other components"},
		"two blanks between components":     {replace(input, `"@path" "`, `"@path"  "`), CodeUnsigned, "other components"},
		"no components":                     {replace(input, streamComponents, "()"), CodeUnsigned, "other components"},
		"stream not covered":                {replace(input, ` "portalsync-stream"`, ""), CodeUnsigned, "sent but not covered"},
		"an answer's components":            {replace(input, streamComponents, responseComponents), CodeUnsigned, "parameter"},
		"blank before a parameter":          {replace(input, ";created", "; created"), CodeUnsigned, "created is missing or out of order"},
		"created missing":                   {replace(input, ";created=", ";made="), CodeUnsigned, "created is missing"},
		"created a string":                  {replace(input, ";created=1", `;created="1`), CodeUnsigned, "created is not a plain integer"},
		"created with leading zero":         {replace(input, ";created=1", ";created=01"), CodeUnsigned, "created is not a plain integer"},
		"created negative":                  {replace(input, ";created=1", ";created=-1"), CodeUnsigned, "created is not a plain integer"},
		"created of sixteen digits":         {replace(input, ";created=1", ";created=1000000"), CodeUnsigned, "created is not a plain integer"},
		"created a decimal":                 {replace(input, ";expires", ".0;expires"), CodeUnsigned, "expires is missing"},
		"expires missing":                   {replace(input, ";expires=", ";until="), CodeUnsigned, "expires is missing"},
		"expires a day later":               {replace(input, ";expires=1795155420", ";expires=1795241820"), CodeUnsigned, "plus 300"},
		"nonce missing":                     {replace(input, ";nonce=", ";once="), CodeUnsigned, "nonce is missing"},
		"nonce short":                       {replace(input, `;nonce="`, `;nonce="" ;x="`), CodeUnsigned, "nonce is not a string of 22"},
		"alg missing":                       {replace(input, `;alg="ed25519"`, ""), CodeUnsigned, "alg is missing"},
		"alg none":                          {replace(input, `alg="ed25519"`, `alg="none"`), CodeUnsigned, "alg is not"},
		"alg of the same length":            {replace(input, `alg="ed25519"`, `alg="hmacsha"`), CodeUnsigned, "alg is not ed25519"},
		"alg in upper case":                 {replace(input, `alg="ed25519"`, `alg="Ed25519"`), CodeUnsigned, "alg is not ed25519"},
		"keyid twice":                       {replace(input, ";tag=", `;keyid="aaaaaaaaaaaaaaaaaaaaaa";tag=`), CodeUnsigned, "tag is missing"},
		"keyid with a quote":                {replace(input, `;keyid="`, `;keyid="\"`), CodeUnsigned, "keyid"},
		"parameters in another order":       {swapAlgAndKey, CodeUnsigned, "alg is missing or out of order"},
		"tag missing":                       {replace(input, `;tag="`+requestTag+`"`, ""), CodeUnsigned, "tag is missing"},
		"tag of an answer":                  {replace(input, requestTag, responseTag), CodeUnsigned, "tag is not"},
		"tag of the same length":            {replace(input, requestTag, "portalsync-requesT"), CodeUnsigned, "tag is not"},
		"a parameter more":                  {replace(input, requestTag+`"`, requestTag+`";x=1`), CodeUnsigned, "goes on after"},
		"a blank at the end":                {replace(input, requestTag+`"`, requestTag+`" `), CodeUnsigned, "goes on after"},
		"Signature-Input of 10 kB":          {replace(input, `"@path"`, strings.Repeat(" ", 10_000)), CodeUnsigned, "longer"},
		"Signature of another label":        {replace(signature, "portalsync=", "sig1="), CodeUnsigned, "label"},
		"Signature without colons":          {replace(signature, "=:", "="), CodeUnsigned, "not one signature"},
		"Signature as string":               {set(signature, `portalsync="abc"`), CodeUnsigned, "not one signature"},
		"Signature empty":                   {set(signature, "portalsync=::"), CodeUnsigned, "not one signature"},
		"Signature with loose last bits":    {loosen(signature), CodeUnsigned, "not one signature"},
		"Signature of zeros":                {set(signature, "portalsync=:"+base64.StdEncoding.EncodeToString(make([]byte, 64))+":"), CodeBadSignature, bad},
		"Signature with a bit flipped":      {flip(signature), CodeBadSignature, bad},
		"a second Signature after":          {replace(signature, "==:", "==:, sig2=:AA==:"), CodeUnsigned, "not one signature"},
		"digest of another algorithm":       {replace(digest, "sha-256", "sha-512"), CodeUnsigned, "not one sha-256"},
		"digest in upper case":              {replace(digest, "sha-256", "SHA-256"), CodeUnsigned, "not one sha-256"},
		"two digests in one header":         {replace(digest, "=:", "=::, sha-256=:"), CodeUnsigned, "not one sha-256"},
		"digest of another body":            {set(digest, digestField([]byte("other"))), CodeBadSignature, bad},
		"digest with loose last bits":       {loosen(digest), CodeUnsigned, "not one sha-256"},
		"another method":                    {func(_ *testing.T, r head) { r.Method = "PUT" }, CodeBadSignature, bad},
		"a method in lower case":            {func(_ *testing.T, r head) { r.Method = "post" }, CodeBadSignature, bad},
		"another path":                      {func(_ *testing.T, r head) { r.RequestURI = PathOpen + "?trace=1" }, CodeBadSignature, bad},
		"the path escaped":                  {func(_ *testing.T, r head) { r.RequestURI = strings.Replace(r.RequestURI, "v1", "%761", 1) }, CodeBadSignature, bad},
		"a doubled slash":                   {func(_ *testing.T, r head) { r.RequestURI = "/" + r.RequestURI }, CodeBadSignature, bad},
		"another query":                     {func(_ *testing.T, r head) { r.RequestURI += "2" }, CodeBadSignature, bad},
		"no query":                          {func(_ *testing.T, r head) { r.RequestURI = PathBatch }, CodeBadSignature, bad},
		"a whole URL as target":             {func(_ *testing.T, r head) { r.RequestURI = "https://" + signedFor + r.RequestURI }, CodeUnsigned, "not a path"},
		"a blank in the target":             {func(_ *testing.T, r head) { r.RequestURI += " x" }, CodeUnsigned, "@query holds a character"},
		"a line feed in the target":         {func(_ *testing.T, r head) { r.RequestURI = "/a\n\"@query\": ?" }, CodeUnsigned, "@path holds a character"},
		"another content type":              {set("Content-Type", MediaJSON), CodeBadSignature, bad},
		"content type with a parameter":     {set("Content-Type", MediaBatch+"; a=b"), CodeBadSignature, bad},
		"content type with a line feed":     {set("Content-Type", MediaBatch+"\nx"), CodeUnsigned, "content-type holds"},
		"content type outside ASCII":        {set("Content-Type", MediaBatch+"æ"), CodeUnsigned, "content-type holds"},
		"content type ending in a blank":    {set("Content-Type", MediaBatch+" "), CodeUnsigned, "content-type holds"},
		"another tenant":                    {replace(HeaderStream, "tenant=1", "tenant=2"), CodeBadSignature, bad},
		"another seq":                       {replace(HeaderStream, "seq=3", "seq=4"), CodeBadSignature, bad},
		"stream header spelled otherwise":   {replace(HeaderStream, ", seq", ",seq"), CodeUnsigned, "seq is missing"},
		"stream header with leading zero":   {replace(HeaderStream, "seq=3", "seq=03"), CodeUnsigned, "not spelled"},
		"stream header with plus sign":      {replace(HeaderStream, "seq=3", "seq=+3"), CodeUnsigned, "not spelled"},
		"stream header with negative seq":   {replace(HeaderStream, "seq=3", "seq=-3"), CodeUnsigned, "not a number"},
		"stream header with more":           {replace(HeaderStream, "seq=3", "seq=3, seq=4"), CodeUnsigned, "not spelled"},
		"stream header past sixty-four bit": {replace(HeaderStream, "seq=3", "seq=9223372036854775808"), CodeUnsigned, "not a number"},
		"created a second later":            {shiftTime, CodeBadSignature, bad},
		"another nonce":                     {replaceNonce, CodeBadSignature, bad},
		"a key that is not enrolled":        {replace(input, string(key.ID()), "AAAAAAAAAAAAAAAAAAAAAA"), CodeUnknownKey, "not enrolled"},
		"another agent's key":               {replace(input, string(key.ID()), string(other.ID())), CodeBadSignature, bad},
	}
	if len(tests) < 40 {
		t.Fatalf("%d mutations, want at least 40", len(tests))
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, _ := signedRequest(t, key, []byte("sealed"))
			if _, err := verifierOf(key, other).Head(r, signedAt); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			tt.mutate(t, r)
			_, err := verifierOf(key, other).Head(r, signedAt)
			var refused *Reject
			if !errors.As(err, &refused) || refused.Code != tt.code || !strings.Contains(refused.Detail, tt.reason) {
				t.Errorf("err = %v, want %s with %q", err, tt.code, tt.reason)
			}
		})
	}
}

func swapAlgAndKey(t *testing.T, r *http.Request) {
	parts := strings.Split(r.Header.Get("Signature-Input"), ";")
	i := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, "alg=") })
	if i < 0 {
		t.Fatal("no alg")
	}
	parts[i], parts[i+1] = parts[i+1], parts[i]
	r.Header.Set("Signature-Input", strings.Join(parts, ";"))
}

func shiftTime(t *testing.T, r *http.Request) {
	edit(t, r, "Signature-Input", "created=1795155120;expires=1795155420", "created=1795155121;expires=1795155421")
}

func replaceNonce(t *testing.T, r *http.Request) {
	_, after, _ := strings.Cut(r.Header.Get("Signature-Input"), `nonce="`)
	edit(t, r, "Signature-Input", after[:nonceLength], "AAAAAAAAAAAAAAAAAAAAAA")
}

// flip changes the first bits of a byte sequence.
func flip(name string) func(*testing.T, *http.Request) {
	return func(_ *testing.T, r *http.Request) {
		before, after, _ := strings.Cut(r.Header.Get(name), "=:")
		first := "A"
		if after[0] == 'A' {
			first = "B"
		}
		r.Header.Set(name, before+"=:"+first+after[1:])
	}
}

// loosen sets bits of the last base64 character that decode to nothing: another spelling of the
// same bytes.
func loosen(name string) func(*testing.T, *http.Request) {
	return func(_ *testing.T, r *http.Request) {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		value := r.Header.Get(name)
		i := strings.LastIndexFunc(value, func(c rune) bool { return c != ':' && c != '=' })
		next := alphabet[strings.IndexByte(alphabet, value[i])|1]
		r.Header.Set(name, value[:i]+string(next)+value[i+1:])
	}
}

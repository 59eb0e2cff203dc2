package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cloudOf answers as the login of a cloud does, and counts the tokens it gave.
func cloudOf(t *testing.T, lifetime time.Duration) (*httptest.Server, *[]string) {
	t.Helper()
	var asked []string
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
			fmt.Fprintf(w, `{"issuer":"%[1]s/t/v2.0","authorization_endpoint":"%[1]s/t/authorize","token_endpoint":"%[1]s/t/token"}`, s.URL)
			return
		}
		_ = r.ParseForm()
		asked = append(asked, r.PostForm.Encode())
		if r.PostForm.Get("client_secret") == "Forkert-1" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Forkert-1\r\nTrace ID: x"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"token_type": "Bearer", "expires_in": int(lifetime.Seconds()), "access_token": fmt.Sprintf("token-%d", len(asked))})
	}))
	t.Cleanup(s.Close)
	return s, &asked
}

func written(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func keyPair(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
}

func TestToken(t *testing.T) {
	tests := map[string]struct {
		secret, certificate string
		lifetime            time.Duration
		sent, second, err   string
	}{
		"a secret, its token kept until it expires": {secret: written(t, []byte("Rigtig-1\r\n")), lifetime: time.Hour, sent: "client_secret=Rigtig-1&", second: "token-1"},
		"a token that is about to expire":           {secret: written(t, []byte("Rigtig-1")), lifetime: time.Minute, sent: "client_secret=Rigtig-1&", second: "token-2"},
		"a certificate":                             {certificate: written(t, keyPair(t)), lifetime: time.Hour, sent: "client_assertion=", second: "token-1"},
		"a secret that is refused":                  {secret: written(t, []byte("Forkert-1")), sent: "client_secret=", err: "AADSTS7000215): the application's secret is wrong or has expired"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, asked := cloudOf(t, tt.lifetime)
			way, err := Transport("", written(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := New(Config{Tenant: "t", Client: "c", SecretFile: tt.secret, CertificateFile: tt.certificate, Authority: s.URL, Transport: way, Disconnected: true})
			if err != nil {
				t.Fatal(err)
			}
			first, err := tokens.Token(t.Context())
			if len(*asked) == 0 || !strings.Contains((*asked)[0], tt.sent) || !strings.Contains((*asked)[0], "database.windows.net%2F.default") {
				t.Fatalf("the login was asked %q, %v", *asked, err)
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "Forkert") || strings.Contains(err.Error(), "\n") {
					t.Errorf("Token = %v, want one line with %q and no secret", err, tt.err)
				}
				return
			}
			second, err2 := tokens.Token(t.Context())
			if err != nil || err2 != nil || first != "token-1" || second != tt.second {
				t.Errorf("tokens %q, %q, %v, %v, want token-1 and %s", first, second, err, err2, tt.second)
			}
		})
	}
}

// machine answers as the address of an Azure machine that gives its identity away.
type machine func(*http.Request) *http.Response

func (m machine) RoundTrip(r *http.Request) (*http.Response, error) { return m(r), nil }

func TestManagedIdentity(t *testing.T) {
	tokens, err := New(Config{ManagedIdentity: true, Transport: machine(func(r *http.Request) *http.Response {
		body := `{"access_token":"machine","expires_in":"3600","token_type":"Bearer","resource":"r"}`
		if r.URL.Host != "169.254.169.254" || r.URL.Query().Get("resource") != "https://database.windows.net" {
			body = "{}"
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
	})})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tokens.Token(t.Context()); got != "machine" || err != nil {
		t.Errorf("Token = %q, %v", got, err)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	tests := map[string]struct {
		cfg  Config
		want string
	}{
		"no secret":                {Config{SecretFile: written(t, nil)}, "is empty"},
		"a certificate that isn't": {Config{CertificateFile: written(t, []byte("x"))}, "holds no certificate with its key"},
		"a file that is not there": {Config{SecretFile: "nowhere"}, "read main_system.entra.secret_file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New = %v, want %q", err, tt.want)
			}
		})
	}
}

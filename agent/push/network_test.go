package push

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
)

// authority issues certificates, as a company's TLS-inspecting proxy does.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Nordvask A/S"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "portal.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"portal.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// serve puts the receiver behind TLS on the loopback interface.
func (r *receiver) serveTLS(cert tls.Certificate, change func(*httptest.Server)) string {
	r.server = httptest.NewUnstartedServer(r)
	r.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	r.server.EnableHTTP2 = true
	r.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if change != nil {
		change(r.server)
	}
	r.server.StartTLS()
	r.t.Cleanup(r.server.Close)
	return r.server.URL
}

// giveUp returns a context that ends at the first trouble, and the Config that ends it.
func giveUp(t *testing.T, cfg Config, told *troubles) (context.Context, Config) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	cfg.Trouble = func(code, sentence string) {
		told.tell(code, sentence)
		cancel()
	}
	return ctx, cfg
}

func TestTLSTroubleNamesTheIssuer(t *testing.T) {
	ca := newAuthority(t, "Nordvask Web Gateway")
	tests := map[string]struct {
		change   func(*x509.Certificate)
		trust    bool
		code     string
		sentence string
	}{
		"issuer not trusted": {code: TroubleIssuer, sentence: `is issued by "Nordvask Web Gateway, Nordvask A/S", which this computer does not trust`},
		"another host's": {trust: true, code: TroubleName, sentence: `another host's, issued by "Nordvask Web Gateway`,
			change: func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"other.test"}, nil }},
		"expired": {trust: true, code: TroubleDate, sentence: `issued by "Nordvask Web Gateway, Nordvask A/S", is not valid on the date`,
			change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }},
		"not valid yet": {trust: true, code: TroubleDate, sentence: "set the clock",
			change: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var told troubles
			r := newReceiver(t)
			url := r.serveTLS(ca.issue(t, tt.change), nil)
			cfg := Config{}
			if tt.trust {
				cfg.ExtraCA = ca.pem
			}
			ctx, cfg := giveUp(t, cfg, &told)
			if err := r.clientAt(url, cfg).Ack(ctx, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("err = %v", err)
			}
			codes, sentence := told.all()
			if codes[0] != tt.code || !strings.Contains(sentence, tt.sentence) {
				t.Errorf("trouble = %q %q, want %q with %q", codes, sentence, tt.code, tt.sentence)
			}
			if n := len(r.heads()); n != 0 {
				t.Errorf("%d requests arrived", n)
			}
		})
	}
}

func TestNetworkTroubles(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	hangsUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangsUp.Close()
	go func() {
		for {
			c, err := hangsUp.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	tests := map[string]struct {
		base  string
		proxy string
		code  string
	}{
		"nothing listens":           {base: "https://" + closed.Addr().String(), code: TroubleRefused},
		"no such name":              {base: "https://portal.invalid", code: TroubleDNS},
		"the other side hangs up":   {base: "https://" + hangsUp.Addr().String(), code: TroubleUnreachable},
		"no TLS there":              {base: strings.Replace(plain.URL, "http:", "https:", 1), code: TroubleTLS},
		"a proxy that says no":      {base: "https://portal.test", proxy: proxyAnswering(t, 403), code: TroubleProxy},
		"a proxy with a password":   {base: "https://portal.test", proxy: proxyAnswering(t, 407), code: TroubleProxyAuth},
		"a proxy that is not there": {base: "https://portal.test", proxy: "http://" + closed.Addr().String(), code: TroubleRefused},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var told troubles
			ctx, cfg := giveUp(t, Config{Proxy: tt.proxy}, &told)
			if err := newReceiver(t).clientAt(tt.base, cfg).Ack(ctx, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("err = %v", err)
			}
			if codes, sentence := told.all(); codes[0] != tt.code || strings.Count(sentence, ".") == 0 {
				t.Errorf("trouble = %q %q, want %q", codes, sentence, tt.code)
			}
		})
	}
}

func proxyAnswering(t *testing.T, status int) string {
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodConnect {
			t.Errorf("proxy got %s", q.Method)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(p.Close)
	return p.URL
}

func TestBrokenConnections(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	for name, meddle := range map[string]func(http.ResponseWriter, *http.Request, http.HandlerFunc){
		"the request is lost": func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) },
		"the answer is lost": func(_ http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
			next(httptest.NewRecorder(), q)
			panic(http.ErrAbortHandler)
		},
		"the answer breaks off": func(w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
			rec := httptest.NewRecorder()
			next(rec, q)
			copyHeader(w, rec)
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes())
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		for _, two := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", HTTP/2", false: ", HTTP/1.1"}[two], func(t *testing.T) {
				r := newReceiver(t)
				r.meddle = first(meddle)
				r.answer = func(int, *http.Request, []byte) (int, any) { return 202, protocol.BatchAnswer{AppliedSeq: 2} }
				url := r.serveTLS(ca.issue(t, nil), func(s *httptest.Server) { s.EnableHTTP2 = two })
				var told troubles
				c := r.clientAt(url, Config{ExtraCA: ca.pem, Trouble: told.tell})
				a, err := c.Batch(t.Context(), header, []byte("encoded"))
				if err != nil || a.AppliedSeq != 2 {
					t.Errorf("answer = %+v, %v", a, err)
				}
				if codes, _ := told.all(); !slices.Equal(codes, []string{TroubleUnreachable, ""}) {
					t.Errorf("troubles = %q", codes)
				}
				if got := c.Issuer(); got != "Test CA, Nordvask A/S" {
					t.Errorf("issuer = %q", got)
				}
			})
		}
	}
}

// A head that is refused must not cost its body.
func TestRefusedHeadCostsNoBody(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	r := newReceiver(t)
	var read atomic.Int64
	r.meddle = func(_ int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
		if q.Header.Get("Expect") != "100-continue" {
			next(w, q)
			return
		}
		r.sign(w, 413, &protocol.Reject{Code: protocol.CodeTooLarge}, protocol.RequestSignatureOf(q.Header))
	}
	url := r.serveTLS(ca.issue(t, nil), func(s *httptest.Server) {
		s.EnableHTTP2 = false
		s.Listener = counting{s.Listener, &read}
	})
	c := r.clientAt(url, Config{ExtraCA: ca.pem})
	if err := c.Ack(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	before := read.Load()
	if _, err := c.Batch(t.Context(), header, noise(512<<10)); !errors.Is(err, &protocol.Reject{Code: protocol.CodeTooLarge}) {
		t.Fatalf("err = %v, want too-large", err)
	}
	if cost := read.Load() - before; cost > 16<<10 {
		t.Errorf("a refused head cost %d bytes", cost)
	}
}

type counting struct {
	net.Listener
	read *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.read}, err
}

type countingConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func TestHTTP2AndItsFallback(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	var spoken []string
	r := newReceiver(t)
	r.meddle = func(_ int, w http.ResponseWriter, q *http.Request, next http.HandlerFunc) {
		spoken = append(spoken, q.Proto)
		next(w, q)
	}
	url := r.serveTLS(ca.issue(t, nil), nil)
	c := r.clientAt(url, Config{ExtraCA: ca.pem})
	if err := c.Ack(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c.transport.(*transport).failures.Store(http2Failures)
	if err := c.Ack(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"HTTP/2.0", "HTTP/1.1"}; !slices.Equal(spoken, want) {
		t.Errorf("spoken = %q, want %q", spoken, want)
	}
}

// A middlebox that offers HTTP/2 and then speaks nonsense.
func TestBrokenHTTP2FallsBack(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	r := newReceiver(t)
	url := r.serveTLS(ca.issue(t, nil), func(s *httptest.Server) {
		s.EnableHTTP2 = false
		s.TLS.NextProtos = []string{"h2", "http/1.1"}
		s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
			"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) {
				io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\nthis is no HTTP/2 at all")
				c.Close()
			},
		}
	})
	var told troubles
	c := r.clientAt(url, Config{ExtraCA: ca.pem, Trouble: told.tell})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Ack(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if codes, _ := told.all(); len(codes) < http2Failures {
		t.Errorf("troubles = %q", codes)
	}
}

func TestOldTLSIsNotSpoken(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	r := newReceiver(t)
	url := r.serveTLS(ca.issue(t, nil), func(s *httptest.Server) { s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	var told troubles
	ctx, cfg := giveUp(t, Config{ExtraCA: ca.pem}, &told)
	if err := r.clientAt(url, cfg).Ack(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if codes, _ := told.all(); codes[0] != TroubleTLS {
		t.Errorf("troubles = %q", codes)
	}
}

// The proxy setting carries everything, and its password is never told.
func TestThroughAProxy(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	r := newReceiver(t)
	url := r.serveTLS(ca.issue(t, nil), nil)
	var connects, authorized atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		connects.Add(1)
		if q.Header.Get("Proxy-Authorization") == "Basic dXNlcjpzZWNyZXQ=" {
			authorized.Add(1)
		}
		out, err := net.Dial("tcp", r.server.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(http.StatusOK)
		in, rest, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() { io.Copy(out, rest); out.Close() }()
		go func() { io.Copy(in, out); in.Close() }()
	}))
	defer proxy.Close()
	c := r.clientAt(url, Config{ExtraCA: ca.pem, Proxy: strings.Replace(proxy.URL, "http://", "http://user:secret@", 1)})
	if err := c.Ack(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if connects.Load() == 0 || authorized.Load() != connects.Load() {
		t.Errorf("%d CONNECTs, %d authorized", connects.Load(), authorized.Load())
	}
}

package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// http2Failures is how many failures of HTTP/2 in a row make the agent speak HTTP/1.1 from then on:
// some intercepting proxies offer HTTP/2 and break it.
const http2Failures = 3

// transport is the network: HTTP/2 while it works, HTTP/1.1 otherwise.
type transport struct {
	two, one *http.Transport
	failures atomic.Int32
}

func newTransport(cfg Config) (*transport, error) {
	proxy := http.ProxyFromEnvironment
	if cfg.Proxy != "" {
		u, err := url.Parse(cfg.Proxy)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, errors.New("the proxy setting is not of the form http://host:port")
		}
		proxy = http.ProxyURL(u)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(cfg.ExtraCA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("read the system's certificates: %w", err)
		}
		if !pool.AppendCertsFromPEM(cfg.ExtraCA) {
			return nil, errors.New("the extra certificate file holds no certificate in PEM form")
		}
		config.RootCAs = pool
	}
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	one := &http.Transport{
		Proxy:                  proxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    15 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		OnProxyConnectResponse: proxyAnswer,
		Protocols:              new(http.Protocols),
	}
	one.Protocols.SetHTTP1(true)
	two := one.Clone()
	two.Protocols.SetHTTP2(true)
	two.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return &transport{two: two, one: one}, nil
}

// RoundTrip sends one request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.failures.Load() >= http2Failures {
		return t.one.RoundTrip(r)
	}
	resp, err := t.two.RoundTrip(r)
	switch {
	case err == nil:
		t.failures.Store(0)
	case strings.Contains(err.Error(), "http2: "):
		t.failures.Add(1)
	}
	return resp, err
}

// CloseIdleConnections lets retryablehttp begin anew after a failure.
func (t *transport) CloseIdleConnections() {
	t.two.CloseIdleConnections()
	t.one.CloseIdleConnections()
}

// proxyError is a proxy's refusal to connect.
type proxyError struct {
	proxy  string
	status int
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("proxy %s answered %d to CONNECT", e.proxy, e.status)
}

func proxyAnswer(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy: proxy.Host, status: answer.StatusCode}
}

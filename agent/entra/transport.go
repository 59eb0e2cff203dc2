package entra

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Transport returns the way out that the agent's settings ask for: through a proxy, whose URL is empty for that of the
// environment, and trusting the certificates of a PEM file beside the system's; an empty path trusts the system's alone.
func Transport(proxy, extraCA string) (http.RoundTripper, error) {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 15 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil || u.Host == "" {
			return nil, errors.New("the proxy setting is not of the form http://host:port")
		}
		t.Proxy = http.ProxyURL(u)
	}
	if extraCA == "" {
		return t, nil
	}
	b, err := os.ReadFile(extraCA)
	if err != nil {
		return nil, fmt.Errorf("read extra_ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if !pool.AppendCertsFromPEM(b) {
		return nil, errors.New("the file of extra_ca holds no certificate in PEM form")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

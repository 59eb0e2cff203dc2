package demo

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"time"

	"lessor.dk/portalsync/installer/stage"
)

// pageLimit is more than any page of the portal, in bytes.
const pageLimit = 4 << 20

// visitor uses the portal over HTTPS as a browser does: with cookies, forms and redirects.
type visitor struct {
	base   string
	client *http.Client
}

// newVisitor returns a visitor who trusts the demo's CA and nobody else.
func newVisitor(base string, certs stage.Certificates) (*visitor, error) {
	pem, err := os.ReadFile(certs.CA)
	if err != nil {
		return nil, fmt.Errorf("read the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read the CA: no certificate in it")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make a cookie jar: %w", err)
	}
	return &visitor{base: base, client: &http.Client{
		Jar: jar, Timeout: 10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
	}}, nil
}

// get returns a page.
func (v *visitor) get(ctx context.Context, path string) (string, error) {
	_, page, err := v.do(ctx, http.MethodGet, path, nil)
	return page, err
}

// post sends a form and returns where its answer led.
func (v *visitor) post(ctx context.Context, path string, form url.Values) (string, error) {
	at, _, err := v.do(ctx, http.MethodPost, path, form)
	return at, err
}

func (v *visitor) do(ctx context.Context, method, path string, form url.Values) (at, page string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", "", fmt.Errorf("ask for %s: %w", path, err)
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", v.base)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return "", "", fmt.Errorf("ask for %s: %w", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, pageLimit))
	if err != nil {
		return "", "", fmt.Errorf("read %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("%s answered %s", path, resp.Status)
	}
	return resp.Request.URL.Path, string(b), nil
}

// signIn signs in; a sign-in that does not lead to a page of one's own is an error.
func (v *visitor) signIn(ctx context.Context, l Login) error {
	at, err := v.post(ctx, "/sign-in", url.Values{"username": {l.Username}, "password": {l.Password}})
	if err == nil && at == "/sign-in" {
		err = errors.New("the portal does not let them in")
	}
	if err != nil {
		return fmt.Errorf("sign in as %s: %w", l.Username, err)
	}
	return nil
}

// reportAbsence fills the form, looks at the answers and sends them, twice as an impatient employee does.
// It returns the path of the registration.
func (v *visitor) reportAbsence(ctx context.Context, kind, first, last string) (string, error) {
	key := rand.Text()
	at, err := v.post(ctx, "/absence/report", url.Values{"form": {"absence"}, "key": {key}, "type": {kind}, "first_day": {first}, "last_day": {last}})
	if err != nil {
		return "", err
	}
	if want := "/absence/report/" + key + "/check"; at != want {
		return "", fmt.Errorf("the form led to %s, not to its answers", at)
	}
	var receipts [2]string
	for i := range receipts {
		if receipts[i], err = v.post(ctx, "/absence/report/"+key+"/submit", url.Values{}); err != nil {
			return "", err
		}
	}
	registration, ok := strings.CutSuffix(receipts[0], "/receipt")
	if !ok || receipts[0] != receipts[1] {
		return "", fmt.Errorf("sending twice led to %s and %s, not to one receipt", receipts[0], receipts[1])
	}
	return registration, nil
}

// waitStep is the time between two looks at a page.
const waitStep = 40 * time.Millisecond

// sees waits until a page holds a text, and returns how long that took.
func (v *visitor) sees(ctx context.Context, path, text string) (time.Duration, error) {
	start := time.Now()
	tick := time.NewTicker(waitStep)
	defer tick.Stop()
	for {
		page, err := v.get(ctx, path)
		if err == nil && strings.Contains(page, text) {
			return time.Since(start), nil
		}
		select {
		case <-ctx.Done():
			return 0, errors.Join(fmt.Errorf("wait for %q on %s: %w", text, path, ctx.Err()), err)
		case <-tick.C:
		}
	}
}

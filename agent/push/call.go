package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"lessor.dk/portalsync/protocol"
)

const (
	// expectAbove is the size of a body, in bytes, above which the head goes ahead alone: a refusal
	// then costs nothing.
	expectAbove = 64 << 10
	// answerTimeout is how long an attempt may take beside sending its body and waiting for news.
	answerTimeout = 30 * time.Second
	// slowestLine, in bytes per second, gives a body the time it needs.
	slowestLine = 16 << 10
)

// call is one request, tried until it is answered.
type call struct {
	client *Client
	method string
	path   string // with query
	media  string
	header http.Header // further headers
	body   []byte
	wait   time.Duration // that the receiver may take before it answers
	// compose makes the body of each attempt, for what ages while a call waits. Nil sends body.
	compose func(wait time.Duration) ([]byte, error)
	once    bool // give up after the first attempt that got no signed answer
	asking  bool // hand every signed refusal to the caller, who is a person
	keyless bool // the keyset itself: not signed by a response key
	patient bool // what is asked for takes its time: busy is no trouble

	signature protocol.RequestSignature
	answer    []byte
	refusal   *protocol.Reject
	failure   error         // of the last attempt
	asked     time.Duration // capped Retry-After of the last attempt
	again     bool          // try again at once
	excused   bool          // one refusal of this call was answered at once
	began     time.Time     // of the last attempt
}

// do sends the call until a signed answer arrives, and decodes a 2xx one into out, which may be nil.
func (c *call) do(ctx context.Context, out any) error {
	defer c.client.way.leave(c)
	what := c.method + " " + c.client.base.Host + c.path
	if !c.keyless {
		if err := c.client.needKeyset(ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	var body any
	if c.body != nil {
		body = retryablehttp.ReaderFunc(func() (io.Reader, error) { return bytes.NewReader(c.body), nil })
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, c.method, c.client.base.String()+c.path, body)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.client.cfg.UserAgent)
	req.Header.Set("Content-Type", c.media)
	if len(c.body) > expectAbove {
		req.Header.Set("Expect", "100-continue")
	}
	if err := c.sign(req.Request); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if _, err := c.retrier().Do(req); err != nil { //nolint:bodyclose // read has closed it
		return fmt.Errorf("%s: %w", what, err)
	}
	switch {
	case c.failure != nil:
		return fmt.Errorf("%s: %w", what, c.failure)
	case c.refusal != nil:
		return fmt.Errorf("%s: %w", what, c.refusal)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(c.answer, out); err != nil {
		return fmt.Errorf("%s: %w", what, &protocol.Reject{Code: protocol.CodeMalformed,
			Detail: "the receiver's answer cannot be read by this version of the agent: update it"})
	}
	return nil
}

func (c *call) retrier() *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     c.client.transport,
			Timeout:       answerTimeout + c.wait + time.Duration(len(c.body))*time.Second/slowestLine,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     math.MaxInt,
		CheckRetry:   c.check,
		Backoff:      c.backoff,
		PrepareRetry: c.prepare,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

func (c *call) sign(r *http.Request) (err error) {
	c.began = c.client.cfg.Now()
	if c.keyless {
		return nil
	}
	c.signature, err = c.client.id.Sign.SignRequest(r, c.body, c.client.Now())
	return err
}

// prepare makes the next attempt a request of its own: signed anew, with the clock learnt from the
// last. The header is a copy, for the last attempt may still be writing it.
func (c *call) prepare(r *http.Request) error {
	if c.wait > 0 && !c.client.longPolls.allowed(c.client.cfg.Now()) {
		c.wait = 0
	}
	if c.compose != nil {
		var err error
		if c.body, err = c.compose(c.wait); err != nil {
			return err
		}
		r.ContentLength = int64(len(c.body))
	}
	r.Header = r.Header.Clone()
	return c.sign(r)
}

// check judges one attempt: whether it is to be tried again.
func (c *call) check(ctx context.Context, resp *http.Response, err error) (bool, error) {
	c.refusal, c.asked, c.again = nil, 0, false
	if err == nil {
		err = c.read(ctx, resp)
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	c.failure = err
	if c.wait > 0 {
		c.noteWait(err)
	}
	if err != nil {
		c.asked = unsignedRetryAfter(resp)
		t := c.client.troubleOf(err, resp)
		c.client.trouble(c, t)
		c.client.cfg.Log.DebugContext(ctx, "no signed answer", "code", t.code, "err", err)
		return !c.once, nil
	}
	if c.refusal == nil {
		if !c.keyless { // whose answer proves nothing yet
			c.client.fine(c)
		}
		return false, nil
	}
	return c.obey(), nil
}

func (c *call) noteWait(err error) {
	switch now := c.client.cfg.Now(); {
	case err == nil:
		c.client.longPolls.kept()
	case now.Sub(c.began) >= cutAfter:
		c.client.longPolls.cut(now)
	}
}

// read takes in the answer, as much as the receiver ever says, and verifies it: what is longer does
// not fit its digest.
func (c *call) read(ctx context.Context, resp *http.Response) error {
	defer resp.Body.Close()
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		issuer := issuerOf(resp.TLS.PeerCertificates[0])
		c.client.issuer.Store(&issuer)
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.client.skew.Store(int64(date.Sub(c.client.cfg.Now())))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, protocol.MaxMessageBytes))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if c.keyless {
		if resp.StatusCode != http.StatusOK {
			return protocol.ErrUnsignedAnswer
		}
		c.answer = body
		return nil
	}
	if err := c.verify(ctx, resp, body); err != nil {
		return err
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		c.answer = body
		return nil
	}
	refusal := new(protocol.Reject)
	if err := json.Unmarshal(body, refusal); err != nil || refusal.Code == "" {
		return protocol.ErrUnsignedAnswer
	}
	c.refusal = refusal
	return nil
}

// verify holds an answer against the receiver's keys, after fetching them again if its key is new.
func (c *call) verify(ctx context.Context, resp *http.Response, body []byte) error {
	err := c.client.keyset.Load().VerifyResponse(resp, body, c.signature, c.client.Now())
	if !errors.Is(err, protocol.ErrAnswerKey) || c.client.refreshKeyset(ctx) != nil {
		return err
	}
	return c.client.keyset.Load().VerifyResponse(resp, body, c.signature, c.client.Now())
}

// obey acts on a signed refusal and reports whether to try again. Codes that the receiver gives
// before the signature is proven are never the last word: anybody could have provoked them.
func (c *call) obey() bool {
	r := c.refusal
	switch r.Code {
	case protocol.CodeStale:
		if r.ServerTime != 0 {
			c.client.offset.Store(int64(time.UnixMilli(r.ServerTime).Sub(c.client.cfg.Now())))
			c.again = !c.excused
			c.excused = true
		}
	case protocol.CodeReplay:
		c.again = !c.excused
		c.excused = true
	case protocol.CodeFull, protocol.CodeBusy, protocol.CodeInternal, protocol.CodeBadDigest:
		c.asked = min(max(r.Wait(), 0), maxSignedWait)
	case protocol.CodeUnsigned, protocol.CodeUnknownKey, protocol.CodeBadSignature:
		if c.asking {
			return false
		}
	case protocol.CodeMalformed, protocol.CodeVersion, protocol.CodeForbidden, protocol.CodeRevoked, protocol.CodePending,
		protocol.CodeSuspended, protocol.CodeInvite, protocol.CodeConflict, protocol.CodeGap, protocol.CodeReopen,
		protocol.CodeTooLarge, protocol.CodeNotFound:
		fallthrough
	default: // a code that only a newer receiver knows
		c.client.fine(c)
		return false
	}
	if c.patient && r.Code == protocol.CodeBusy {
		c.client.fine(c)
		return true
	}
	t := c.client.refusalTrouble(r)
	t.signed = true
	c.client.trouble(c, t)
	return !c.once
}

func (c *call) backoff(_, _ time.Duration, attempt int, _ *http.Response) time.Duration {
	if c.again {
		return 0
	}
	return c.client.cfg.Wait(attempt, c.asked)
}

// reason returns the innermost sentence of an error.
func reason(err error) string {
	for {
		switch inner := err.(type) { //nolint:errorlint // this walks the chain itself
		case interface{ Unwrap() error }:
			if inner.Unwrap() == nil {
				return err.Error()
			}
			err = inner.Unwrap()
		case interface{ Unwrap() []error }:
			all := inner.Unwrap()
			err = all[len(all)-1]
		default:
			return err.Error()
		}
	}
}

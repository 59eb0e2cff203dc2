package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"lessor.dk/portalsync/protocol"
)

// fault is what happens to one request on the way.
type fault string

const (
	noFault       fault = "none"
	lostRequest   fault = "request lost"
	lostAnswer    fault = "answer lost"
	duplicated    fault = "request duplicated"
	delayed       fault = "request delayed" // the agent gives up on it; it arrives later
	foreignAnswer fault = "answer of somebody else"
	oldAnswer     fault = "answer to an earlier request"
)

var faults = []fault{noFault, noFault, noFault, lostRequest, lostAnswer, duplicated, delayed, foreignAnswer, oldAnswer}

var errOnTheWay = errors.New("connection reset")

// request is one request as it was sent.
type request struct {
	method, url string
	header      http.Header
	body        []byte
}

// network carries requests from agents into the receiver's handler, in this process, and loses, doubles,
// delays, replays and forges as it is told.
type network struct {
	handler http.Handler
	fault   fault      // of the next request but the keyset's
	cut     bool       // nothing passes at all, and strangers answer
	held    []*request // delayed ones
	past    []*request // what arrived, for replays
	answer  *http.Response
	forged  int
	gens    []protocol.Generation // of every OPEN answered
}

// kept is how many requests are remembered for replays.
const kept = 40

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		if err := r.Body.Close(); err != nil {
			return nil, err
		}
	}
	q := &request{method: r.Method, url: r.URL.RequestURI(), header: r.Header.Clone(), body: body}
	if r.URL.Path == protocol.PathKeyset {
		return n.deliver(r.Context(), q), nil
	}
	if n.cut {
		n.forged++
		return stranger(), nil
	}
	f := n.fault
	n.fault = noFault
	switch f {
	case lostRequest:
		return nil, errOnTheWay
	case delayed:
		n.held = append(n.held, q)
		return nil, errOnTheWay
	case foreignAnswer:
		n.forged++
		return stranger(), nil
	case oldAnswer:
		if n.answer != nil {
			n.forged++
			return n.answer, nil
		}
	case lostAnswer:
		n.deliver(r.Context(), q)
		return nil, errOnTheWay
	case duplicated:
		n.deliver(r.Context(), q)
	case noFault:
	}
	return n.deliver(r.Context(), q), nil
}

// deliver hands a request to the receiver.
func (n *network) deliver(ctx context.Context, q *request) *http.Response {
	r := httptest.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	r.Header, r.Host = q.header.Clone(), authority
	w := httptest.NewRecorder()
	n.handler.ServeHTTP(w, r)
	answer := w.Result()
	text := w.Body.Bytes()
	n.answer = copyOf(answer, text)
	n.past = append(n.past, q)
	if len(n.past) > kept {
		n.past = n.past[1:]
	}
	if strings.HasSuffix(q.url, protocol.PathOpen) && answer.StatusCode == http.StatusOK {
		var a protocol.OpenAnswer
		if json.Unmarshal(text, &a) == nil {
			n.gens = append(n.gens, a.Gen)
		}
	}
	return answer
}

func copyOf(r *http.Response, body []byte) *http.Response {
	c := *r
	c.Header, c.Body = r.Header.Clone(), io.NopCloser(bytes.NewReader(body))
	return &c
}

// stranger is an answer that nobody signed: it claims that everything was applied long ago.
func stranger() *http.Response {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", protocol.MediaJSON)
	w.WriteString(`{"gen":1,"applied_seq":1000000,"duplicate":true,"lineage":"","position":99,"kinds":[]}`)
	return w.Result()
}

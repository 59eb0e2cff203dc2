package push

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lessor.dk/portalsync/protocol"
)

// opened returns a client whose stream is open, with a key of blob names.
func (r *receiver) opened(cfg Config) (*Client, []byte) {
	r.t.Helper()
	key := []byte("the tenant's key of blob names")
	sealed, err := protocol.SealTo(r.agentKey.Public(), protocol.Address{
		Purpose: protocol.PurposeSecret, Tenant: 1, Stream: 7, Agent: 9, ID: protocol.BlobKeyID,
	}, key)
	if err != nil {
		r.t.Fatal(err)
	}
	then := r.answer
	r.answer = func(int, *http.Request, []byte) (int, any) {
		return 200, protocol.OpenAnswer{Gen: 5, Keyset: 1, BlobKey: sealed}
	}
	c := r.client(cfg)
	if a, err := c.Open(r.t.Context(), protocol.OpenRequest{Stream: 7}); err != nil || a.Gen != 5 {
		r.t.Fatalf("open: %+v, %v", a, err)
	}
	r.answer, r.paths, r.bodies, r.calls = then, nil, nil, 0
	return c, key
}

func TestDocumentGoesOnWhereItWas(t *testing.T) {
	content := make([]byte, 3*protocol.BlobPartBytes+17)
	rand.Read(content)
	tests := map[string]struct {
		state  protocol.BlobState
		status int
		sends  []int
	}{
		"a new one":           {status: 200, sends: []int{0, 1, 2, 3}},
		"one not found":       {status: 404, sends: []int{0, 1, 2, 3}},
		"an interrupted one":  {status: 200, state: protocol.BlobState{Parts: []int{0, 2}}, sends: []int{1, 3}},
		"one that lacks none": {status: 200, state: protocol.BlobState{Complete: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			r.answer = func(_ int, q *http.Request, _ []byte) (int, any) {
				if q.Method == http.MethodGet {
					if tt.status == 404 {
						return 404, &protocol.Reject{Code: protocol.CodeNotFound}
					}
					return 200, tt.state
				}
				return 200, protocol.BlobState{}
			}
			c, key := r.opened(Config{})
			name, err := c.PutBlob(t.Context(), content)
			if err != nil || name != protocol.BlobName(key, content) {
				t.Fatalf("name = %q, %v", name, err)
			}
			var sent []int
			for i, path := range r.paths[1:] {
				query := strings.TrimPrefix(path, "PUT "+protocol.PathBlob+name+"?part=")
				number, _, _ := strings.Cut(query, "&")
				part, err := strconv.Atoi(number)
				if err != nil || query != fmt.Sprintf("%d&of=4", part) {
					t.Fatalf("request %q", path)
				}
				plain, err := protocol.OpenBlobPart(r.open, 1, name, part, r.bodies[1+i])
				from := part * protocol.BlobPartBytes
				if want := content[from:min(from+protocol.BlobPartBytes, len(content))]; err != nil || !bytes.Equal(plain, want) {
					t.Errorf("part %d: %d bytes, %v", part, len(plain), err)
				}
				sent = append(sent, part)
			}
			if !slices.Equal(sent, tt.sends) {
				t.Errorf("parts sent = %v, want %v", sent, tt.sends)
			}
		})
	}
}

func TestDocumentLimits(t *testing.T) {
	r := newReceiver(t)
	if _, err := r.client(Config{}).PutBlob(t.Context(), nil); !errors.Is(err, errNoBlobKey) {
		t.Errorf("before open: err = %v", err)
	}
	c, _ := r.opened(Config{})
	if _, err := c.PutBlob(t.Context(), make([]byte, protocol.MaxBlobBytes+1)); !errors.Is(err, &protocol.Reject{Code: protocol.CodeTooLarge}) {
		t.Errorf("too large: err = %v", err)
	}
	if r.calls != 0 {
		t.Errorf("%d requests, want none", r.calls)
	}
	if _, err := c.PutBlob(t.Context(), nil); err != nil || len(r.paths) != 2 {
		t.Errorf("an empty document: %q, %v", r.paths, err)
	}
}

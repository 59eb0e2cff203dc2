package ingest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/ingest"
)

// raw sends a signed head by hand and announces a body of another length than was signed.
func (b *bench) raw(extra string, announced int, path, media string, h *protocol.StreamHeader) *http.Response {
	b.t.Helper()
	r, _ := b.request(http.MethodPost, path, media, []byte("sealed"), h)
	conn, err := net.Dial("tcp", b.server.Listener.Addr().String())
	b.must(err)
	b.t.Cleanup(func() { conn.Close() })
	b.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s", path, r.URL.Host, announced, extra)
	b.must(r.Header.Write(&head))
	_, err = io.WriteString(conn, head.String()+"\r\n")
	b.must(err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	b.must(err)
	return resp
}

func TestRefusedBeforeTheBodyIsSent(t *testing.T) {
	b := newBench(t, ingest.Config{})
	old := b.header(1)
	old.Gen--
	tests := map[string]struct {
		announced int
		path      string
		media     string
		header    *protocol.StreamHeader
		want      protocol.Code
	}{
		"a batch over the limit":           {protocol.MaxSealedBytes + 1, protocol.PathBatch, protocol.MediaBatch, b.header(1), protocol.CodeTooLarge},
		"a message over the limit":         {protocol.MaxMessageBytes + 1, protocol.PathOpen, protocol.MediaJSON, nil, protocol.CodeTooLarge},
		"a batch of an older generation":   {protocol.MaxSealedBytes, protocol.PathBatch, protocol.MediaBatch, old, protocol.CodeReopen},
		"a batch without a stream's place": {protocol.MaxSealedBytes, protocol.PathBatch, protocol.MediaBatch, nil, protocol.CodeMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			resp := b.raw("Expect: 100-continue\r\n", tt.announced, tt.path, tt.media, tt.header)
			defer resp.Body.Close()
			if resp.StatusCode != tt.want.Status() {
				body, _ := io.ReadAll(resp.Body)
				t.Errorf("answer is %d %s, want %d without asking for the body", resp.StatusCode, body, tt.want.Status())
			}
		})
	}
}

func TestBodyOverTheLimitThatDoesNotSaySo(t *testing.T) {
	b := newBench(t, ingest.Config{})
	b.tamper = func(r *http.Request) { r.ContentLength = -1 } // chunked
	big := []byte(strings.Repeat("x", protocol.MaxSealedBytes+1))
	b.refused(b.call(http.MethodPost, protocol.PathBatch, protocol.MediaBatch, big, b.header(1)), protocol.CodeTooLarge)
	b.queued(0)
}

func TestBodyThatEndsEarlyQueuesNothing(t *testing.T) {
	b := newBench(t, ingest.Config{})
	r, _ := b.request(http.MethodPost, protocol.PathBatch, protocol.MediaBatch, []byte("sealed"), b.header(1))
	conn, err := net.Dial("tcp", b.server.Listener.Addr().String())
	b.must(err)
	defer conn.Close()
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 6\r\n", protocol.PathBatch, r.URL.Host)
	b.must(r.Header.Write(&head))
	_, err = io.WriteString(conn, head.String()+"\r\nsea")
	b.must(err)
	b.must(conn.(*net.TCPConn).CloseWrite())
	b.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	b.must(err)
	defer resp.Body.Close()
	if resp.StatusCode != protocol.CodeMalformed.Status() {
		t.Errorf("answer is %d, want %d", resp.StatusCode, protocol.CodeMalformed.Status())
	}
	b.queued(0)
}

func TestUnknownPathIsSignedToo(t *testing.T) {
	b := newBench(t, ingest.Config{})
	b.refused(b.post(protocol.BasePath+"/v2/open", struct{}{}), protocol.CodeNotFound)
	b.refused(b.call(http.MethodGet, protocol.PathOpen, protocol.MediaJSON, nil, nil), protocol.CodeNotFound)
	b.refused(b.call(http.MethodPost, protocol.PathOpen+"/", protocol.MediaJSON, nil, nil), protocol.CodeNotFound)
}

func TestBlob(t *testing.T) {
	b := newBench(t, ingest.Config{})
	name := strings.Repeat("0a", 32)
	put := func(query, media string, body []byte) reply {
		return b.call(http.MethodPut, protocol.PathBlob+name+query, media, body, nil)
	}
	t.Run("an unknown document has no parts", func(t *testing.T) {
		var s protocol.BlobState
		b.ok(b.call(http.MethodGet, protocol.PathBlob+name, protocol.MediaJSON, nil, nil), &s)
		if s.Complete || len(s.Parts) > 0 {
			t.Errorf("state = %+v", s)
		}
	})
	t.Run("parts are kept until all are there", func(t *testing.T) {
		var s protocol.BlobState
		b.ok(put("?part=1&of=2", protocol.MediaBlob, []byte("b")), &s)
		if s.Complete || len(s.Parts) != 1 || s.Parts[0] != 1 {
			t.Errorf("state = %+v", s)
		}
		b.ok(put("?part=0&of=2", protocol.MediaBlob, []byte("a")), &s)
		if !s.Complete {
			t.Errorf("state = %+v", s)
		}
	})
	for query, why := range map[string]string{
		"":                "no numbers",
		"?part=2&of=2":    "a part beyond the last",
		"?part=-1&of=2":   "a part before the first",
		"?part=0&of=9":    "a document over the limit",
		"?part=0&of=zwei": "no number",
	} {
		t.Run(why+" is refused", func(*testing.T) {
			b.refused(put(query, protocol.MediaBlob, []byte("a")), protocol.CodeMalformed)
		})
	}
	t.Run("a part over the limit is refused", func(*testing.T) {
		b.refused(put("?part=0&of=1", protocol.MediaBlob, make([]byte, protocol.BlobPartBytes+4096)), protocol.CodeTooLarge)
	})
	t.Run("a name that is none is refused", func(*testing.T) {
		name = "kort"
		b.refused(put("?part=0&of=1", protocol.MediaBlob, []byte("a")), protocol.CodeMalformed)
	})
}

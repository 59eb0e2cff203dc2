package bench

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadInEveryWay(t *testing.T) {
	const rows = readChunk + 3
	dir := t.TempDir()
	r := &sourceRun{cfg: SourceConfig{Rows: rows}, dir: dir}
	remove, err := r.prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for way, want := range map[string]int{readPlain: rows, readChunks: rows, readIdle: 0} {
		t.Run(way, func(t *testing.T) {
			var out strings.Builder
			if err := Read(t.Context(), way, r.targetFile(), &out); err != nil {
				t.Fatal(err)
			}
			var got readResult
			if err := json.Unmarshal([]byte(out.String()), &got); err != nil || got.Rows != want || got.Took <= 0 {
				t.Errorf("Read = %+v, %v, want %d rows and the time they took", got, err, want)
			}
		})
	}
	if err := Read(t.Context(), "backwards", r.targetFile(), &strings.Builder{}); err == nil {
		t.Error("Read knows a way that is none")
	}
	if info, err := os.Stat(r.targetFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the address is %v, %v, want it for its owner only", info.Mode(), err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
}

func TestTripsAreRequestsWithAnAnswer(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 2)
		for {
			if _, err := conn.Read(b[:1]); err != nil { // a request is two bytes, which may come one by one
				return
			}
			if _, err := conn.Read(b[1:]); err != nil {
				return
			}
			if _, err := conn.Write([]byte("answer")); err != nil {
				return
			}
		}
	}()
	trips := &tripCounter{}
	conn, err := trips.DialContext(t.Context(), "unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 3 {
		for _, half := range []string{"a", "b"} {
			if _, err := conn.Write([]byte(half)); err != nil {
				t.Fatal(err)
			}
		}
		answer := make([]byte, 3)
		for range 2 {
			if _, err := conn.Read(answer); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := trips.n.Load(); n != 3 {
		t.Errorf("round trips = %d, want 3", n)
	}
}

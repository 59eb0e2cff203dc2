package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lessor.dk/portalsync/receiver/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"receiver": main})
}

// TestTranscripts holds the command line to testdata/script: what is typed, and every word that comes back.
func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(2 * time.Minute), // a program that should refuse to start and runs is ended
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"LISTEN", "ADMIN", "FREE"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				env.Setenv(name, address)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"certificate": makeCertificate,
			"settings":    writeSettings,
			"newer":       raiseSchema,
			"ready":       awaitReady,
			"get":         getPage,
			"occupy":      occupyPort,
		},
	})
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// writeSettings makes receiver.yaml with the script's ports and the lines given.
func writeSettings(ts *testscript.TestScript, _ bool, lines []string) {
	text := fmt.Sprintf("listen: %s\nadmin: %s\n", ts.Getenv("LISTEN"), ts.Getenv("ADMIN"))
	for _, line := range lines {
		text += line + "\n"
	}
	ts.Check(os.WriteFile(ts.MkAbs("receiver.yaml"), []byte(text), 0o600))
}

// raiseSchema marks a database as one that a newer program has been at.
func raiseSchema(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	st, err := store.Open(ctx, "sqlite:"+ts.MkAbs(args[0]), store.Config{})
	ts.Check(err)
	ts.Check(st.Migrate(ctx))
	ts.Check(st.Close())
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.ExecContext(ctx, "INSERT INTO schema_version (version_id, is_applied) VALUES (9000, 1)")
	ts.Check(err)
	ts.Check(db.Close())
}

// occupyPort listens on an address until the script ends.
func occupyPort(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { _ = ln.Close() })
}

// awaitReady waits until the receiver that runs answers on its admin listener, ready or not.
func awaitReady(ts *testscript.TestScript, _ bool, args []string) {
	until := time.Now().Add(20 * time.Second)
	for {
		status, _, err := ask("http://" + ts.Getenv("ADMIN") + "/" + args[0])
		if err == nil && strconv.Itoa(status) == args[1] {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("%s answers %d, %v; want %s", args[0], status, err, args[1])
		}
		<-time.After(20 * time.Millisecond)
	}
}

// getPage prints the answer to a GET of a URL; certificates are trusted unseen.
func getPage(ts *testscript.TestScript, _ bool, args []string) {
	status, body, err := ask(args[0])
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%d\n%s", status, body)
	ts.Check(err)
}

func ask(url string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, body, err
}

package main

import (
	"context"
	"database/sql"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lessor.dk/portalsync/agent/daemon"
	"lessor.dk/portalsync/agent/keystore"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"agent": main})
}

// TestTranscripts holds the command line to testdata/script: what is typed, and every word that comes back.
func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(2 * time.Minute), // a program that should refuse to start and runs is ended
		Setup: func(env *testscript.Env) error {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Setenv("NOBODY", ln.Addr().String())
			return ln.Close()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"company":  makeCompany,
			"settings": writeSettings,
			"invite":   makeInvite,
			"enrolled": makeEnrolled,
			"sql":      runSQL,
			"told":     awaitTrouble,
		},
	})
}

// companySQL is a main system of two invented people.
const companySQL = `
CREATE TABLE Medarbejder (Nr TEXT PRIMARY KEY, Navn TEXT, Ansat TEXT, CPR TEXT);
INSERT INTO Medarbejder VALUES ('7', 'Anna Holm', '2019-03-01', '0101800000'), ('8', 'Bo Vang', '2021-08-15', '0202810000');`

// makeCompany makes a main system with change tracking.
func makeCompany(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.ExecContext(ctx, companySQL)
	ts.Check(err)
	ts.Check(sqlite.Install(ctx, db, []string{"Medarbejder"}))
	ts.Check(db.Close())
}

// runSQL runs statements on a database.
func runSQL(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.ExecContext(context.Background(), strings.Join(args[1:], " "))
	ts.Check(err)
	ts.Check(db.Close())
}

// writeSettings makes agent.yaml for a receiver that nobody runs, and the lines given.
func writeSettings(ts *testscript.TestScript, _ bool, lines []string) {
	text := "receiver: https://" + ts.Getenv("NOBODY") + "\nmain_system: {sqlite: main.db}\n" + strings.Join(append(lines, ""), "\n")
	ts.Check(os.WriteFile(ts.MkAbs("agent.yaml"), []byte(text), 0o600))
}

// makeInvite writes a code of nobody's to a file, and one with the third group mistyped to another.
func makeInvite(ts *testscript.TestScript, _ bool, args []string) {
	groups := strings.Split(protocol.NewInviteCode(protocol.RootFingerprint{1, 2, 3}).Text(), "-")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(groups, " ")+"\n"), 0o600))
	swapped := "Z"
	if groups[2][0] == 'Z' {
		swapped = "Y"
	}
	groups[2] = swapped + groups[2][1:]
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(groups, "-")+"\n"), 0o600))
}

// makeEnrolled gives a state directory the identity of an enrolled agent.
func makeEnrolled(ts *testscript.TestScript, _ bool, args []string) {
	keys, err := keystore.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	id, err := keys.Prepare("https://"+ts.Getenv("NOBODY"), protocol.RootFingerprint{1, 2, 3})
	ts.Check(err)
	id.Agent, id.Tenant, id.Stream, id.Customer = 4, 2, 3, "Nordvask A/S"
	ts.Check(keys.Save(id))
}

// awaitTrouble waits until the running agent tells a code of trouble.
func awaitTrouble(ts *testscript.TestScript, _ bool, args []string) {
	until := time.Now().Add(20 * time.Second)
	for {
		st, err := daemon.AskStatus(context.Background(), ts.MkAbs("state/status.sock"))
		if err == nil && st.Trouble != nil && st.Trouble.Code == args[0] {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("status is %+v, %v; want the trouble %s", st, err, args[0])
		}
		<-time.After(20 * time.Millisecond)
	}
}

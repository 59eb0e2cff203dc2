package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/protocol"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"agent": func() { os.Exit(run()) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("CODE", protocol.NewInviteCode(protocol.RootFingerprint{1}).Text())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mainsystem": mainSystem,
		},
	})
}

// mainSystem is the script command `mainsystem FILE PLAN SQL`: it makes a database of the statements in the
// file SQL and tracks the tables of the plan.
func mainSystem(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: mainsystem FILE PLAN SQL")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.ExecContext(context.Background(), ts.ReadFile(args[2]))
	ts.Check(err)
	p, err := plan.Load(ts.MkAbs(args[1]))
	ts.Check(err)
	var tables []string
	for _, t := range p.Tables() {
		tables = append(tables, t.Name)
	}
	ts.Check(sqlite.Install(context.Background(), db, tables))
	ts.Check(db.Close())
}

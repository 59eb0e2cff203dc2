package e2e_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/daemon"
	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/installer/compare"
	"lessor.dk/portalsync/installer/stage"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// patience is how long a scene waits for what must come.
const patience = 90 * time.Second

const scenePlan = `version: 1
timezone: Europe/Copenhagen
kinds:
  department:
    table: Afdeling
    as: a
    key: [Nr]
    fields: {department_no: a.Nr, name: a.Navn}
  employee:
    table: Medarbejder
    as: m
    key: [Nr]
    fields: {employee_no: m.Nr, name: m.Navn, active: {value: true}}
`

const sceneSQL = `
CREATE TABLE Afdeling (Nr TEXT PRIMARY KEY, Navn TEXT);
CREATE TABLE Medarbejder (Nr TEXT PRIMARY KEY, Navn TEXT);
INSERT INTO Afdeling VALUES ('10', 'Lager'), ('20', 'Værksted');`

// hireSQL makes a hundred people, of whom nobody is real.
const hireSQL = `
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
INSERT INTO Medarbejder SELECT $2 || '-' || i, 'Opdigtet Person ' || $2 || ' ' || i FROM n`

// scene is a receiver and an agent as processes over HTTPS, and a main system.
type scene struct {
	t            *testing.T
	dir          string
	certificates stage.Certificates
	receiver     *stage.Receiver
	agent        *stage.Agent
	receiving    *stage.Process
	running      *stage.Process
	main         *sql.DB
	database     string // of the portal
	hired        int
	tenant       protocol.TenantID
	stream       protocol.StreamID
}

// newScene starts everything and waits until the portal equals the main system.
func newScene(t *testing.T, p stage.Programs, settings stage.ReceiverSettings) *scene {
	t.Helper()
	s := &scene{t: t, dir: t.TempDir()}
	s.database = cmp.Or(settings.Database, "sqlite:"+s.path("data/portal.db"))
	var err error
	s.certificates, err = stage.MakeCertificates(s.dir)
	s.must(err)
	s.receiver, err = stage.NewReceiver(t.Context(), p, s.dir, s.certificates, settings)
	s.must(err)
	s.makeMainSystem()
	s.writePlan(scenePlan)
	s.agent, err = stage.NewAgent(p, s.dir, stage.AgentSettings{
		Receiver: s.receiver.URL(), CA: s.certificates.CA, MainSystem: s.path("main.db"), Plan: s.path("plan.yaml"), Poll: "200ms",
	})
	s.must(err)
	t.Cleanup(func() { s.stop(s.running); s.stop(s.receiving) })
	s.serve()
	code, err := s.receiver.Invite(t.Context(), "SAV", "Vestkystens Savværk A/S", "Løn")
	s.must(err)
	s.must(s.agent.Enrol(t.Context(), code))
	s.start()
	st := s.status()
	s.tenant, s.stream = 1, st.Stream
	s.equal()
	return s
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) path(name string) string { return filepath.Join(s.dir, name) }

// openMainSystem opens the main system as its own program would.
func (s *scene) openMainSystem() {
	s.t.Helper()
	var err error
	s.main, err = sql.Open("sqlite", "file:"+s.path("main.db")+"?_pragma=busy_timeout(10000)")
	s.must(err)
}

func (s *scene) makeMainSystem() {
	s.t.Helper()
	s.openMainSystem()
	s.t.Cleanup(func() { s.main.Close() })
	s.exec(sceneSQL)
	s.must(sqlite.Install(s.t.Context(), s.main, []string{"Afdeling", "Medarbejder"}))
	s.hire(50)
}

func (s *scene) exec(statement string, args ...any) {
	s.t.Helper()
	_, err := s.main.ExecContext(s.t.Context(), statement, args...)
	s.must(err)
}

// hire adds people to the main system.
func (s *scene) hire(people int) {
	s.t.Helper()
	s.hired++
	s.exec(hireSQL, people, fmt.Sprintf("H%d", s.hired))
}

func (s *scene) writePlan(text string) {
	s.t.Helper()
	s.must(os.WriteFile(s.path("plan.yaml"), []byte(text), 0o600))
}

func (s *scene) serve() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var err error
	s.receiving, err = s.receiver.Serve(ctx, "")
	s.must(err)
}

// start starts the agent and waits until it answers on its socket.
func (s *scene) start() {
	s.t.Helper()
	var err error
	s.running, err = s.agent.Start()
	s.must(err)
	s.await("the agent tells its status", func() (bool, string) {
		_, err := daemon.AskStatus(s.t.Context(), s.path("state/status.sock"))
		return err == nil, fmt.Sprint(err)
	})
}

func (s *scene) stop(p *stage.Process) {
	s.t.Helper()
	if p == nil {
		return
	}
	if err := p.Stop(); err != nil {
		s.t.Error(err)
	}
}

// await waits until something holds; what it says last is in the failure.
func (s *scene) await(what string, holds func() (bool, string)) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(patience); ; <-tick.C {
		ok, last := holds()
		if ok {
			return
		}
		if time.Now().After(until) {
			s.t.Fatalf("%s: not within %s; last: %s", what, patience, last)
		}
	}
}

func (s *scene) status() daemon.Status {
	s.t.Helper()
	out, err := s.agent.Run(s.t.Context(), "", "status", "--json")
	s.must(err)
	var st daemon.Status
	s.must(json.Unmarshal([]byte(out), &st))
	return st
}

// equal waits until the portal holds what the main system holds, field by field.
func (s *scene) equal() {
	s.t.Helper()
	p, err := plan.Parse("plan.yaml", []byte(scenePlan))
	s.must(err)
	src, err := sqlite.Open(s.path("main.db"), p, sqlite.Config{})
	s.must(err)
	defer src.Close()
	c, err := compare.Open(src, s.database, s.tenant, s.stream)
	s.must(err)
	defer c.Close()
	s.await("the portal equals the main system", func() (bool, string) {
		results, err := c.Run(s.t.Context())
		if err != nil {
			return false, err.Error()
		}
		for _, r := range results {
			if !r.Equal() || r.Rows == 0 {
				return false, fmt.Sprintf("%+v", r)
			}
		}
		return true, ""
	})
}

// agentTells waits until `agent status --json` shows a code with a sentence that holds the words, on the way to the
// receiver or in the main system.
func (s *scene) agentTells(code string, words ...string) {
	s.t.Helper()
	s.await("agent status shows "+code, func() (bool, string) {
		st := s.status()
		told := map[string]string{st.Capture.Code: st.Capture.Error}
		if st.Trouble != nil {
			told[st.Trouble.Code] = st.Trouble.Sentence
		}
		for _, word := range words {
			if !strings.Contains(told[code], word) {
				return false, fmt.Sprintf("%+v %+v", st.Capture, st.Trouble)
			}
		}
		return told[code] != "", fmt.Sprintf("%+v %+v", st.Capture, st.Trouble)
	})
}

// operationsSee waits until the portal's store has a code of the agent's, as the list of agents shows it.
func (s *scene) operationsSee(code string) {
	s.t.Helper()
	st, err := store.Open(s.t.Context(), s.database, store.Config{})
	s.must(err)
	defer st.Close()
	s.await("operations see "+code, func() (bool, string) {
		agents, err := st.Fleet(s.t.Context())
		if err != nil || len(agents) == 0 {
			return false, fmt.Sprint(err)
		}
		return agents[0].Status.Code == code, fmt.Sprintf("%+v", agents[0].Status)
	})
}

// operationsSeeTrouble waits until the portal's store has one of the codes as the agent's last trouble on the way, and
// its end.
func (s *scene) operationsSeeTrouble(codes ...string) {
	s.t.Helper()
	st, err := store.Open(s.t.Context(), s.database, store.Config{})
	s.must(err)
	defer st.Close()
	s.await("operations see the last trouble", func() (bool, string) {
		agents, err := st.Fleet(s.t.Context())
		if err != nil || len(agents) == 0 || agents[0].Status.LastTrouble == nil {
			return false, fmt.Sprint(err)
		}
		last := agents[0].Status.LastTrouble
		return slices.Contains(codes, last.Code) && last.Until > last.From, fmt.Sprintf("%+v", last)
	})
}

// admin returns what the receiver's admin listener says.
func (s *scene) admin(path string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.receiver.Admin+path, http.NoBody)
	s.must(err)
	resp, err := new(http.Client).Do(req)
	s.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	s.must(err)
	return string(body)
}

// receiverTells waits until the receiver's status or metrics hold the words.
func (s *scene) receiverTells(path string, words ...string) {
	s.t.Helper()
	s.await("the receiver tells", func() (bool, string) {
		text := s.admin(path)
		for _, word := range words {
			if !strings.Contains(text, word) {
				return false, text
			}
		}
		return true, ""
	})
}

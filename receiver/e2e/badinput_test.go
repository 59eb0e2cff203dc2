//go:build linux

package e2e_test

import (
	"os"
	"strings"
	"testing"

	"lessor.dk/portalsync/installer/stage"
)

// TestBadInput shows with the real programs as processes over HTTPS what becomes of bad input: one clear sentence, a
// stable code where operations look, and nothing lost: after mending, the portal equals the main system.
//
//	a wrong plan             here; every mistake: agent/plan TestParse…; command line: agent/testdata/script/plan.txtar
//	an unreachable database  here (main system); receiver's: receiver/testdata/script/database.txtar, ingest TestFaultsOfTheReceiver
//	a wrong certificate      here; every kind: agent/push TestTLSTroubleNamesTheIssuer; receiver/testdata/script/certificate.txtar
//	a clock an hour off      here; agent/push TestClockAnHourOff, protocol TestStaleTellsTheTime
//	a full disk              here (receiver's) and TestPostgresFullDisk; agent's: agent/doctor, check "disk"
//	a port in use            receiver/testdata/script/port.txtar and status.txtar
//	a batch over the limit   here; agent/capture TestTooLargeHalvesTheBatch, receiver/ingest TestRefusedBeforeTheBodyIsSent
//	a forged signature       here; protocol TestMutatedHeadsAreRefused, receiver/ingest TestBatchRefused
//	a replay                 here; receiver/ingest TestBatch and TestEnrol, and I4 of TestStateMachine
func TestBadInput(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, programs, stage.ReceiverSettings{})
	for _, tt := range []struct {
		name string
		run  func(*scene)
	}{
		{"a wrong plan keeps the agent from starting", (*scene).wrongPlan},
		{"a column that goes away stops its kind alone", (*scene).missingColumn},
		{"a main system that goes away is waited for", (*scene).unreachableDatabase},
		{"a certificate of a stranger is named with its issuer", (*scene).wrongCertificate},
		{"a clock an hour off is corrected for", (*scene).wrongClock},
		{"a batch over the limit, a forged signature and a replay change nothing", (*scene).strangeRequests},
		{"a full disk of the receiver is waited for", (*scene).fullDisk},
	} {
		ok := t.Run(tt.name, func(t *testing.T) {
			outer := s.t
			s.t = t
			defer func() { s.t = outer }()
			tt.run(s)
		})
		if !ok {
			t.FailNow() // what follows would begin with a damaged scene
		}
	}
}

func (s *scene) wrongPlan() {
	s.stop(s.running)
	s.writePlan(strings.Replace(scenePlan, "name: m.Navn", "nam: m.Navn", 1))
	s.hire(3)
	if _, err := s.agent.Run(s.t.Context(), "", "run"); err == nil || !strings.Contains(err.Error(), "plan.yaml:13: kinds.employee.fields") {
		s.t.Errorf("agent run = %v, want the plan's line and key", err)
	}
	if _, err := s.agent.Run(s.t.Context(), "", "plan", "check"); err == nil {
		s.t.Error("agent plan check finds nothing")
	}
	s.writePlan(scenePlan)
	s.start()
	s.equal()
}

func (s *scene) missingColumn() {
	s.exec("ALTER TABLE Medarbejder RENAME COLUMN Navn TO Fuldtnavn")
	s.exec("UPDATE Afdeling SET Navn = 'Lager og forsendelse' WHERE Nr = '10'")
	s.agentTells("source-drift", "table Medarbejder has no column Navn", "put it back or change the plan")
	s.operationsSee("source-drift")
	s.exec("ALTER TABLE Medarbejder RENAME COLUMN Fuldtnavn TO Navn")
	s.hire(3)
	s.equal()
	s.operationsSee("")
}

func (s *scene) unreachableDatabase() {
	s.must(s.main.Close())
	s.must(os.Rename(s.path("main.db"), s.path("away.db")))
	s.agentTells("source-gone", "main.db")
	s.operationsSee("source-gone")
	s.must(os.Rename(s.path("away.db"), s.path("main.db")))
	s.openMainSystem()
	s.hire(3)
	s.equal()
}

func (s *scene) wrongCertificate() {
	s.stop(s.receiving)
	right := map[string][]byte{}
	for _, file := range []string{s.certificates.Certificate, s.certificates.Key} {
		b, err := os.ReadFile(file)
		s.must(err)
		right[file] = b
	}
	stranger, err := stage.MakeCertificates(s.t.TempDir())
	s.must(err)
	for from, to := range map[string]string{stranger.Certificate: s.certificates.Certificate, stranger.Key: s.certificates.Key} {
		b, err := os.ReadFile(from)
		s.must(err)
		s.must(os.WriteFile(to, b, 0o600))
	}
	s.serve()
	s.hire(3)
	s.agentTells("tls-issuer", `is issued by "PortalSync demo authority"`, "exempt the address, or add that issuer's certificate")
	s.stop(s.receiving)
	for file, b := range right {
		s.must(os.WriteFile(file, b, 0o600))
	}
	s.serve()
	s.equal()
	s.operationsSeeTrouble("tls-issuer", "refused") // refused while nobody listened: whichever lasted longer
}

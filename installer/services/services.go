// Package services proves the agent as a service where services are real: under a systemd that has booted in a
// container, and under the service manager of Wine, which stands in for Windows. Both agents push to a receiver
// on this machine's loopback interface. It needs root, and a kernel that lets root mount.
package services

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // counts what has arrived in the receiver's store

	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/installer/stage"
)

// patience is how long anything that is waited for may take.
const patience = 60 * time.Second

// Report hears of each step: its name, what came of it, and how long it took.
type Report func(name string, err error, took time.Duration)

// Check goes through every step on both systems. A step that does not hold ends its system, not the other;
// the error holds what failed, which report has heard too.
func Check(ctx context.Context, report Report) error {
	if os.Geteuid() != 0 {
		return errors.New("services are tested in containers of our own: run this as root")
	}
	dir, err := os.MkdirTemp("", "portalsync-services-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &scene{dir: dir, report: report}
	if err := s.step("receiver, and the agent built for Linux and Windows", func() error { return s.open(ctx) }); err != nil {
		return err
	}
	defer s.receiving.Kill() //nolint:errcheck // nothing is kept of it
	return errors.Join(s.systemd(ctx), s.windows(ctx))
}

// scene is a receiver on this machine, and the agent's programs.
type scene struct {
	dir       string
	report    Report
	programs  stage.Programs
	agentExe  string // the agent for Windows
	certs     stage.Certificates
	receiver  *stage.Receiver
	receiving *stage.Process
	customers int // whose agents have been enrolled
}

func (s *scene) step(name string, do func() error) error {
	start := time.Now()
	err := do()
	s.report(name, err, time.Since(start))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// act is one step: a name and what it does.
type act struct {
	name string
	do   func(context.Context) error
}

// play does one act after the other, and stops at the first that does not hold.
func (s *scene) play(ctx context.Context, acts []act) error {
	for _, a := range acts {
		if err := s.step(a.name, func() error { return a.do(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) open(ctx context.Context) (err error) {
	if s.programs, err = stage.Build(ctx, s.dir); err != nil {
		return err
	}
	s.agentExe = filepath.Join(s.dir, "agent.exe")
	if err := goTool(ctx, "build", "-trimpath", "-o", s.agentExe, "lessor.dk/portalsync/agent"); err != nil {
		return err
	}
	if s.certs, err = stage.MakeCertificates(s.dir); err != nil {
		return err
	}
	if s.receiver, err = stage.NewReceiver(ctx, s.programs, s.dir, s.certs, stage.ReceiverSettings{}); err != nil {
		return err
	}
	return s.receive(ctx)
}

func (s *scene) receive(ctx context.Context) (err error) {
	s.receiving, err = s.receiver.Serve(ctx, "")
	return err
}

// Main system and plan of two invented people.
const (
	mainSystem = `
CREATE TABLE Medarbejder (Nr TEXT PRIMARY KEY, Navn TEXT);
INSERT INTO Medarbejder VALUES ('7', 'Anna Holm'), ('8', 'Bo Vang');`
	plan = `version: 1
timezone: Europe/Copenhagen
kinds:
  employee: {table: Medarbejder, as: m, key: [Nr], fields: {employee_no: m.Nr, name: m.Navn, active: {value: true}}}
`
)

// furnish puts settings, plan, certificate and main system into a directory of a machine; database is where the
// machine itself sees the main system.
func (s *scene) furnish(ctx context.Context, settings, mainDir, database string) error {
	for _, dir := range []string{settings, mainDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
	}
	authority, err := os.ReadFile(s.certs.CA)
	if err != nil {
		return fmt.Errorf("read the authority: %w", err)
	}
	text := fmt.Sprintf("receiver: %s\nextra_ca: ca.pem\npoll: 500ms\nmain_system: {sqlite: '%s'}\n", s.receiver.URL(), database)
	for name, content := range map[string]string{"agent.yaml": text, "plan.yaml": plan, "ca.pem": string(authority)} {
		if err := os.WriteFile(filepath.Join(settings, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(mainDir, "main.db"))
	if err != nil {
		return fmt.Errorf("make the main system: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, mainSystem); err != nil {
		return fmt.Errorf("make the main system: %w", err)
	}
	return sqlite.Install(ctx, db, []string{"Medarbejder"})
}

// enrol makes a machine's agent that of a new customer.
func (s *scene) enrol(ctx context.Context, m machine, settings, subdomain, customer string) error {
	code, err := s.receiver.Invite(ctx, subdomain, customer, "Løn")
	if err != nil {
		return err
	}
	if _, err := m.run(ctx, code+"\n", m.agent, "enrol", "--config", settings); err != nil {
		return err
	}
	s.customers++
	return nil
}

// arrived waits until the receiver's store holds both people of every customer.
func (s *scene) arrived(ctx context.Context) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "data", "portal.db")+"?mode=ro")
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	defer db.Close()
	return await(ctx, "the people of the main system in the portal", func() (bool, error) {
		var people int
		err := db.QueryRowContext(ctx, "SELECT count(*) FROM rec_employee").Scan(&people)
		return people == 2*s.customers, err
	})
}

// await asks until the answer is yes.
func await(ctx context.Context, what string, ready func() (bool, error)) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := ready()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for %s: %w", what, ctx.Err()), err)
		case <-tick.C:
		}
	}
}

// says is an error unless text holds every word.
func says(text string, words ...string) error {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return fmt.Errorf("%q is missing in %q", w, text)
		}
	}
	return nil
}

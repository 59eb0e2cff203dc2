package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/agent/source/sqlserver"
	"lessor.dk/portalsync/installer/demo/company"
	"lessor.dk/portalsync/installer/stage"
)

// Names of the one customer that a demo has.
const (
	customerCode = "demo"
	systemName   = "Løn"
)

// scene is everything that stands on this machine: a main system, a receiver and an agent.
type scene struct {
	out        io.Writer
	dir        string
	mainSystem mainSystem
	planFile   string
	keep       bool // what is founded on a server stays there
	founded    bool // on a server
	source     source.Source

	certs    stage.Certificates
	programs stage.Programs
	receiver *stage.Receiver
	agent    *stage.Agent

	receiving *stage.Process
	capturing *stage.Process
}

// openScene makes the main system, builds the programs and writes all settings. It starts nothing.
func openScene(ctx context.Context, out io.Writer, dir string, cfg Config) (*scene, error) {
	s := &scene{out: out, dir: dir, mainSystem: cfg.mainSystem(dir), planFile: filepath.Join(dir, "plan.yaml"), keep: cfg.Data != ""}
	if cfg.MainSystem != "" {
		var err error
		if s.mainSystem, err = mainSystem(cfg.MainSystem).absolute(); err != nil {
			return nil, err
		}
		if s.planFile, err = filepath.Abs(cfg.Plan); err != nil {
			return nil, fmt.Errorf("find the plan: %w", err)
		}
	}
	for _, step := range []func() error{
		func() error { return s.found(ctx, cfg) }, // first: a database that is refused is refused at once
		func() error { return s.track(ctx) },
		func() error { return s.build(ctx) },
		func() error { return s.settle(ctx) },
	} {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *scene) build(ctx context.Context) error {
	return s.step("building agent and receiver", func() (err error) {
		s.programs, err = stage.Build(ctx, s.dir)
		return err
	})
}

// path returns the path of a file in the scene's directory.
func (s *scene) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// step does something and tells how long it took.
func (s *scene) step(what string, do func() error) error {
	fmt.Fprintf(s.out, "%s … ", what)
	start := time.Now()
	if err := do(); err != nil {
		fmt.Fprintln(s.out, "no")
		return err
	}
	fmt.Fprintf(s.out, "%.1f s\n", time.Since(start).Seconds())
	return nil
}

// found makes the invented company, unless an earlier run has or somebody else's main system is shown.
func (s *scene) found(ctx context.Context, cfg Config) error {
	switch {
	case cfg.MainSystem != "":
		return nil
	case s.mainSystem.onServer():
		return s.foundOnServer(ctx, cfg)
	}
	if err := os.WriteFile(s.planFile, company.Plan, 0o600); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	file := string(s.mainSystem)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.step("founding "+company.Name, func() error {
		making := file + ".new" // a stop in the middle leaves no half company
		if err := os.Remove(making); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove half a company: %w", err)
		}
		if err := company.Create(ctx, making, company.Config{Employees: cfg.Employees}); err != nil {
			return err
		}
		return os.Rename(making, file)
	})
}

// foundOnServer makes the company in a SQL Server database, and its plan by what the server can do.
func (s *scene) foundOnServer(ctx context.Context, cfg Config) error {
	main, err := s.mainSystem.open(ctx)
	if err != nil {
		return err
	}
	defer main.Close()
	err = s.step("founding "+company.Name+" in SQL Server, unless it is there", func() (err error) {
		s.founded, err = main.Found(ctx, company.Config{Employees: cfg.Employees})
		return err
	})
	if err != nil {
		return err
	}
	if !s.founded && !s.keep {
		return errors.New("the database holds the company of a demo that was kept: continue it with its --data directory, or take it away with installer demo remove --sqlserver")
	}
	if s.founded {
		for _, statement := range []string{"CREATE SCHEMA portalsync", sqlserver.DeliveredSQL} {
			if _, err := main.DB().ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("make the agent's table of delivered reports: %w", err)
			}
		}
	}
	text, err := main.Plan(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.planFile, text, 0o600); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	mode, err := main.Mode(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, "changes are found by "+mode)
	return nil
}

// track opens the main system through its plan, and switches change tracking on in a SQLite database where it is not.
func (s *scene) track(ctx context.Context) error {
	p, err := plan.Load(s.planFile)
	if err != nil {
		return err
	}
	if s.source, err = s.mainSystem.read(p); err != nil {
		return err
	}
	if s.mainSystem.onServer() {
		return nil // Found has
	}
	tracked, err := s.tracked(ctx)
	if err != nil || tracked {
		return err
	}
	return s.step("switching change tracking on", func() error {
		main, err := s.mainSystem.open(ctx)
		if err != nil {
			return err
		}
		defer main.Close()
		return install(ctx, main.DB(), p)
	})
}

func install(ctx context.Context, db *sql.DB, p *plan.Plan) error {
	var tables []string
	for _, t := range p.Tables() {
		tables = append(tables, t.Name)
	}
	return sqlite.Install(ctx, db, tables)
}

// tracked reports whether every planned table can be followed.
func (s *scene) tracked(ctx context.Context) (bool, error) {
	tx, err := s.source.Begin(ctx)
	if errors.Is(err, source.ErrGone) { // also what a database without any tracking is
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer tx.Close()
	for _, k := range tx.State().Kinds {
		if k.Err != nil {
			return false, nil
		}
	}
	return true, nil
}

// settle writes certificates and settings.
func (s *scene) settle(ctx context.Context) error {
	var err error
	if s.certs, err = stage.MakeCertificates(s.dir); err != nil {
		return err
	}
	s.receiver, err = stage.NewReceiver(ctx, s.programs, s.dir, s.certs, stage.ReceiverSettings{})
	if err != nil {
		return err
	}
	return s.settleAgent("")
}

// settleAgent writes the agent's settings; proxy is what it goes through, or empty.
func (s *scene) settleAgent(proxy string) (err error) {
	s.agent, err = stage.NewAgent(s.programs, s.dir, stage.AgentSettings{
		Receiver: s.receiver.URL(), CA: s.certs.CA, MainSystem: string(s.mainSystem), Plan: s.planFile, Poll: "500ms", Proxy: proxy,
	})
	return err
}

// enrolled reports whether an earlier run has made the agent a customer's.
func (s *scene) enrolled() bool {
	_, err := os.Stat(s.path("state", "identity.json"))
	return err == nil
}

// start starts the receiver, enrols if need be, and starts the agent.
func (s *scene) start(ctx context.Context) error {
	if err := s.step("starting the receiver", func() error { return s.startReceiver(ctx) }); err != nil {
		return err
	}
	if !s.enrolled() {
		err := s.step("enrolling the agent", func() error {
			code, err := s.receiver.Invite(ctx, customerCode, company.Name, systemName)
			if err != nil {
				return err
			}
			return s.agent.Enrol(ctx, code)
		})
		if err != nil {
			return err
		}
	}
	return s.startAgent()
}

func (s *scene) startReceiver(ctx context.Context) (err error) {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	s.receiving, err = s.receiver.Serve(ctx, "")
	return err
}

func (s *scene) startAgent() (err error) {
	s.capturing, err = s.agent.Start()
	return err
}

// watch returns when ctx ends, or with an error when a program does.
func (s *scene) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.receiving.Done():
		return s.receiving.Succeed(ctx)
	case <-s.capturing.Done():
		return s.capturing.Succeed(ctx)
	}
}

// removeTime bounds what is done after the demo was told to stop.
const removeTime = time.Minute

// close stops the agent, then the receiver, and takes from a server what is not to be kept.
func (s *scene) close() error {
	var errs []error
	for _, p := range []*stage.Process{s.capturing, s.receiving} {
		if p != nil {
			errs = append(errs, p.Stop())
		}
	}
	if s.source != nil {
		errs = append(errs, s.source.Close())
	}
	if s.founded && !s.keep {
		ctx, stop := context.WithTimeout(context.Background(), removeTime)
		defer stop()
		errs = append(errs, s.mainSystem.remove(ctx))
	}
	return errors.Join(errs...)
}

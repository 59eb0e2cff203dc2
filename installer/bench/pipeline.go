// Package bench measures PortalSync on this machine, always as ratios against a baseline in the same run.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lessor.dk/portalsync/agent/plan"
	"lessor.dk/portalsync/agent/source/sqlite"
	"lessor.dk/portalsync/installer/stage"
	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/store"
)

// Config says what to measure.
type Config struct {
	Rows    int    // payslip lines
	Store   string // postgres or sqlite
	Writers int    // processes that write, and main systems with an agent each: one stream has one writer at a time
	Self    string // path of this program: the baseline is a process too
	Keep    bool   // keep the directory with logs and databases
}

// Direct is the baseline's process: it reads the files and upserts into target, a PostgreSQL URL or a SQLite file.
func Direct(ctx context.Context, kind, target string, files []string) error {
	if kind == "postgres" {
		return directPostgres(ctx, files, target)
	}
	return directSQLite(ctx, files, target)
}

// run is one benchmark.
type run struct {
	cfg      Config
	dir      string
	progress io.Writer
	files    []string // the main systems
	servers  servers
	database string // of the portal

	receiver *stage.Receiver
	agents   []*stage.Agent // one per main system
	serving  []*stage.Process
	report   Report
}

// Pipeline reads the rows of a main system and upserts them directly in one process, then takes them the
// whole way through agent, HTTPS, receiver, Redis and writer, as separate processes; once as a first
// load and once with every row changed.
func Pipeline(ctx context.Context, cfg Config, progress io.Writer) (_ Report, err error) {
	dir, err := os.MkdirTemp("", "portalsync-bench-")
	if err != nil {
		return Report{}, fmt.Errorf("make directory: %w", err)
	}
	if !cfg.Keep {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	r := &run{cfg: cfg, dir: dir, progress: progress}
	r.report = Report{Rows: cfg.Rows, Store: cfg.Store, Writers: cfg.Writers}
	defer func() { err = errors.Join(err, r.servers.stop()) }()
	if err := r.prepare(ctx); err != nil {
		return Report{}, err
	}
	if err := r.phase(ctx, "first load"); err != nil {
		return Report{}, err
	}
	r.say("change every row of the main system")
	for _, file := range r.files {
		if err := changeMainSystem(ctx, file); err != nil {
			return Report{}, err
		}
	}
	if err := r.phase(ctx, "every row changed"); err != nil {
		return Report{}, err
	}
	return r.report, nil
}

func (r *run) say(format string, args ...any) { _, _ = fmt.Fprintf(r.progress, format+"\n", args...) }

// prepare makes the main system, the servers and the programs, and enrols the agent.
func (r *run) prepare(ctx context.Context) error {
	r.say("make %d main system(s) of %d rows together", r.cfg.Writers, r.cfg.Rows)
	for i := range r.cfg.Writers {
		file := filepath.Join(r.dir, fmt.Sprintf("main-%d.db", i+1))
		if err := makeMainSystem(ctx, file, r.cfg.Rows*i/r.cfg.Writers, r.cfg.Rows*(i+1)/r.cfg.Writers); err != nil {
			return err
		}
		r.files = append(r.files, file)
	}
	r.say("start Redis and %s", r.cfg.Store)
	if err := r.servers.startRedis(ctx, r.dir); err != nil {
		return err
	}
	r.database = "sqlite:" + filepath.Join(r.dir, "portal.db")
	if r.cfg.Store == "postgres" {
		if err := r.servers.startPostgres(ctx, r.dir); err != nil {
			return err
		}
		r.database = r.servers.database
	}
	r.say("build the programs")
	programs, err := stage.Build(ctx, r.dir)
	if err != nil {
		return err
	}
	certificates, err := stage.MakeCertificates(r.dir)
	if err != nil {
		return err
	}
	settings := stage.ReceiverSettings{Database: r.database, RedisURL: r.servers.redisURL, Log: "warn"}
	if r.receiver, err = stage.NewReceiver(ctx, programs, r.dir, certificates, settings); err != nil {
		return err
	}
	receiver, err := r.serve(ctx)
	if err != nil {
		return err
	}
	for _, file := range r.files {
		if err := r.enrol(ctx, programs, certificates, file); err != nil {
			return errors.Join(err, receiver.Kill())
		}
	}
	return receiver.Stop()
}

// enrol makes the agent of one main system.
func (r *run) enrol(ctx context.Context, programs stage.Programs, c stage.Certificates, file string) error {
	name := fmt.Sprintf("agent-%d", len(r.agents)+1)
	dir := filepath.Join(r.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make agent directory: %w", err)
	}
	planFile := filepath.Join(dir, "plan.yaml")
	if err := os.WriteFile(planFile, []byte(planText), 0o600); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	agent, err := stage.NewAgent(programs, dir, stage.AgentSettings{
		Receiver: r.receiver.URL(), CA: c.CA, MainSystem: file, Plan: planFile, Poll: "1s",
	})
	if err != nil {
		return err
	}
	code, err := r.receiver.Invite(ctx, name, "Målestok A/S", "Løn")
	if err != nil {
		return err
	}
	r.agents = append(r.agents, agent)
	return agent.Enrol(ctx, code)
}

func (r *run) serve(ctx context.Context) (*stage.Process, error) { return r.receiver.Serve(ctx, "") }

// phase measures the baseline and then the whole path. Both find the main system as it is now, and their
// tables as the phase before left them.
func (r *run) phase(ctx context.Context, name string) error {
	direct, err := r.direct(ctx, name)
	if err != nil {
		return err
	}
	whole, err := r.whole(ctx, name)
	if err != nil {
		return err
	}
	r.report.Phases = append(r.report.Phases, newPhase(name, r.cfg.Rows, direct, whole))
	return nil
}

// direct runs the baseline as a process.
func (r *run) direct(ctx context.Context, name string) (Measure, error) {
	r.say("%s: directly", name)
	target := r.servers.database
	if target == "" {
		target = filepath.Join(r.dir, "direct.db")
	}
	before, err := r.serverUsage()
	if err != nil {
		return Measure{}, err
	}
	began := time.Now()
	p, err := stage.Start("direct", filepath.Join(r.dir, "direct.log"), r.cfg.Self,
		append([]string{"bench", "direct", r.cfg.Store, target}, r.files...)...)
	if err != nil {
		return Measure{}, err
	}
	if err := p.Succeed(ctx); err != nil {
		return Measure{}, err
	}
	m := Measure{Seconds: time.Since(began).Seconds(), Processes: map[string]ProcessMeasure{}}
	if err := r.awaitBackends(ctx); err != nil {
		return Measure{}, err
	}
	cpu, peak, _ := p.Usage()
	m.Processes["direct"] = ProcessMeasure{CPU: cpu.Seconds(), PeakBytes: peak}
	return m, r.addServers(&m, before)
}

// awaitBackends waits until the server has let go of every connection of ours: only then has it counted their usage.
func (r *run) awaitBackends(ctx context.Context) error {
	if r.servers.postgres == nil {
		return nil
	}
	return r.servers.postgres.Await(ctx, func(context.Context) (bool, error) {
		for _, pid := range childrenOf(r.servers.postgres.Pid()) {
			if title := titleOf(pid); title == "" || strings.HasPrefix(title, "postgres: "+databaseUser) {
				return false, nil // of one that has ended the server has not taken note yet
			}
		}
		return true, nil
	})
}

// whole starts receiver and agent and waits until the portal equals the main system.
func (r *run) whole(ctx context.Context, name string) (_ Measure, err error) {
	r.say("%s: the whole path", name)
	before, err := r.serverUsage()
	if err != nil {
		return Measure{}, err
	}
	receiver, err := r.serve(ctx)
	if err != nil {
		return Measure{}, err
	}
	r.serving = []*stage.Process{receiver}
	defer func() { err = errors.Join(err, r.stopServing()) }()
	for i := 1; i < r.cfg.Writers; i++ {
		w, err := r.receiver.ServeBeside(ctx, "writer", "writer-"+strconv.Itoa(i))
		if err != nil {
			return Measure{}, err
		}
		r.serving = append(r.serving, w)
	}
	began := time.Now()
	var agents []*stage.Process
	defer func() {
		for _, a := range agents {
			err = errors.Join(err, a.Kill())
		}
	}()
	for _, a := range r.agents {
		p, err := a.Start()
		if err != nil {
			return Measure{}, err
		}
		agents = append(agents, p)
	}
	for i, p := range agents {
		if err := r.await(ctx, p, r.files[i], i+1); err != nil {
			return Measure{}, err
		}
	}
	m := Measure{Seconds: time.Since(began).Seconds(), Processes: map[string]ProcessMeasure{}}
	for i, p := range agents {
		if err := p.Stop(); err != nil {
			return Measure{}, err
		}
		cpu, peak, _ := p.Usage()
		m.Processes[fmt.Sprintf("agent-%d", i+1)] = ProcessMeasure{CPU: cpu.Seconds(), PeakBytes: peak}
	}
	for _, p := range r.serving {
		u, err := processUsage(p.Pid())
		if err != nil {
			return Measure{}, err
		}
		m.Processes[p.Name] = ProcessMeasure{CPU: u.CPU.Seconds(), PeakBytes: u.Peak}
	}
	return m, r.addServers(&m, before)
}

func (r *run) stopServing() error {
	var errs []error
	for _, p := range r.serving {
		errs = append(errs, p.Stop())
	}
	r.serving = nil
	return errors.Join(errs...)
}

// await waits until everything that a main system holds now is applied. Customers and streams were made in the same order.
func (r *run) await(ctx context.Context, agent *stage.Process, file string, number int) error {
	p, err := plan.Parse("plan.yaml", []byte(planText))
	if err != nil {
		return err
	}
	src, err := sqlite.Open(file, p, sqlite.Config{})
	if err != nil {
		return err
	}
	defer src.Close()
	tx, err := src.Begin(ctx)
	if err != nil {
		return err
	}
	want := tx.State().Position
	if err := tx.Close(); err != nil {
		return err
	}
	st, err := store.Open(ctx, r.database, store.Config{MaxConns: 1})
	if err != nil {
		return err
	}
	defer st.Close()
	return agent.Await(ctx, func(ctx context.Context) (bool, error) {
		stream, kinds, err := st.StreamState(ctx, protocol.TenantID(number), protocol.StreamID(number))
		if err != nil {
			return false, err
		}
		return len(kinds) == 1 && kinds[0].State == protocol.KindOK && stream.Position >= want, nil
	})
}

// Package demo shows PortalSync on one machine: an invented company's main system, the agent and the
// receiver as separate processes over HTTPS, and a portal to sign in to. Check proves that nothing is lost.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"lessor.dk/portalsync/installer/demo/company"
)

// Config says what to show. The zero value is the invented company in a directory that is removed at the end.
type Config struct {
	Data       string // directory that keeps everything; empty keeps nothing
	Employees  int    // of the invented company; 0 means 300
	MainSystem string // SQLite database to show instead of the invented company; needs Plan
	Plan       string // its plan
	SQLServer  string // address of an empty database to found the company in, sqlserver://…; it is emptied at the end unless Data is set
}

// mainSystem is where the invented company is.
func (c Config) mainSystem(dir string) mainSystem {
	if c.SQLServer != "" {
		return mainSystem(c.SQLServer)
	}
	return mainSystem(filepath.Join(dir, "main-system.db"))
}

func (c Config) check() error {
	switch {
	case (c.MainSystem == "") != (c.Plan == ""):
		return errors.New("--main-system and --plan belong together: a database needs the plan that says what leaves it")
	case c.MainSystem != "" && c.SQLServer != "":
		return errors.New("--main-system shows a SQLite database and --sqlserver founds the invented company: give one of them")
	case c.SQLServer != "" && !mainSystem(c.SQLServer).onServer():
		return errors.New("--sqlserver is no address: write sqlserver://USER:PASSWORD@HOST:PORT?database=NAME")
	case c.MainSystem != "" && c.Employees != 0:
		return errors.New("--employees is of the invented company: leave it out with --main-system")
	case c.Employees < 0:
		return fmt.Errorf("--employees %d: a company has at least one", c.Employees)
	}
	return nil
}

// Demo is one showing.
type Demo struct {
	out io.Writer
	cfg Config
}

// New returns a Demo that speaks to out. It does nothing until Run.
func New(out io.Writer, cfg Config) *Demo { return &Demo{out: out, cfg: cfg} }

// Run sets everything up, shows the first load, prints where to sign in, and keeps the company alive until
// ctx ends. Then it stops all it has started and, without a data directory, leaves nothing behind.
func (d *Demo) Run(ctx context.Context) (err error) {
	if err := d.cfg.check(); err != nil {
		return err
	}
	dir, remove, err := d.directory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	s, err := openScene(ctx, d.out, dir, d.cfg)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := d.begin(ctx, s); err != nil {
		return interrupted(ctx, err)
	}
	if err := d.live(ctx, s); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "\nStopping.")
	return nil
}

// begin starts both programs, waits for the first load and prints the logins.
func (d *Demo) begin(ctx context.Context, s *scene) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if d.cfg.MainSystem != "" { // somebody else's data: say at once whether all of it arrived
		figure, err := s.settled(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "store and main system are equal: %s\n", figure)
	}
	logins, err := s.logins(ctx)
	if err != nil {
		return err
	}
	d.invite(s, logins)
	return nil
}

// live keeps the company alive until ctx ends or a program does.
func (d *Demo) live(ctx context.Context, s *scene) error {
	pointer, err := point(s.mainSystem)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(pointer) }() // it points nowhere by then
	g, ctx := errgroup.WithContext(ctx)
	if d.cfg.MainSystem == "" {
		main, err := s.mainSystem.open(ctx)
		if err != nil {
			return err
		}
		defer main.Close()
		log := slog.New(slog.NewTextHandler(d.out, nil))
		g.Go(func() error { return company.NewSimulator(main, company.SimulatorConfig{Log: log}).Run(ctx) })
	}
	g.Go(func() error { return s.watch(ctx) })
	return g.Wait()
}

// directory returns where everything lies, and what removes it.
func (d *Demo) directory() (string, func() error, error) {
	if d.cfg.Data != "" {
		dir, err := filepath.Abs(d.cfg.Data)
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err != nil {
			return "", nil, fmt.Errorf("make the data directory: %w", err)
		}
		return dir, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp("", "portalsync-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a directory: %w", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

func (d *Demo) invite(s *scene, logins []Login) {
	fmt.Fprintf(d.out, "\nThe portal is at %s\n", s.receiver.URL())
	fmt.Fprintf(d.out, "Its certificate is the demo's own: accept the browser's warning, or trust %s\n\n", s.certs.CA)
	for _, l := range logins {
		fmt.Fprintf(d.out, "  %-28s username %-14s password %s\n", l.Who, l.Username, l.Password)
	}
	if d.cfg.MainSystem == "" {
		fmt.Fprintln(d.out, "\nThe company is alive: absences are approved, balances move, reports are decided about.")
		fmt.Fprintln(d.out, "Run the next month's pay in another window with: go run ./installer demo payrun")
	}
	fmt.Fprintln(d.out, "Ctrl-C stops everything.")
}

// interrupted makes a stop that was asked for no error.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

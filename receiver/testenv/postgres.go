package testenv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// postgresServers is where Debian installs PostgreSQL, one directory per major version.
const postgresServers = "/usr/lib/postgresql/*/bin"

// cluster is one running PostgreSQL and the templates made in it so far.
type cluster struct {
	mu        sync.Mutex
	dir       string // of the socket; empty until it runs
	databases int
	templates map[string]error
}

// shared is the one exception to "no package variables": starting a PostgreSQL costs a second, so all tests of a
// process use one. It ends with the process.
var shared = cluster{templates: map[string]error{}}

// Postgres returns the address of an empty database of the test's own, dropped when the test ends. The server is
// started once per test process, without fsync; databases sort by byte (C.UTF-8).
func Postgres(t testing.TB) string {
	t.Helper()
	return shared.database(t, "template1")
}

// PostgresFrom returns the address of a database of the test's own as prepare left the first one of that name: it is
// called once per test process, and its result copied. prepare must close its connections.
func PostgresFrom(t testing.TB, name string, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	return shared.database(t, shared.template(t, name, prepare))
}

func (c *cluster) template(t testing.TB, name string, prepare func(context.Context, string) error) string {
	t.Helper()
	c.run(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	template := "template_" + name
	err, made := c.templates[template]
	if !made {
		ctx := context.Background() // the template outlives the test that happens to need it first
		err = c.exec(ctx, "CREATE DATABASE "+pgx.Identifier{template}.Sanitize())
		if err == nil {
			err = prepare(ctx, c.url(template))
		}
		c.templates[template] = err
	}
	if err != nil {
		t.Fatalf("prepare PostgreSQL template %s: %v", name, err)
	}
	return template
}

func (c *cluster) database(t testing.TB, template string) string {
	t.Helper()
	c.run(t)
	c.mu.Lock()
	c.databases++
	name := "test_" + strconv.Itoa(c.databases)
	err := c.exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+pgx.Identifier{template}.Sanitize())
	c.mu.Unlock()
	if err != nil {
		t.Fatalf("make PostgreSQL database: %v", err)
	}
	t.Cleanup(func() {
		if err := c.exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop PostgreSQL database: %v", err)
		}
	})
	return c.url(name)
}

func (c *cluster) url(database string) string {
	q := url.Values{"host": {c.dir}, "user": {"postgres"}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

func (c *cluster) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// run starts the server unless it runs.
func (c *cluster) run(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir != "" {
		return
	}
	bin := postgresBin(t)
	dir, err := os.MkdirTemp("", "portalsync-postgres-") //nolint:usetesting // the server outlives the test that starts it
	if err != nil {
		t.Fatalf("make PostgreSQL directory: %v", err)
	}
	if err := c.start(t.Context(), bin, dir); err != nil {
		t.Fatalf("start PostgreSQL: %v", errors.Join(err, os.RemoveAll(dir)))
	}
}

// postgresBin returns the directory of the newest PostgreSQL that Debian installed, or of the one in PATH.
func postgresBin(t testing.TB) string {
	t.Helper()
	versions, err := filepath.Glob(postgresServers)
	if err != nil || len(versions) == 0 {
		return filepath.Dir(find(t, "postgresql", "postgres"))
	}
	return slices.MaxFunc(versions, func(a, b string) int {
		return cmp.Compare(major(a), major(b))
	})
}

func major(bin string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return n
}

func (c *cluster) start(ctx context.Context, bin, dir string) error {
	as, err := postgresUser(dir)
	if err != nil {
		return err
	}
	if err := initPostgres(ctx, bin, dir, as); err != nil {
		return err
	}
	c.dir = dir
	_, err = servePostgres(ctx, bin, dir, as, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200",
		"shared_buffers=128MB", "max_wal_size=4GB", "wal_level=minimal", "max_wal_senders=0")
	if err != nil {
		c.dir = ""
	}
	return err
}

// initPostgres makes the files of a server below dir.
func initPostgres(ctx context.Context, bin, dir string, as *syscall.Credential) error {
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata", filepath.Join(dir, "data"), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("make the database directory: %w\n%s", err, out)
	}
	return nil
}

// servePostgres starts the server in dir and returns when it answers.
func servePostgres(ctx context.Context, bin, dir string, as *syscall.Credential, settings ...string) (*program, error) {
	args := []string{filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-k", dir, "-c", "listen_addresses="}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	server, err := start(dir, as, "QUIT", args...)
	if err != nil {
		return nil, err
	}
	here := cluster{dir: dir}
	if err := server.ready(ctx, func(ctx context.Context) error { return here.exec(ctx, "SELECT 1") }); err != nil {
		return nil, errors.Join(err, server.stop())
	}
	return server, nil
}

// postgresUser gives dir to the user postgres when we are root, whom PostgreSQL refuses, and returns that user.
func postgresUser(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: install the Debian package postgresql: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, fmt.Errorf("give %s to the user postgres: %w", dir, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

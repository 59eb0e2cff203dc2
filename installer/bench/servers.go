package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"lessor.dk/portalsync/installer/stage"
)

// databaseUser is who the benchmark is to PostgreSQL.
const databaseUser = "bench"

// servers are the real stores of one benchmark. Each is a private process that ends with it.
type servers struct {
	postgres *stage.Process // nil for SQLite
	redis    *stage.Process
	database string // postgres://…; "" for SQLite
	redisURL string
}

// startRedis starts a private Redis that keeps an append-only file, as in production.
func (s *servers) startRedis(ctx context.Context, dir string) error {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("%w; install the Debian package redis-server", err)
	}
	socket := filepath.Join(dir, "redis.sock")
	s.redisURL = "unix://" + socket
	s.redis, err = stage.Start("redis", filepath.Join(dir, "redis.log"), binary, "--port", "0", "--unixsocket", socket,
		"--dir", dir, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction")
	if err != nil {
		return err
	}
	return s.redis.Await(ctx, func(context.Context) (bool, error) {
		_, err := os.Stat(socket)
		return err == nil, nil
	})
}

// startPostgres starts a private PostgreSQL with fsync on. Its settings are Debian's but for memory.
func (s *servers) startPostgres(ctx context.Context, dir string) error {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return errors.New("there is no PostgreSQL server; install the Debian package postgresql")
	}
	bin := filepath.Dir(slices.Max(found))
	data := filepath.Join(dir, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("make database directory: %w", err)
	}
	prefix, err := serverAccount(data)
	if err != nil {
		return err
	}
	initdb := slices.Concat(prefix, []string{filepath.Join(bin, "initdb"), "-D", data, "-U", databaseUser, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"})
	if out, err := exec.CommandContext(ctx, initdb[0], initdb[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("make database: %w\n%s", err, out)
	}
	run := slices.Concat(prefix, []string{filepath.Join(bin, "postgres"), "-D", data, "-k", data, "-c", "listen_addresses=",
		"-c", "shared_buffers=1GB", "-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=30min"})
	if s.postgres, err = stage.Start("postgres", filepath.Join(dir, "postgres.log"), run[0], run[1:]...); err != nil {
		return err
	}
	s.database = "postgres://" + databaseUser + "@/postgres?host=" + data
	return s.postgres.Await(ctx, func(ctx context.Context) (bool, error) {
		conn, err := pgx.Connect(ctx, s.database)
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet; Await notices when it never will
		}
		return true, conn.Close(ctx)
	})
}

// serverAccount returns what to put before a PostgreSQL command: it refuses to run as root.
func serverAccount(data string) ([]string, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, uerr := strconv.Atoi(account.Uid)
	gid, gerr := strconv.Atoi(account.Gid)
	if err := errors.Join(uerr, gerr, os.Chown(data, uid, gid), os.Chmod(filepath.Dir(data), 0o711)); err != nil { //nolint:gosec // the account must pass through
		return nil, fmt.Errorf("give %s to the account postgres: %w", data, err)
	}
	return []string{"setpriv", "--reuid", account.Uid, "--regid", account.Gid, "--init-groups"}, nil
}

// running returns the processes that were started.
func (s *servers) running() []*stage.Process {
	var out []*stage.Process
	for _, p := range []*stage.Process{s.redis, s.postgres} {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

func (s *servers) stop() error {
	var errs []error
	for _, p := range s.running() {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}

package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite" // the driver

	"lessor.dk/portalsync/receiver/queue"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/testenv"
)

// database is a store's database that can be copied and put back behind the receiver's back.
type database interface {
	url() string
	probe() (*sql.DB, error)
	// backup keeps a copy of what the database is now; restore puts it back. The store is closed meanwhile.
	backup(ctx context.Context) error
	restore(ctx context.Context) error
}

// sqliteFile is a SQLite store.
type sqliteFile struct{ file, copy string }

func newSQLiteFile(t testing.TB) database {
	dir := t.TempDir()
	f := &sqliteFile{file: filepath.Join(dir, "portal.db"), copy: filepath.Join(dir, "backup.db")}
	if err := migrate(t.Context(), f.url()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *sqliteFile) url() string { return "sqlite:" + f.file }

func (f *sqliteFile) probe() (*sql.DB, error) {
	return sql.Open("sqlite", f.file+"?_pragma=busy_timeout(10000)")
}

func (f *sqliteFile) backup(context.Context) error {
	b, err := os.ReadFile(f.file)
	if err != nil {
		return err
	}
	return os.WriteFile(f.copy, b, 0o600)
}

func (f *sqliteFile) restore(context.Context) error {
	for _, left := range []string{f.file + "-wal", f.file + "-shm"} {
		if err := os.Remove(left); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	b, err := os.ReadFile(f.copy)
	if err != nil {
		return err
	}
	return os.WriteFile(f.file, b, 0o600)
}

// postgresDatabase is a PostgreSQL store.
type postgresDatabase struct {
	address *url.URL
	name    string
}

func newPostgresDatabase(t testing.TB) database {
	u, err := url.Parse(testenv.PostgresFrom(t, "statemachine", migrate))
	if err != nil {
		t.Fatal(err)
	}
	p := &postgresDatabase{address: u, name: filepath.Base(u.Path)}
	t.Cleanup(func() {
		if err := p.exec(context.Background(), "DROP DATABASE IF EXISTS "+p.copy()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *postgresDatabase) url() string  { return p.address.String() }
func (p *postgresDatabase) copy() string { return p.name + "_backup" }

func (p *postgresDatabase) probe() (*sql.DB, error) { return sql.Open("pgx", p.url()) }

func (p *postgresDatabase) backup(ctx context.Context) error { return p.clone(ctx, p.name, p.copy()) }

func (p *postgresDatabase) restore(ctx context.Context) error { return p.clone(ctx, p.copy(), p.name) }

func (p *postgresDatabase) clone(ctx context.Context, from, to string) error {
	if err := p.exec(ctx, "DROP DATABASE IF EXISTS "+to+" WITH (FORCE)"); err != nil {
		return err
	}
	return p.exec(ctx, "CREATE DATABASE "+to+" TEMPLATE "+from+"")
}

func (p *postgresDatabase) exec(ctx context.Context, statement string) error {
	server := *p.address
	server.Path = "/postgres"
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func migrate(ctx context.Context, address string) error {
	st, err := store.Open(ctx, address, store.Config{})
	if err != nil {
		return err
	}
	return errors.Join(st.Migrate(ctx), st.Close())
}

// memory is a Redis whose memory can be lost or come back old.
type memory interface {
	client() redis.UniversalClient
	keep(ctx context.Context) error  // remembers everything as it is now
	recall(ctx context.Context) bool // makes it everything again; false when nothing was kept
}

// realRedis is a Redis server of the test's own.
type realRedis struct {
	c    *redis.Client
	kept map[string]string
}

func newRealRedis(t testing.TB) memory {
	opts, err := redis.ParseURL(testenv.NewRedis(t, testenv.RedisConfig{}).URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &realRedis{c: c}
}

func (r *realRedis) client() redis.UniversalClient { return r.c }

func (r *realRedis) keep(ctx context.Context) error {
	keys, err := r.c.Keys(ctx, "*").Result()
	if err != nil {
		return err
	}
	r.kept = map[string]string{}
	for _, key := range keys {
		if r.kept[key], err = r.c.Dump(ctx, key).Result(); err != nil {
			return fmt.Errorf("dump %s: %w", key, err)
		}
	}
	return nil
}

func (r *realRedis) recall(ctx context.Context) bool {
	if r.kept == nil || r.c.FlushAll(ctx).Err() != nil {
		return false
	}
	for key, dump := range r.kept {
		if r.c.Restore(ctx, key, 0, dump).Err() != nil {
			return false
		}
	}
	return true
}

// embeddedRedis is the default edition's. It dumps no streams, so it only ever loses everything.
type embeddedRedis struct {
	server *miniredis.Miniredis
	c      redis.UniversalClient
}

func newEmbeddedRedis(t testing.TB) memory {
	server, c, err := queue.Embedded("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return &embeddedRedis{server: server, c: c}
}

func (r *embeddedRedis) client() redis.UniversalClient { return r.c }
func (r *embeddedRedis) keep(context.Context) error    { return nil }
func (r *embeddedRedis) recall(context.Context) bool   { return false }

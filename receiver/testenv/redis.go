package testenv

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisConfig tunes a Redis. The zero value is usable.
type RedisConfig struct {
	AppendOnly bool // keep everything through Kill and Start, synced at every write
}

// Redis is a Redis server of the test's own on a Unix socket. It ends with the test.
type Redis struct {
	program *program
	binary  string
	dir     string
	cfg     RedisConfig
}

// NewRedis starts an empty Redis.
func NewRedis(t testing.TB, cfg RedisConfig) *Redis {
	t.Helper()
	dir, err := os.MkdirTemp("", "portalsync-redis-") //nolint:usetesting // a test's own path may be longer than a socket's 107 bytes
	if err != nil {
		t.Fatalf("make Redis directory: %v", err)
	}
	r := &Redis{binary: find(t, "redis-server", "redis-server"), dir: dir, cfg: cfg}
	t.Cleanup(func() {
		if err := errors.Join(r.stop(), os.RemoveAll(dir)); err != nil {
			t.Errorf("stop Redis: %v", err)
		}
	})
	r.Start(t)
	return r
}

// URL returns the server's address as redis.ParseURL reads it.
func (r *Redis) URL() string { return "unix://" + r.socket() }

func (r *Redis) socket() string { return filepath.Join(r.dir, "redis.sock") }

// Client returns a client that is closed when the test ends. It does not retry: tests see faults as they are.
func (r *Redis) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: r.socket(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			t.Errorf("close Redis client: %v", err)
		}
	})
	return c
}

// Start starts the server again after Kill and returns when it answers. Without AppendOnly it is empty.
func (r *Redis) Start(t testing.TB) {
	t.Helper()
	keep := "no"
	if r.cfg.AppendOnly {
		keep = "yes"
	}
	var err error
	r.program, err = start(r.dir, nil, "KILL", r.binary, "--port", "0", "--unixsocket", r.socket(), "--dir", r.dir,
		"--save", "", "--appendonly", keep, "--appendfsync", "always", "--maxmemory-policy", "noeviction")
	if err != nil {
		t.Fatalf("start Redis: %v", err)
	}
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: r.socket(), MaxRetries: -1, DialerRetries: 1})
	err = r.program.ready(t.Context(), func(ctx context.Context) error { return c.Ping(ctx).Err() })
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatalf("start Redis: %v", err)
	}
}

// Kill ends the server with SIGKILL, as a power cut would.
func (r *Redis) Kill(t testing.TB) {
	t.Helper()
	if r.program == nil {
		t.Fatal("kill Redis: it does not run")
	}
	if err := r.program.kill(); err != nil {
		t.Fatalf("kill Redis: %v", err)
	}
	r.program = nil
}

func (r *Redis) stop() error {
	if r.program == nil {
		return nil
	}
	err := r.program.stop()
	r.program = nil
	return err
}

// Package config is the receiver's one settings file: read, filled with defaults, validated, explained.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Config is the receiver's settings. Its YAML keys are the file's.
type Config struct {
	// Listen is the address of the public listener. Default 127.0.0.1:8443.
	Listen string `yaml:"listen"`
	// Admin is the address of health and metrics; it must be loopback. Default 127.0.0.1:9443.
	Admin string `yaml:"admin"`
	// Names are the host names (with port unless 443) under which agents and browsers call; the first is canonical (L6).
	// Default: the listen address.
	Names []string `yaml:"names"`
	// Data is the directory of keys and, in the embedded edition, of the database. Default "data".
	Data string `yaml:"data"`
	// Database is postgres://… or sqlite:FILE. Default: portal.db in Data. DATABASE_URL overrides it.
	Database string `yaml:"database"`
	// Redis is redis://…, rediss://… or unix://…. Default: a Redis inside the process. REDIS_URL overrides it.
	Redis string `yaml:"redis"`
	// EmbeddedRedis is the loopback address of the Redis inside the process. Default: a free port.
	EmbeddedRedis string `yaml:"embedded_redis"`
	// TLS is required: everything between agents, browsers and the receiver is HTTPS (L11, L18).
	TLS TLS `yaml:"tls"`
	// TrustedProxies are addresses or CIDR ranges whose X-Forwarded-For is believed. Default none.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Log is debug, info, warn or error. Default info.
	Log slog.Level `yaml:"log"`

	file string
}

// TLS names the PEM files of the listener's certificate chain and key.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Load reads file, applies the environment (DATABASE_URL, REDIS_URL) and defaults, and validates.
// A missing key has a default; an unknown one is an error that names line and key. Relative paths are
// relative to the file. An empty file name means defaults alone.
func Load(file string, getenv func(string) string) (*Config, error) {
	c := &Config{file: file}
	if file != "" {
		if err := c.read(file); err != nil {
			return nil, err
		}
	}
	c.Database = cmp.Or(getenv("DATABASE_URL"), c.Database)
	c.Redis = cmp.Or(getenv("REDIS_URL"), c.Redis)
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8443")
	c.Admin = cmp.Or(c.Admin, "127.0.0.1:9443")
	c.Data = c.path(cmp.Or(c.Data, "data"))
	c.TLS.Certificate, c.TLS.Key = c.path(c.TLS.Certificate), c.path(c.TLS.Key)
	if len(c.Names) == 0 {
		c.Names = []string{c.Listen}
	}
	for i, name := range c.Names {
		c.Names[i] = strings.ToLower(strings.TrimSuffix(name, ":443"))
	}
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "portal.db")
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) read(file string) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("settings file %s does not exist; create it or name another with --config", file)
	}
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict(), yaml.DisallowUnknownField())
	if err := dec.Decode(c); err != nil && len(bytes.TrimSpace(b)) > 0 {
		return fmt.Errorf("%s: %w", file, short(err))
	}
	return nil
}

// short keeps line, key and cause of a YAML error and drops the drawing of the source around it, which may hold a password.
func short(err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return errors.New(strings.SplitN(err.Error(), "\n", 2)[0])
	}
	return fmt.Errorf("line %d: %s", at.GetToken().Position.Line, at.GetMessage())
}

// path makes a path of the file absolute or relative to the file's directory.
func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) || c.file == "" {
		return p
	}
	return filepath.Join(filepath.Dir(c.file), p)
}

func (c *Config) validate() error {
	for key, address := range map[string]string{"listen": c.Listen, "admin": c.Admin} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return c.fault(key, "is %q; write HOST:PORT, such as 127.0.0.1:8443", address)
		}
	}
	if host, _, _ := net.SplitHostPort(c.Admin); !loopback(host) {
		return c.fault("admin", "is %q; health and metrics are not for the network: use a loopback address", c.Admin)
	}
	if c.EmbeddedRedis != "" {
		if host, _, err := net.SplitHostPort(c.EmbeddedRedis); err != nil || !loopback(host) {
			return c.fault("embedded_redis", "is %q; it has no password: use a loopback address with port", c.EmbeddedRedis)
		}
	}
	schemes := []string{"sqlite", "postgres", "postgresql"}
	if scheme, _, ok := strings.Cut(c.Database, ":"); !ok || !slices.Contains(schemes, scheme) {
		return c.fault("database", "begins with none of sqlite:, postgres://; see receiver/README.md")
	}
	if c.Redis != "" {
		u, err := url.Parse(c.Redis)
		if err != nil || !slices.Contains([]string{"redis", "rediss", "unix"}, u.Scheme) {
			return c.fault("redis", "begins with none of redis://, rediss://, unix://")
		}
	}
	return nil
}

// CheckTLS reports whether the listener's certificate is named; only serving needs it.
func (c *Config) CheckTLS() error {
	if c.TLS.Certificate == "" || c.TLS.Key == "" {
		return c.fault("tls", "lacks certificate or key; name both PEM files: agents and browsers are served over HTTPS only")
	}
	return nil
}

func (c *Config) fault(key, format string, args ...any) error {
	return fmt.Errorf("%s: %s %s", cmp.Or(c.file, "settings"), key, fmt.Sprintf(format, args...))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Package config is the receiver's one settings file: read, filled with defaults, validated, explained.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
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
	// Default: the listen address, unless that is a wildcard.
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
	// Freshness says when an agent, or what it brought, counts as old.
	Freshness Freshness `yaml:"freshness"`
	// LogText is debug, info, warn or error. Default info.
	LogText string `yaml:"log"`

	// Log is what LogText says.
	Log slog.Level `yaml:"-"`

	file string
	from map[string]string // where a value stands that is not the file's: the name of the environment variable
}

// TLS names the PEM files of the listener's certificate chain and key.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Load reads file, applies the environment (DATABASE_URL, REDIS_URL) and defaults, and validates.
// A missing key has a default; an unknown one is an error that names line and key. Relative paths are
// relative to the file. An empty file name means defaults alone. No error shows a database or Redis
// address, for it may hold a password.
func Load(file string, getenv func(string) string) (*Config, error) {
	c := &Config{file: file, from: map[string]string{}}
	if file != "" {
		if err := c.read(file); err != nil {
			return nil, err
		}
	}
	if name, ok := strings.CutPrefix(c.Database, "sqlite:"); ok {
		c.Database = "sqlite:" + c.path(name)
	}
	c.override("database", &c.Database, "DATABASE_URL", getenv)
	c.override("redis", &c.Redis, "REDIS_URL", getenv)
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8443")
	c.Admin = cmp.Or(c.Admin, "127.0.0.1:9443")
	c.LogText = cmp.Or(c.LogText, "info")
	c.Data = c.path(cmp.Or(c.Data, "data"))
	c.TLS.Certificate, c.TLS.Key = c.path(c.TLS.Certificate), c.path(c.TLS.Key)
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "portal.db")
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	if len(c.Names) == 0 && !wildcard(c.Listen) {
		c.Names = []string{c.Listen}
	}
	for i, name := range c.Names {
		c.Names[i] = strings.ToLower(strings.TrimSuffix(name, ":443"))
	}
	return c, nil
}

// override lets an environment variable win over the file.
func (c *Config) override(key string, value *string, variable string, getenv func(string) string) {
	if v := getenv(variable); v != "" {
		*value, c.from[key] = v, variable
	}
}

func (c *Config) read(file string) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("settings file %s does not exist: create it, or name another with --config", file)
	}
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict())
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s:%w", file, explain(err))
	}
	if err := dec.Decode(new(Config)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: a second document follows a line of ---: settings are one document, remove the line", file)
	}
	return nil
}

// explain makes one line of what the YAML library says: line, key and cause, without the drawing of the source
// around it, which may show a password.
func explain(err error) error {
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) && unknown.Token != nil {
		return fmt.Errorf("%d: %s is not a setting: remove it, or see receiver/README.md for those there are",
			unknown.Token.Position.Line, keyName(unknown.Token.Value))
	}
	var kind *yaml.TypeError
	if errors.As(err, &kind) && kind.Token != nil {
		return fmt.Errorf("%d: the value is not of the kind that belongs there: see receiver/README.md", kind.Token.Position.Line)
	}
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return fmt.Errorf("%d: %s", at.GetToken().Position.Line, at.GetMessage())
	}
	return fmt.Errorf(" %s", strings.SplitN(err.Error(), "\n", 2)[0])
}

// keyName is a key as it is printed. An address that stands where a key should is not: it may hold a password.
func keyName(key string) string {
	if strings.ContainsAny(key, ":/@ ") {
		return "what stands there"
	}
	return key
}

// path makes a path of the file absolute or relative to the file's directory.
func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) || c.file == "" {
		return p
	}
	return filepath.Join(filepath.Dir(c.file), p)
}

func (c *Config) validate() error {
	for _, a := range []struct{ key, address string }{{"listen", c.Listen}, {"admin", c.Admin}} {
		if _, port, err := net.SplitHostPort(a.address); err != nil || port == "" {
			return c.fault(a.key, "%q is not an address: write HOST:PORT, such as 127.0.0.1:8443", a.address)
		}
	}
	if host, _, _ := net.SplitHostPort(c.Admin); !loopback(host) {
		return c.fault("admin", "%q is open to the network, which health and metrics are not for: write a loopback address, such as 127.0.0.1:9443", c.Admin)
	}
	if c.EmbeddedRedis != "" {
		if host, _, err := net.SplitHostPort(c.EmbeddedRedis); err != nil || !loopback(host) {
			return c.fault("embedded_redis", "%q is not a loopback address with a port, and that Redis has no password: write 127.0.0.1:PORT", c.EmbeddedRedis)
		}
	}
	for _, proxy := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(proxy); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(proxy); err != nil {
			return c.fault("trusted_proxies", "%q is neither an address nor a range: write one such as 10.0.0.7 or 10.0.0.0/24", proxy)
		}
	}
	if err := c.Log.UnmarshalText([]byte(c.LogText)); err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogText) {
		return c.fault("log", "%q is none of debug, info, warn, error", c.LogText)
	}
	if err := c.Freshness.read(c); err != nil {
		return err
	}
	return c.validateStores()
}

func (c *Config) validateStores() error {
	switch scheme, rest, _ := strings.Cut(c.Database, ":"); scheme {
	case "sqlite":
		if rest == "" {
			return c.fault("database", "names no file: write sqlite:FILE")
		}
	case "postgres", "postgresql":
		if u, err := url.Parse(c.Database); err != nil || strings.Contains(u.Path, "@") {
			return c.fault("database", "is not an address: write postgres://USER:PASSWORD@HOST/NAME, with signs such as / and @ in the password as %%2F and %%40")
		}
	default:
		return c.fault("database", "begins with neither sqlite: nor postgres:// : write sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME")
	}
	if c.Redis == "" {
		return nil
	}
	if u, err := url.Parse(c.Redis); err != nil || !slices.Contains([]string{"redis", "rediss", "unix"}, u.Scheme) {
		return c.fault("redis", "is not an address: write redis://:PASSWORD@HOST:6379/0, rediss://… for TLS or unix://PATH, with signs such as / and @ in the password as %%2F and %%40")
	}
	return nil
}

// CheckPublic reports whether everything is named that only the public listener needs.
func (c *Config) CheckPublic() error {
	if c.TLS.Certificate == "" || c.TLS.Key == "" {
		return c.fault("tls", "lacks certificate or key: name both PEM files, for agents and browsers are served over HTTPS only")
	}
	if len(c.Names) == 0 {
		return c.fault("names", "is not set, and listen %q tells no name: write the names under which agents and browsers call, such as portal.lessor.dk", c.Listen)
	}
	return nil
}

func (c *Config) fault(key, format string, args ...any) error {
	where := c.file
	if variable := c.from[key]; variable != "" {
		where, key = "environment", variable
	}
	return fmt.Errorf("%s: %s %s", cmp.Or(where, "settings"), key, fmt.Sprintf(format, args...))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// wildcard reports whether an address means every interface.
func wildcard(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// Package config reads the agent's one settings file: strictly, with a default for everything but the
// receiver's address, the plan and the main system, and with an explanation of each setting.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// DefaultFile is the settings file beside which everything else lies by default.
const DefaultFile = "agent.yaml"

// Config is the settings file. After [Load] its paths are absolute and its defaults filled in.
type Config struct {
	Receiver    string     `yaml:"receiver"`
	MainSystem  MainSystem `yaml:"main_system"`
	Plan        string     `yaml:"plan"`
	State       string     `yaml:"state"`
	Socket      string     `yaml:"socket"`
	Proxy       string     `yaml:"proxy"`
	ExtraCA     string     `yaml:"extra_ca"`
	PollText    string     `yaml:"poll"`
	DeletesText string     `yaml:"deletes"`
	Verify      string     `yaml:"verify"`
	Log         Log        `yaml:"log"`

	// File is the settings file's absolute path.
	File string `yaml:"-"`
	// Poll is what PollText says.
	Poll time.Duration `yaml:"-"`
	// Deletes is what DeletesText says.
	Deletes time.Duration `yaml:"-"`
	// VerifyWindow is what Verify says; zero is never.
	VerifyWindow VerifyWindow `yaml:"-"`
}

// VerifyWindow is a time of day, as durations since midnight of the system's zone; To may be on the next day.
type VerifyWindow struct{ From, To time.Duration }

// MainSystem says where the main system's database is. Exactly one of SQLite and SQLServer is set.
type MainSystem struct {
	SQLite       string `yaml:"sqlite"`
	SQLServer    string `yaml:"sqlserver"`
	PasswordFile string `yaml:"password_file"`
	TrustServer  bool   `yaml:"trust_server_certificate"`
	CA           string `yaml:"ca"`
	BudgetText   string `yaml:"budget"`
	Entra        Entra  `yaml:"entra"`

	// Budget is what BudgetText says, of each minute; 0 is no limit.
	Budget time.Duration `yaml:"-"`
}

// LogValue leaves out the address, which may hold a password.
func (m MainSystem) LogValue() slog.Value {
	if m.SQLServer != "" {
		return slog.StringValue("sqlserver")
	}
	return slog.StringValue(m.SQLite)
}

// Log says what the program tells about itself.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Setting explains one setting.
type Setting struct {
	Key     string
	Meaning string
	Default string // as a person would write it; empty if the setting must be given or is off
}

// Settings explains every setting, in the order of the file.
func Settings() []Setting {
	return []Setting{
		{"receiver", "address of the portal, https://host or https://host:port", ""},
		{"main_system.sqlite", "path of the main system's SQLite database", ""},
		{"main_system.sqlserver", "address of its SQL Server database, sqlserver://LOGIN@HOST:PORT?database=NAME or sqlserver://LOGIN@HOST/INSTANCE?database=NAME; without LOGIN it is the Windows account of the service", ""},
		{"main_system.password_file", "path of a file that holds nothing but the login's password", "PORTALSYNC_MAIN_SYSTEM_PASSWORD of the environment"},
		{"main_system.trust_server_certificate", "true accepts whatever certificate the server shows, so that somebody in between could read along; better give ca", "false"},
		{"main_system.ca", "path of the certificate in PEM that signed the server's, or is the server's own", "the system's certificates"},
		{"main_system.entra.tenant", "id of the Entra ID directory in which the agent logs in to SQL Server", ""},
		{"main_system.entra.client", "id of the application; of a managed identity, when it is not the machine's own", ""},
		{"main_system.entra.secret_file", "path of a file that holds nothing but the application's secret", ""},
		{"main_system.entra.certificate_file", "path of a file with the application's certificate and its key, in PEM", ""},
		{"main_system.entra.managed_identity", "true logs in as the Azure machine that the agent runs on", "false"},
		{"main_system.entra.authority", "address of the login of another cloud than the public one", "https://login.microsoftonline.com/"},
		{"main_system.entra.scope", "what the token is for, in another cloud than the public one", "https://database.windows.net/.default"},
		{"main_system.budget", "how much time of the server's the reads may take in each minute, such as 10s", "no limit"},
		{"plan", "path of the plan: which tables and columns leave the building", "plan.yaml"},
		{"state", "directory of the agent's keys; it holds no payroll data", "state"},
		{"socket", "path of the socket on which a running agent tells its status", "status.sock in the state directory"},
		{"proxy", "URL of an HTTP proxy, user and password included", "HTTPS_PROXY and NO_PROXY of the environment"},
		{"extra_ca", "path of certificates in PEM to trust beside the system's, for a proxy that intercepts TLS", ""},
		{"poll", "time between two looks at a table whose plan says nothing", "2s"},
		{"deletes", "time between two comparisons that find deletes in rowversion mode", "5m"},
		{"verify", "time of day, HH:MM-HH:MM, in which every record of the portal is held against the main system and mended; or never", "01:00-05:00"},
		{"log.level", "least important message to log: debug, info, warn or error", "info"},
		{"log.format", "text or json", "text"},
	}
}

// Load reads a settings file. Relative paths in it are relative to its directory, because a service
// starts in a directory of the system's choice. Errors name file, line and key.
func Load(file string) (*Config, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("find settings file %s: %w", file, err)
	}
	b, err := os.ReadFile(absolute)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("settings file %s does not exist: name another with --config, or write one (agent settings explains every line)", file)
	}
	if err != nil {
		return nil, fmt.Errorf("read settings file: %w", err)
	}
	c := &Config{File: absolute}
	if err := yaml.UnmarshalWithOptions(b, c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s:%w", file, explain(err))
	}
	c.fill()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// explain makes one line of what the YAML library says: line, what is wrong.
func explain(err error) error {
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) && unknown.Token != nil {
		return fmt.Errorf("%d: %s is not a setting: remove it, or see agent settings for those there are",
			unknown.Token.Position.Line, keyName(unknown.Token.Value))
	}
	var kind *yaml.TypeError
	if errors.As(err, &kind) && kind.Token != nil {
		return fmt.Errorf("%d: the value is not of the kind that belongs there: see agent settings", kind.Token.Position.Line)
	}
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		return fmt.Errorf("%d: %s", located.GetToken().Position.Line, located.GetMessage())
	}
	return fmt.Errorf(" %w", err)
}

// keyName is a key as it is printed. An address that stands where a key should is not: it may hold a password.
func keyName(key string) string {
	if strings.ContainsAny(key, ":/@ ") {
		return "what stands there"
	}
	return key
}

// fill puts in the defaults and makes paths absolute.
func (c *Config) fill() {
	dir := filepath.Dir(c.File)
	c.Plan = within(dir, c.Plan, "plan.yaml")
	c.State = within(dir, c.State, "state")
	c.Socket = within(dir, c.Socket, filepath.Join(c.State, "status.sock"))
	c.ExtraCA = within(dir, c.ExtraCA, "")
	c.MainSystem.SQLite = within(dir, c.MainSystem.SQLite, "")
	c.MainSystem.PasswordFile = within(dir, c.MainSystem.PasswordFile, "")
	c.MainSystem.Entra.SecretFile = within(dir, c.MainSystem.Entra.SecretFile, "")
	c.MainSystem.Entra.CertificateFile = within(dir, c.MainSystem.Entra.CertificateFile, "")
	c.MainSystem.CA = within(dir, c.MainSystem.CA, "")
	c.PollText = cmp.Or(c.PollText, "2s")
	c.DeletesText = cmp.Or(c.DeletesText, "5m")
	c.Verify = cmp.Or(c.Verify, "01:00-05:00")
	c.Log.Level = cmp.Or(c.Log.Level, "info")
	c.Log.Format = cmp.Or(c.Log.Format, "text")
}

func within(dir, path, otherwise string) string {
	if path == "" {
		path = otherwise
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func (c *Config) check() error {
	u, err := url.Parse(c.Receiver)
	switch {
	case c.Receiver == "":
		return errors.New("receiver is not set: write the portal's address, https://host")
	case err != nil || u.User != nil:
		return errors.New("receiver is not an address: write https://host or https://host:port")
	case u.Scheme != "https" || u.Host == "" || (u.Path != "" && u.Path != "/"):
		return fmt.Errorf("receiver %q is not an address: write https://host or https://host:port", c.Receiver)
	}
	if err := c.MainSystem.check(); err != nil {
		return err
	}
	if p, err := url.Parse(c.Proxy); c.Proxy != "" && (err != nil || p.Host == "") { // not shown: it may hold a password
		return errors.New("proxy is not an address: write http://USER:PASSWORD@HOST:PORT, with signs such as / and @ in the password as %2F and %40")
	}
	if c.Poll, err = time.ParseDuration(c.PollText); err != nil || c.Poll < 100*time.Millisecond || c.Poll > 24*time.Hour {
		return fmt.Errorf("poll %q is not an interval between 100ms and 24h: write something like 2s", c.PollText)
	}
	if c.Deletes, err = time.ParseDuration(c.DeletesText); err != nil || c.Deletes < time.Second || c.Deletes > 24*time.Hour {
		return fmt.Errorf("deletes %q is not an interval between 1s and 24h: write something like 5m", c.DeletesText)
	}
	if c.VerifyWindow, err = parseWindow(c.Verify); err != nil {
		return err
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log.level %q is none of debug, info, warn, error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return fmt.Errorf("log.format %q is neither text nor json", c.Log.Format)
	}
	return nil
}

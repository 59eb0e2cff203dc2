package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// secret stands in addresses of these tests; no error may show it.
const secret = "hemmelig"

func TestLoad(t *testing.T) {
	tests := map[string]struct {
		text string
		env  map[string]string
		want string // part of the error
	}{
		"an empty file":          {},
		"a comment alone":        {text: "# nothing set\n"},
		"an unknown key":         {text: "log: info\nlistn: x\n", want: "r.yaml:2: listn is not a setting: remove it"},
		"an unknown inner key":   {text: "tls:\n  cert: x\n", want: "r.yaml:2: cert is not a setting"},
		"a key given twice":      {text: "log: info\nlog: warn\n", want: "r.yaml:2: "},
		"a second document":      {text: "---\nlog: info\n---\nlog: warn\n", want: "r.yaml: a second document"},
		"not YAML":               {text: "listen: [", want: "r.yaml:1: "},
		"a list for a word":      {text: "database:\n  - postgres://u:" + secret + "@h/db\n", want: "r.yaml:2: the value is not of the kind"},
		"an address for a key":   {text: "postgres://u:" + secret + "@h/db: x\n", want: "r.yaml:1: what stands there is not a setting"},
		"an address alone":       {text: "postgres://u:" + secret + "@h/db\n", want: "r.yaml:1: "},
		"an unknown key below":   {text: "database: postgres://u:" + secret + "@h/db\nx: y\n", want: "r.yaml:2: x is not"},
		"a listener no address":  {text: "listen: 8443\n", want: `r.yaml: listen "8443" is not an address`},
		"an open admin":          {text: "admin: 0.0.0.0:9443\n", want: `r.yaml: admin "0.0.0.0:9443" is open to the network`},
		"an open embedded Redis": {text: "embedded_redis: 10.0.0.1:6379\n", want: "r.yaml: embedded_redis"},
		"a proxy no address":     {text: "trusted_proxies: [proxy]\n", want: `r.yaml: trusted_proxies "proxy" is neither`},
		"proxies":                {text: "trusted_proxies: [10.0.0.7, 10.1.0.0/16, '::1']\n"},
		"an unknown level":       {text: "log: loud\n", want: `r.yaml: log "loud" is none of`},
		"a limit in words":       {text: "freshness:\n  late_after: soon\n", want: `r.yaml: freshness.late_after "soon" is not a time between 10s and 24h`},
		"a limit too short":      {text: "freshness:\n  offline_after: 5s\n", want: `r.yaml: freshness.offline_after "5s" is not a time between 1m and 24h`},
		"a limit of a fraction":  {text: "freshness:\n  late_after: 90500ms\n", want: "write whole seconds"},
		"a warning before all":   {text: "freshness:\n  data_late_after: 48h\n", want: "r.yaml: freshness.data_stale_after (24h0m0s) is shorter than data_late_after (48h0m0s)"},
		"limits":                 {text: "freshness: {offline_after: 5m, late_after: 10m, data_late_after: 2h, data_stale_after: 48h}\n"},
		"another database":       {text: "database: mysql://u:" + secret + "@h/db\n", want: "r.yaml: database begins with neither"},
		"a database no file":     {text: "database: 'sqlite:'\n", want: "r.yaml: database names no file"},
		"a sign in a password":   {text: "database: postgres://u:x/" + secret + "@h/db\n", want: "r.yaml: database is not an address: write postgres://USER:PASSWORD@HOST/NAME, with signs such as / and @ in the password as %2F and %40"},
		"an at sign too many":    {text: "database: postgres://u:x@y/" + secret + "@h/db\n", want: "r.yaml: database is not an address"},
		"a database of a socket": {text: "database: postgres:///portal?host=/run/postgresql\n"},
		"another queue":          {text: "redis: amqp://u:" + secret + "@h\n", want: "r.yaml: redis is not an address"},
		"a password's sign":      {text: "redis: redis://:x/" + secret + "@h\n", want: "r.yaml: redis is not an address"},
		"a database of the environment": {
			text: "database: sqlite:x.db\n", env: map[string]string{"DATABASE_URL": "oracle:" + secret},
			want: "environment: DATABASE_URL begins with neither",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("r.yaml", []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load("r.yaml", func(key string) string { return tt.env[key] })
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Load = %v", err)
			case tt.want == "":
			case err == nil || !strings.Contains(err.Error(), tt.want):
				t.Errorf("Load = %v, want %q", err, tt.want)
			case strings.Contains(err.Error(), "\n"), strings.Contains(err.Error(), secret):
				t.Errorf("Load = %v, want one line without the password", err)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.yaml")
	if err := os.WriteFile(file, []byte("names: ['Portal.LESSOR.dk:443', 'portal:8443']\ntls: {certificate: c.pem, key: /etc/k.pem}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	want := &Config{
		Listen: "127.0.0.1:8443", Admin: "127.0.0.1:9443", Names: []string{"portal.lessor.dk", "portal:8443"},
		Data: filepath.Join(dir, "data"), Database: "sqlite:" + filepath.Join(dir, "data", "portal.db"),
		TLS: TLS{Certificate: filepath.Join(dir, "c.pem"), Key: "/etc/k.pem"}, LogText: "info", Log: slog.LevelInfo,
		Freshness: Freshness{Offline: 90 * time.Second, Late: 2 * time.Minute, DataLate: 30 * time.Minute, DataStale: 24 * time.Hour},
	}
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".file" || p.Last().String() == ".from" }, cmp.Ignore())); diff != "" {
		t.Errorf("Load differs (-want +got):\n%s", diff)
	}
	if err := got.CheckPublic(); err != nil {
		t.Errorf("CheckPublic = %v", err)
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "r.yaml")
	if err := os.WriteFile(file, []byte("database: sqlite:own.db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, func(string) string { return "" })
	if err != nil || c.Database != "sqlite:"+filepath.Join(dir, "own.db") {
		t.Errorf("Load = %+v, %v, want the database beside the settings", c, err)
	}
}

func TestCheckPublic(t *testing.T) {
	const tls = "tls: {certificate: c, key: k}\n"
	tests := map[string]struct{ text, want string }{
		"all there is":              {text: tls},
		"no certificate":            {text: "tls: {key: k}\n", want: "tls lacks certificate or key"},
		"no key":                    {text: "tls: {certificate: c}\n", want: "tls lacks certificate or key"},
		"no name, every interface":  {text: tls + "listen: ':8443'\n", want: "names is not set"},
		"no name, all of IPv6":      {text: tls + "listen: '[::]:8443'\n", want: "names is not set"},
		"a name, every interface":   {text: tls + "listen: ':8443'\nnames: [portal.lessor.dk]\n"},
		"the listen address's name": {text: tls + "listen: 'portal.lessor.dk:443'\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("r.yaml", []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load("r.yaml", func(string) string { return "" })
			if err != nil {
				t.Fatal(err)
			}
			err = c.CheckPublic()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), "r.yaml: "+tt.want) {
				t.Errorf("CheckPublic = %v, want %q", err, tt.want)
			}
		})
	}
}

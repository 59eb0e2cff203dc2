package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const good = "receiver: https://portal.example\nmain_system:\n  sqlite: main.db\n"

const entraGood = "receiver: https://x\nmain_system:\n  sqlserver: sqlserver://h?database=d\n  entra: {tenant: t, client: c, secret_file: s}\n"

func TestLoad(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"the least there must be":             {text: good},
		"an unknown setting":                  {text: good + "pol: 2s\n", want: "agent.yaml:4: pol is not a setting"},
		"an unknown inner one":                {text: good + "log:\n  levle: info\n", want: "agent.yaml:5: levle is not a setting"},
		"no receiver":                         {text: "main_system: {sqlite: x}\n", want: "agent.yaml: receiver is not set"},
		"a receiver without TLS":              {text: strings.Replace(good, "https", "http", 1), want: `receiver "http://portal.example" is not an address`},
		"no main system":                      {text: "receiver: https://x\n", want: "main_system is not set"},
		"two main systems":                    {text: good + "  sqlserver: sqlserver://h?database=d\n", want: "main_system names two databases"},
		"no address":                          {text: strings.Replace(good, "sqlite: main.db", "sqlserver: 'Server=h;Password=hemmelig'", 1), want: "main_system.sqlserver is not an address"},
		"no database":                         {text: strings.Replace(good, "sqlite: main.db", "sqlserver: sqlserver://h", 1), want: "main_system.sqlserver is not an address"},
		"trust and a certificate":             {text: good + "  trust_server_certificate: true\n  ca: x.pem\n", want: "keep ca and remove trust_server_certificate"},
		"a login and Entra ID":                {text: entraGood + "  password_file: p\n", want: "main_system has both a login and entra"},
		"a login in the address and Entra ID": {text: strings.Replace(entraGood, "//h", "//u:p@h", 1), want: "main_system has both a login and entra"},
		"Entra ID":                            {text: entraGood},
		"two ways of Entra ID":                {text: strings.Replace(entraGood, "client: c", "client: c, managed_identity: true", 1), want: "needs one way to log in"},
		"Entra ID for nobody":                 {text: strings.Replace(entraGood, "client: c, ", "", 1), want: "names no application"},
		"an authority without TLS":            {text: strings.Replace(entraGood, "client: c", "client: c, authority: 'http://x'", 1), want: "main_system.entra.authority is not an address"},
		"more than a minute":                  {text: good + "  budget: 2m\n", want: `main_system.budget "2m" is not a part of a minute`},
		"a word for a duration":               {text: good + "poll: often\n", want: `agent.yaml: poll "often" is not an interval`},
		"deletes too often":                   {text: good + "deletes: 2ms\n", want: `deletes "2ms" is not an interval between 1s and 24h`},
		"a poll too short":                    {text: good + "poll: 1ms\n", want: `poll "1ms" is not an interval`},
		"a night over midnight":               {text: good + "verify: 23:30-04:00\n"},
		"no verification":                     {text: good + "verify: never\n"},
		"a word for a time":                   {text: good + "verify: at night\n", want: `verify "at night" is not a time of day`},
		"an hour that is none":                {text: good + "verify: 23:30-24:30\n", want: `verify "23:30-24:30" is not a time of day`},
		"a window that is empty":              {text: good + "verify: 03:00-03:00\n", want: `verify "03:00-03:00" is not a time of day`},
		"a wrong level":                       {text: good + "log: {level: loud}\n", want: `log.level "loud" is none of`},
		"a wrong format":                      {text: good + "log: {format: xml}\n", want: `log.format "xml" is neither`},
		"a key given twice":                   {text: good + "receiver: https://y\n", want: "agent.yaml:4: "},
		"not YAML":                            {text: "receiver: [", want: "agent.yaml:1: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("agent.yaml", []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load("agent.yaml")
			switch {
			case tt.want == "" && err != nil:
				t.Fatalf("Load = %v", err)
			case tt.want == "":
				if !filepath.IsAbs(c.MainSystem.SQLite+c.MainSystem.Entra.SecretFile) || c.Poll == 0 || c.Log.Level != "info" {
					t.Errorf("Load = %+v, want absolute paths and defaults", c)
				}
			case err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n"):
				t.Errorf("Load = %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestMissingFileSaysWhatToDo(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "agent.yaml"))
	if err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("Load = %v, want a hint at --config", err)
	}
}

func TestEverySettingIsExplained(t *testing.T) {
	var keys []string
	for _, s := range Settings() {
		keys = append(keys, s.Key)
	}
	var walk func(typ reflect.Type, prefix string)
	walk = func(typ reflect.Type, prefix string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := f.Tag.Get("yaml")
			switch {
			case name == "-":
			case f.Type.Kind() == reflect.Struct:
				walk(f.Type, prefix+name+".")
			case !slices.Contains(keys, prefix+name):
				t.Errorf("setting %s is not explained", prefix+name)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
}

func TestPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hem@lig/1\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		m           MainSystem
		environment string
		want, err   string
	}{
		"in a file":                    {m: MainSystem{SQLServer: "sqlserver://agent@h?database=d", PasswordFile: file}, want: "sqlserver://agent:hem%40lig%2F1@h?database=d"},
		"in the environment":           {m: MainSystem{SQLServer: "sqlserver://agent@h?database=d"}, environment: "x", want: "sqlserver://agent:x@h?database=d"},
		"in the address":               {m: MainSystem{SQLServer: "sqlserver://agent:y@h?database=d"}, environment: "x", want: "sqlserver://agent:y@h?database=d"},
		"nowhere":                      {m: MainSystem{SQLServer: "sqlserver://agent@h?database=d"}, err: "the password of login agent is not set"},
		"none for the Windows account": {m: MainSystem{SQLServer: "sqlserver://h?database=d"}, environment: "x", want: "sqlserver://h?database=d"},
		"in a file that is not there":  {m: MainSystem{SQLServer: "sqlserver://agent@h?database=d", PasswordFile: file + "2"}, err: "does not exist"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PORTALSYNC_MAIN_SYSTEM_PASSWORD", tt.environment)
			got, err := tt.m.Address()
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Address = %q, %v, want %q, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// What the compose file runs must exist: it is used where containers are, which is not where the tests run.
func TestComposeRunsWhatExists(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("sqlserver", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Command     []string          `yaml:"command"`
			Environment map[string]string `yaml:"environment"`
			DependsOn   map[string]any    `yaml:"depends_on"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for name, s := range file.Services {
		for other := range s.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("service %s waits for %s, which is none", name, other)
			}
		}
	}
	suite := file.Services["suite"]
	packages := 0
	for _, arg := range suite.Command {
		if dir, ok := strings.CutPrefix(arg, "./"); ok {
			packages++
			dir = filepath.Join("..", strings.TrimSuffix(dir, "/..."))
			tests, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
			if err != nil || !strings.Contains(contents(t, tests), "TEST_SQLSERVER_DSN") {
				t.Errorf("no test of %s asks for TEST_SQLSERVER_DSN, %v", arg, err)
			}
		}
	}
	if packages == 0 || !strings.HasPrefix(suite.Environment["TEST_SQLSERVER_DSN"], "sqlserver://") {
		t.Errorf("the suite runs %d packages with %q", packages, suite.Environment["TEST_SQLSERVER_DSN"])
	}
}

func contents(t *testing.T, files []string) string {
	t.Helper()
	var all strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

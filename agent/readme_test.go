package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lessor.dk/portalsync/agent/config"
)

// TestReadmeHasEverySettingAndCode holds README.md to the code: customer IT finds in it what the program says.
func TestReadmeHasEverySettingAndCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Settings() {
		if !strings.Contains(string(readme), "| `"+s.Key+"` |") {
			t.Errorf("README.md has no line for the setting %s", s.Key)
		}
	}
	table := string(readme)[strings.Index(string(readme), "| code |"):]
	for file, names := range map[string]string{
		"push/trouble.go":            "^Trouble",
		"doctor/doctor.go":           "^Code",
		"source/sqlserver/survey.go": "^Code",
		"capture/trouble.go":         "^code",
		"inbox/inbox.go":             "^code",
		"../protocol/answer.go":      "^Code",
	} {
		for _, code := range stringConstants(t, file, regexp.MustCompile(names)) {
			if !strings.Contains(table, "`"+code+"`") {
				t.Errorf("README.md does not say what to do about %s, which is in %s", code, file)
			}
		}
	}
}

// stringConstants returns the values of the string constants of a file whose names match.
func stringConstants(t *testing.T, file string, names *regexp.Regexp) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !names.MatchString(spec.Names[0].Name) {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constant that matches %s", file, names)
	}
	return values
}

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lessor.dk/portalsync/receiver/config"
)

// TestReadmeHasEverySettingCodeAndMetric holds README.md to the code: operations find in it what the program says.
func TestReadmeHasEverySettingCodeAndMetric(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range settingKeys(reflect.TypeFor[config.Config](), "") {
		if !strings.Contains(string(readme), "`"+key+"`") {
			t.Errorf("README.md has no line for the setting %s", key)
		}
	}
	for file, names := range map[string]string{"health.go": "^trouble", "../protocol/answer.go": "^Code", "store/cause.go": "^Cause"} {
		for _, code := range stringConstants(t, file, regexp.MustCompile(names)) {
			if !strings.Contains(string(readme), "`"+code+"`") {
				t.Errorf("README.md does not say what to do about %s, which is in %s", code, file)
			}
		}
	}
	for _, metric := range metricNames(t, "health.go", "ingest/metrics.go", "writer/metrics.go") {
		if !strings.Contains(string(readme), "`"+metric) {
			t.Errorf("README.md does not explain the metric %s", metric)
		}
	}
}

func settingKeys(typ reflect.Type, prefix string) []string {
	var keys []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		switch key := f.Tag.Get("yaml"); {
		case key == "-", key == "":
		case f.Type.Kind() == reflect.Struct:
			keys = append(keys, settingKeys(f.Type, prefix+key+".")...)
		default:
			keys = append(keys, prefix+key)
		}
	}
	return keys
}

// metricNames returns the names of our own metrics in files.
func metricNames(t *testing.T, files ...string) []string {
	t.Helper()
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`"(portalsync_[a-z_]+)"`).FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s has no metric", file)
		}
		for _, m := range found {
			names = append(names, m[1])
		}
	}
	return names
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

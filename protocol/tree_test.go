package protocol_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the repository, seen from this package.
const root = ".."

// goFile is one parsed Go file of the module.
type goFile struct {
	path    string // from the root, with slashes
	test    bool
	ast     *ast.File
	imports []string
	lines   int
}

// packagePath is the file's package, from the root.
func (f goFile) packagePath() string { return path.Dir(f.path) }

// selectors lists what the file names as package.Name or value.Name.
func (f goFile) selectors() []string {
	var names []string
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				names = append(names, x.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	return names
}

// goFiles parses the module. A go list subprocess would be served from the test cache and see an old tree.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f := goFile{path: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"), ast: parsed, lines: bytes.Count(src, []byte{'\n'})}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTopLevelIsFixed(t *testing.T) {
	want := []string{"README.md", "agent", "go.mod", "go.sum", "installer", "protocol", "receiver"}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the top level holds %v, want %v and dotfiles", got, want)
	}
}

// TestEveryPackageHasOneComment wants it in a file that is no test, unless the package has only tests.
func TestEveryPackageHasOneComment(t *testing.T) {
	files := goFiles(t)
	programs := map[string]bool{}
	for _, f := range files {
		programs[f.packagePath()] = programs[f.packagePath()] || !f.test
	}
	comments := map[string][]string{}
	for _, f := range files {
		if _, met := comments[f.packagePath()]; !met {
			comments[f.packagePath()] = nil
		}
		if f.ast.Doc == nil {
			continue
		}
		if f.test && programs[f.packagePath()] {
			t.Errorf("%s: the package comment belongs to a file that is no test", f.path)
			continue
		}
		comments[f.packagePath()] = append(comments[f.packagePath()], f.path)
	}
	for pkg, files := range comments {
		if len(files) != 1 {
			t.Errorf("package %s has %d package comments %v, want 1", pkg, len(files), files)
		}
	}
}

func TestNoFileIsLong(t *testing.T) {
	const longest = 400
	for _, f := range goFiles(t) {
		if f.lines > longest {
			t.Errorf("%s has %d lines, at most %d: split it by noun", f.path, f.lines, longest)
		}
	}
}

func TestNoPackageIsAGrabBag(t *testing.T) {
	bad := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "internal", "pkg", "cmd"}
	for _, f := range goFiles(t) {
		for _, part := range strings.Split(f.packagePath(), "/") {
			if slices.Contains(bad, part) {
				t.Errorf("%s: a package is a noun of the domain, not %s", f.path, part)
			}
		}
	}
}

// migration is how a migration's file is called: 00001_name.sql.
var migration = regexp.MustCompile(`^(\d{5})_([a-z0-9_]+)\.sql$`)

func TestMigrationsAreNumberedOnce(t *testing.T) {
	names := map[string][]string{}
	dialects, err := filepath.Glob(filepath.Join(root, "receiver", "store", "migrations", "*"))
	if err != nil || len(dialects) == 0 {
		t.Fatalf("no migrations found (%v)", err)
	}
	for _, dir := range dialects {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			parts := migration.FindStringSubmatch(e.Name())
			if parts == nil {
				t.Errorf("%s/%s is not called 00001_name.sql", dir, e.Name())
				continue
			}
			if want := fmt.Sprintf("%05d", i+1); parts[1] != want {
				t.Errorf("%s/%s: the next number is %s", dir, e.Name(), want)
			}
			names[dir] = append(names[dir], e.Name())
		}
	}
	for _, dir := range dialects {
		if !slices.Equal(names[dir], names[dialects[0]]) {
			t.Errorf("%s and %s hold different migrations: %v, %v", dir, dialects[0], names[dir], names[dialects[0]])
		}
	}
}

// constants returns the string constants a file of this package declares with the named type; "" for untyped ones.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, decl := range parsed.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			name, _ := value.Type.(*ast.Ident)
			if (name == nil) != (typ == "") || name != nil && name.Name != typ {
				continue
			}
			for _, v := range value.Values {
				found = append(found, literals(t, v))
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s declares no constants of type %q", file, typ)
	}
	return found
}

// literals joins the string literals of an expression; a named part counts as the base path.
func literals(t *testing.T, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
		return e.Value
	case *ast.BinaryExpr:
		return literals(t, e.X) + literals(t, e.Y)
	case *ast.Ident:
		if e.Name == "BasePath" {
			return "/synchronization"
		}
	}
	return ""
}

package protocol_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const module = "lessor.dk/portalsync"

// layers is the architecture: every package of the module and which of the others it may import.
// An import that is not here, a package that is not here, and a line nobody uses any more all fail.
var layers = map[string][]string{
	"protocol":              {"protocol/record"},
	"protocol/protocoltest": {"protocol", "protocol/record"},
	"protocol/record":       {},

	"agent":                              {"protocol", "agent/capture", "agent/config", "agent/daemon", "agent/doctor", "agent/keystore", "agent/plan", "agent/push", "agent/mainsystem"},
	"agent/capture":                      {"protocol", "protocol/record", "agent/source"},
	"agent/config":                       {},
	"agent/daemon":                       {"protocol", "agent/capture", "agent/config", "agent/inbox", "agent/keystore", "agent/plan", "agent/push", "agent/mainsystem"},
	"agent/doctor":                       {"protocol", "agent/config", "agent/daemon", "agent/keystore", "agent/plan", "agent/push", "agent/mainsystem"},
	"agent/entra":                        {},
	"agent/inbox":                        {"protocol", "agent/source"},
	"agent/keystore":                     {"protocol"},
	"agent/mainsystem":                   {"protocol", "agent/config", "agent/entra", "agent/plan", "agent/source", "agent/source/sqlite", "agent/source/sqlserver", "agent/source/sqlserver/conformance"},
	"agent/plan":                         {"protocol", "protocol/record", "agent/source", "agent/source/cell"},
	"agent/push":                         {"protocol"},
	"agent/source":                       {"protocol", "protocol/record"},
	"agent/source/cell":                  {"protocol", "protocol/record"},
	"agent/source/sourcetest":            {"protocol", "agent/plan", "agent/source"},
	"agent/source/sqlserver":             {"protocol", "protocol/record", "agent/plan", "agent/source", "agent/source/cell", "agent/source/relational"},
	"agent/source/sqlserver/conformance": {"protocol", "agent/plan", "agent/source", "agent/source/sourcetest", "agent/source/sqlserver"},
	"agent/source/relational":            {"protocol", "protocol/record", "agent/plan", "agent/source", "agent/source/cell"},
	"agent/source/sqlite":                {"protocol", "protocol/record", "agent/plan", "agent/source", "agent/source/relational"},

	"receiver":                 {"protocol", "receiver/config", "receiver/identity", "receiver/ingest", "receiver/keyring", "receiver/queue", "receiver/store", "receiver/web", "receiver/web/ui", "receiver/writer"},
	"receiver/config":          {},
	"receiver/e2e":             {},
	"receiver/identity":        {"protocol"},
	"receiver/ingest":          {"protocol", "receiver/queue", "receiver/store"},
	"receiver/keyring":         {"protocol"},
	"receiver/queue":           {"protocol"},
	"receiver/report":          {"protocol", "receiver/identity"},
	"receiver/store":           {"protocol", "protocol/record", "receiver/identity", "receiver/report"},
	"receiver/store/storetest": {"protocol", "protocol/protocoltest", "protocol/record", "receiver/identity", "receiver/report", "receiver/store"},
	"receiver/testenv":         {},
	"receiver/web":             {"protocol", "receiver/identity", "receiver/store", "receiver/web/employee", "receiver/web/operations", "receiver/web/public", "receiver/web/ui"},
	"receiver/web/employee":    {"protocol", "receiver/identity", "receiver/report", "receiver/store", "receiver/web/ui"},
	"receiver/web/operations":  {"protocol", "protocol/record", "receiver/store", "receiver/web/ui"},
	"receiver/web/public":      {"receiver/identity", "receiver/web/ui"},
	"receiver/web/ui":          {"protocol", "receiver/identity", "receiver/store"},
	"receiver/writer":          {"protocol", "protocol/record", "receiver/queue", "receiver/report", "receiver/store"},

	"installer":                     {"installer/bench", "installer/demo", "installer/demo/adventureworks", "installer/suite"},
	"installer/bench":               {"protocol", "agent/plan", "agent/source", "agent/source/sqlite", "agent/source/sqlserver", "receiver/store", "installer/demo/company", "installer/stage"},
	"installer/compare":             {"protocol", "protocol/record", "agent/source"},
	"installer/demo":                {"protocol", "agent/plan", "agent/source", "agent/source/sqlite", "agent/source/sqlserver", "installer/compare", "installer/demo/company", "installer/stage"},
	"installer/demo/adventureworks": {"agent/source/sqlite"},
	"installer/demo/company":        {},
	"installer/stage":               {},
	"installer/services":            {"agent/source/sqlite", "installer/stage"},
	"installer/suite":               {"installer/services"},
}

// testLayers is what tests may import besides: test environments, and the other side where both are tested together.
// receiver/e2e stages the built programs as the installer does, asks the agent's socket, and signs with its key.
var testLayers = map[string][]string{
	"protocol":               {"protocol/protocoltest"},
	"agent":                  {"agent/source/sqlite"},
	"agent/source/sqlite":    {"agent/inbox", "agent/source/sourcetest"},
	"agent/source/sqlserver": {"agent/capture", "agent/source/sqlserver/conformance"},
	"receiver/e2e":           {"protocol", "agent/capture", "agent/daemon", "agent/inbox", "agent/keystore", "agent/plan", "agent/push", "agent/source/sqlite", "agent/source/sqlserver", "receiver/identity", "receiver/ingest", "receiver/keyring", "receiver/queue", "receiver/report", "receiver/store", "receiver/store/storetest", "receiver/testenv", "receiver/web", "receiver/writer", "installer/compare", "installer/stage"},
	"receiver/ingest":        {"protocol/protocoltest", "receiver/keyring", "receiver/testenv"},
	"receiver/queue":         {"receiver/testenv"},
	"receiver/store":         {"protocol/protocoltest", "receiver/store/storetest", "receiver/testenv"},
	"receiver/web":           {"receiver/report", "receiver/store/storetest"},
	"receiver/writer":        {"protocol/protocoltest", "receiver/keyring", "receiver/testenv"},
	"installer/compare":      {"agent/plan", "agent/source/sqlite"},
	"installer/demo/company": {"agent/plan"},
}

// symbols may be used by these packages only, tests aside: each is a rule of the design that imports cannot say.
var symbols = map[string][]string{
	"protocol.NewOpener":  {"receiver/writer"},                  // only the writer opens what capture sealed
	"protocol.NewDecoder": {"receiver/writer"},                  // and only it reads rows from the wire
	"protocol.NewEncoder": {"agent/capture", "receiver/writer"}, // cuts and chunks; dead letters
	"protocol.NewSealer":  {"agent/push", "receiver/writer"},    // batches; dead letters
}

// forTests are packages that hold promises or builders for tests: symbols and outside do not bind them.
var forTests = []string{"protocol/protocoltest", "receiver/store/storetest", "receiver/testenv"}

// outside may be imported by these packages only, tests aside: a dependency stays behind one door.
var outside = map[string][]string{
	"crypto/hpke":                           {"protocol"},
	"github.com/Azure/azure-sdk-for-go":     {"agent/entra"},
	"github.com/alicebob/miniredis/v2":      {"receiver/queue"},
	"github.com/cespare/xxhash/v2":          {"protocol"},
	"github.com/gin-gonic/gin":              {"receiver/ingest", "receiver/web", "receiver/web/employee", "receiver/web/operations", "receiver/web/public", "receiver/web/ui"},
	"github.com/goccy/go-yaml":              {"agent/config", "agent/plan", "receiver/config"},
	"github.com/hashicorp/go-retryablehttp": {"agent/push"},
	"github.com/kardianos/service":          {"agent/daemon"},
	"github.com/klauspost/compress":         {"protocol"},
	"github.com/microsoft/go-mssqldb":       {"agent/source/sqlserver", "installer/bench", "installer/demo/company"},
	"github.com/pressly/goose/v3":           {"receiver/store"},
	"github.com/redis/go-redis/v9":          {"receiver", "receiver/queue"},
}

// never lists what a package and those below it must not import, tests aside.
var never = map[string][]string{
	"protocol/record": {"net/http", "database/sql"},
	"agent/capture":   {"net/http", "database/sql"}, // the state machine knows neither wire nor database
	"agent/inbox":     {"net/http", "database/sql"},
	"agent/plan":      {"net/http", "database/sql"},
	"agent/source":    {"net/http"}, // a source never sees HTTP
	"agent/push":      {"database/sql"},
	"receiver/queue":  {"net/http", "database/sql"},
	"receiver/writer": {"net/http", "database/sql"}, // its SQL is the store's
	"receiver/store":  {"net/http"},
	"receiver/web":    {"database/sql"},
}

func TestLayers(t *testing.T) {
	used, usedInTests, exists := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, f := range goFiles(t) {
		pkg := f.packagePath()
		exists[pkg] = true
		allowed, listed := layers[pkg]
		if !listed {
			t.Errorf("%s: package %s is not in the table of layers", f.path, pkg)
			continue
		}
		for _, imported := range f.imports {
			other, ours := strings.CutPrefix(imported, module+"/")
			switch {
			case !ours:
			case !f.test && slices.Contains(allowed, other):
				used[pkg+" "+other] = true
			case f.test && (other == pkg || slices.Contains(allowed, other)):
			case f.test && slices.Contains(testLayers[pkg], other):
				usedInTests[pkg+" "+other] = true
			default:
				t.Errorf("%s imports %s, which its layer may not", f.path, other)
			}
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(layers)) {
		if !exists[pkg] {
			t.Errorf("the table lists %s, which does not exist", pkg)
			continue
		}
		stale(t, "layers", pkg, layers[pkg], used)
		stale(t, "testLayers", pkg, testLayers[pkg], usedInTests)
	}
	for pkg := range testLayers {
		if _, listed := layers[pkg]; !listed {
			t.Errorf("testLayers lists %s, which layers does not", pkg)
		}
	}
}

func stale(t *testing.T, table, pkg string, allowed []string, used map[string]bool) {
	t.Helper()
	for _, other := range allowed {
		if !used[pkg+" "+other] {
			t.Errorf("%s lets %s import %s, which it does not", table, pkg, other)
		}
	}
}

// TestTheTwoSidesShareOnlyTheProtocol holds the table itself to the design's first rule. The installer, which
// stages and measures both sides, may import either; tests of both sides together stand in receiver/e2e.
func TestTheTwoSidesShareOnlyTheProtocol(t *testing.T) {
	side := func(pkg string) string { first, _, _ := strings.Cut(pkg, "/"); return first }
	for pkg, allowed := range layers {
		for _, other := range allowed {
			if side(pkg) != "installer" && side(other) != side(pkg) && side(other) != "protocol" {
				t.Errorf("layers lets %s import %s, of another side", pkg, other)
			}
		}
	}
	for pkg, allowed := range testLayers {
		for _, other := range allowed {
			if pkg != "receiver/e2e" && side(pkg) != "installer" && side(other) != side(pkg) && side(other) != "protocol" {
				t.Errorf("testLayers lets %s import %s, of another side", pkg, other)
			}
		}
	}
}

// bound reports whether the file belongs to a program rather than to tests.
func (f goFile) bound() bool { return !f.test && !slices.Contains(forTests, f.packagePath()) }

func TestOutsideStaysBehindItsDoor(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		for _, imported := range f.imports {
			for dependency, allowed := range outside {
				if imported != dependency && !strings.HasPrefix(imported, dependency+"/") {
					continue
				}
				if !f.bound() {
					continue
				}
				seen[dependency+" "+f.packagePath()] = true
				if !slices.Contains(allowed, f.packagePath()) {
					t.Errorf("%s imports %s, which is for %v", f.path, imported, allowed)
				}
			}
		}
	}
	for dependency, allowed := range outside {
		for _, pkg := range allowed {
			if !seen[dependency+" "+pkg] {
				t.Errorf("outside lets %s import %s, which it does not", pkg, dependency)
			}
		}
	}
}

func TestNeverIsNever(t *testing.T) {
	met := map[string]bool{}
	for _, f := range goFiles(t) {
		for pkg, forbidden := range never {
			if f.packagePath() != pkg && !strings.HasPrefix(f.packagePath(), pkg+"/") {
				continue
			}
			met[pkg] = true
			for _, imported := range f.imports {
				if f.bound() && slices.Contains(forbidden, imported) {
					t.Errorf("%s imports %s, which %s never does", f.path, imported, pkg)
				}
			}
		}
	}
	for pkg := range never {
		if !met[pkg] {
			t.Errorf("never lists %s, which does not exist", pkg)
		}
	}
}

func TestSymbolsStayInTheirPackages(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		if !f.bound() {
			continue
		}
		for _, used := range f.selectors() {
			allowed, ruled := symbols[used]
			if !ruled {
				continue
			}
			seen[used+" "+f.packagePath()] = true
			if !slices.Contains(allowed, f.packagePath()) {
				t.Errorf("%s uses %s, which is for %v", f.path, used, allowed)
			}
		}
	}
	for used, allowed := range symbols {
		for _, pkg := range allowed {
			if !seen[used+" "+pkg] {
				t.Errorf("symbols lets %s use %s, which it does not", pkg, used)
			}
		}
	}
}

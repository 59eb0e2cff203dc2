package protocol_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "lessor.dk/portalsync"

// layers is the architecture: every package of the module and which of the others it may import.
// An import that is not here, a package that is not here, and a line nobody uses any more all fail.
var layers = map[string][]string{
	"protocol":              {"protocol/record"},
	"protocol/record":       {},
	"protocol/protocoltest": {"protocol", "protocol/record"},

	"agent":                   {"agent/capture", "agent/config", "agent/daemon", "agent/doctor", "agent/inbox", "agent/keystore", "agent/plan", "agent/push", "agent/source/sqlite", "protocol"},
	"agent/config":            {"agent/plan"},
	"agent/keystore":          {"protocol"},
	"agent/plan":              {"agent/source", "agent/source/cell", "protocol", "protocol/record"},
	"agent/source":            {"protocol", "protocol/record"},
	"agent/source/cell":       {"protocol", "protocol/record"},
	"agent/source/sqlite":     {"agent/plan", "agent/source", "agent/source/cell", "protocol", "protocol/record"},
	"agent/source/sourcetest": {"agent/plan", "agent/source", "protocol"},
	"agent/capture":           {"agent/source", "protocol", "protocol/record"},
	"agent/push":              {"agent/keystore", "protocol"},
	"agent/inbox":             {"protocol"},
	"agent/doctor":            {"agent/config", "agent/keystore", "agent/plan", "agent/push", "agent/source/sqlite", "protocol"},
	"agent/daemon":            {"protocol"},

	"receiver":          {"receiver/config", "receiver/ingest", "receiver/keyring", "receiver/queue", "receiver/store", "receiver/web", "receiver/writer", "protocol"},
	"receiver/config":   {},
	"receiver/keyring":  {"protocol"},
	"receiver/ingest":   {"protocol", "receiver/queue", "receiver/store"},
	"receiver/queue":    {"protocol"},
	"receiver/writer":   {"protocol", "receiver/queue", "receiver/store"},
	"receiver/store":    {"protocol", "protocol/record", "receiver/identity", "receiver/report"},
	"receiver/identity": {"protocol"},
	"receiver/report":   {"protocol", "receiver/identity"},
	"receiver/web":      {"protocol", "receiver/identity", "receiver/report", "receiver/store", "receiver/web/ui"},
	"receiver/web/ui":   {},
	"receiver/testenv":  {},

	"installer":       {"installer/bench", "installer/demo", "installer/suite"},
	"installer/bench": {"protocol", "protocol/record"},
	"installer/demo":  {"protocol", "protocol/record"},
	"installer/suite": {},
}

// testLayers is what tests may import besides: test environments, and the other side where both are tested together.
var testLayers = map[string][]string{
	"agent/source/sqlite": {"agent/inbox", "agent/source/sourcetest"},
	"protocol":            {"protocol/protocoltest"},
	"receiver/queue":      {"receiver/testenv"},
}

// symbols may be used by these packages only: each is a rule of the design that imports cannot say.
var symbols = map[string][]string{
	"protocol.OpenBatch":  {"receiver/writer"},                  // only the writer opens what capture sealed
	"protocol.NewDecoder": {"receiver/writer"},                  // and only it reads rows from the wire
	"protocol.NewEncoder": {"agent/capture", "installer/bench"}, // rows are encoded where they are read
	"protocol.SealBatch":  {"agent/push", "installer/bench"},
}

// outside may be imported by these packages only, tests aside: a dependency stays behind one door.
var outside = map[string][]string{
	"github.com/gin-gonic/gin":              {"receiver/ingest", "receiver/web"},
	"github.com/redis/go-redis/v9":          {"receiver", "receiver/queue"},
	"github.com/alicebob/miniredis/v2":      {"receiver/queue"},
	"github.com/hashicorp/go-retryablehttp": {"agent/push"},
	"github.com/kardianos/service":          {"agent/daemon"},
	"github.com/pressly/goose/v3":           {"receiver/store"},
	"github.com/goccy/go-yaml":              {"agent/config", "agent/plan", "receiver/config"},
	"github.com/klauspost/compress":         {"protocol"},
	"github.com/cespare/xxhash/v2":          {"protocol", "receiver/queue"},
	"crypto/hpke":                           {"protocol"},
	"golang.org/x/crypto/argon2":            {"receiver/identity"},
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

// TestTheTwoSidesShareOnlyTheProtocol holds the table itself to the design's first rule.
func TestTheTwoSidesShareOnlyTheProtocol(t *testing.T) {
	side := func(pkg string) string { first, _, _ := strings.Cut(pkg, "/"); return first }
	for pkg, allowed := range layers {
		for _, other := range allowed {
			if side(other) != side(pkg) && side(other) != "protocol" {
				t.Errorf("layers lets %s import %s, of another side", pkg, other)
			}
		}
	}
}

func TestOutsideStaysBehindItsDoor(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		for _, imported := range f.imports {
			for dependency, allowed := range outside {
				if imported != dependency && !strings.HasPrefix(imported, dependency+"/") {
					continue
				}
				seen[dependency+" "+f.packagePath()] = true
				if !f.test && !slices.Contains(allowed, f.packagePath()) {
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

func TestSymbolsStayInTheirPackages(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		for _, used := range f.selectors() {
			allowed, ruled := symbols[used]
			if !ruled {
				continue
			}
			seen[used+" "+f.packagePath()] = true
			if !slices.Contains(allowed, f.packagePath()) && path.Base(f.packagePath()) != "protocoltest" {
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

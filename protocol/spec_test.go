package protocol_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

const specification = "README.md"

func readSpecification(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSpecificationListsEveryKind(t *testing.T) {
	const begin, end = "<!-- kinds -->\n", "<!-- /kinds -->"
	text := readSpecification(t)
	before, rest, ok := strings.Cut(text, begin)
	was, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the kinds", specification)
	}
	now := kindsTable()
	if *update {
		if err := os.WriteFile(specification, []byte(before+begin+now+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(was, now); diff != "" {
		t.Errorf("%s is behind the catalogue; run go test ./protocol -update (-file +now):\n%s", specification, diff)
	}
}

func kindsTable() string {
	var b strings.Builder
	b.WriteString("| kind | fields | kept |\n|---|---|---|\n")
	for _, k := range record.All() {
		var fields []string
		for _, f := range k.Fields {
			spelled := f.Name
			if k.IsKey(f.Name) {
				spelled = "**" + f.Name + "**"
			}
			spelled += " " + f.Type.String()
			if f.Type == record.Decimal {
				spelled += "(" + strconv.Itoa(f.Scale) + ")"
			}
			if f.Nullable {
				spelled += "?"
			}
			if f.Class > record.Personal {
				spelled += " *" + f.Class.String() + "*"
			}
			fields = append(fields, spelled)
		}
		kept := "–"
		if k.Retention > 0 {
			kept = strconv.Itoa(k.Retention)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, strings.Join(fields, ", "), kept)
	}
	return b.String()
}

func TestSpecificationListsEveryCode(t *testing.T) {
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([0-9]{3}) \\|").FindAllStringSubmatch(readSpecification(t), -1) {
		rows[m[1]] = m[2]
	}
	for _, code := range constants(t, "answer.go", "Code") {
		if got, want := rows[code], strconv.Itoa(protocol.Code(code).Status()); got != want {
			t.Errorf("code %s stands with status %q, travels as %s", code, got, want)
		}
		delete(rows, code)
	}
	for code := range rows {
		t.Errorf("code %s does not exist", code)
	}
}

func TestSpecificationListsEveryPath(t *testing.T) {
	text := readSpecification(t)
	for _, path := range constants(t, "message.go", "") {
		if strings.HasPrefix(path, "/") && !strings.Contains(text, path) {
			t.Errorf("path %s is missing", path)
		}
	}
}

func TestSpecificationNamesTheLimits(t *testing.T) {
	limits := map[string]int{
		"rows in a batch":                     protocol.MaxBatchRows,
		"encoded batch, unless it is one row": protocol.MaxBatchBytes,
		"encoded row":                         protocol.MaxRowBytes,
		"sealed batch":                        protocol.MaxSealedBytes,
		"document":                            protocol.MaxBlobBytes,
		"control message":                     protocol.MaxMessageBytes,
		"text or byte string in a cell":       record.MaxTextBytes,
	}
	text := strings.ReplaceAll(readSpecification(t), ",", "")
	for limit, n := range limits {
		row := fmt.Sprintf("| %s | %d", strings.ReplaceAll(limit, ",", ""), n)
		if !strings.Contains(text, row) {
			t.Errorf("there is no row %q", row)
		}
	}
}

func TestSpecificationNamesTheVersions(t *testing.T) {
	text := readSpecification(t)
	for _, row := range []string{
		fmt.Sprintf("| protocol %d |", protocol.Version),
		fmt.Sprintf("| encoding %#02x |", protocol.EncodingVersion),
	} {
		if !strings.Contains(text, row) {
			t.Errorf("the history has no row %q", row)
		}
	}
}

// TestSpecificationNamesEveryMember holds the lists of members in part 5 against the JSON tags of the messages.
func TestSpecificationNamesEveryMember(t *testing.T) {
	text := readSpecification(t)
	source, err := os.ReadFile("message.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("json:\"([a-z_]+)").FindAllSubmatch(source, -1) {
		if !regexp.MustCompile(`\b` + string(m[1]) + `\b`).MatchString(text) {
			t.Errorf("member %s of a message is missing", m[1])
		}
	}
}

func TestSpecificationLinksToWhatExists(t *testing.T) {
	for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(readSpecification(t), -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("link: %v", err)
		}
	}
}

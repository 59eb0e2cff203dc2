package record_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"lessor.dk/portalsync/protocol/record"
)

// name is what a kind or field may be called: it is also a column, a plan's key and a JSON name.
var name = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// longestName keeps rec_<kind> and its index within PostgreSQL's 63 bytes for names.
const longestName = 40

func TestKindsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range record.All() {
		t.Run(k.Name, func(t *testing.T) {
			if !name.MatchString(k.Name) || len(k.Name) > longestName || seen[k.Name] {
				t.Errorf("the kind's name is not legal or not unique")
			}
			seen[k.Name] = true
			if k.Retention < 0 || k.Retention > 10 {
				t.Errorf("retention is %d years", k.Retention)
			}
			if len(k.Fields) == 0 || len(k.Fields) > 64 {
				t.Errorf("%d fields, want 1 to 64", len(k.Fields))
			}
			fields := map[string]bool{}
			for _, f := range k.Fields {
				if !name.MatchString(f.Name) || len(f.Name) > longestName || fields[f.Name] {
					t.Errorf("field %q: the name is not legal or not unique in its kind", f.Name)
				}
				fields[f.Name] = true
				if f.Type.String() == "unknown" || f.Class.String() == "unknown" {
					t.Errorf("field %s: type %d, class %d", f.Name, f.Type, f.Class)
				}
				if f.Scale < 0 || f.Scale > 6 || f.Scale > 0 && f.Type != record.Decimal {
					t.Errorf("field %s: %s with scale %d", f.Name, f.Type, f.Scale)
				}
				if (f.Type == record.Document) != (f.Class == record.DocumentClass) {
					t.Errorf("field %s: %s of class %s; documents have their own class", f.Name, f.Type, f.Class)
				}
			}
		})
	}
}

func TestKeys(t *testing.T) {
	for _, k := range record.All() {
		t.Run(k.Name, func(t *testing.T) {
			if len(k.Key) == 0 {
				t.Fatal("no key")
			}
			last := -1
			for _, key := range k.Key {
				i := k.Field(key)
				if i < 0 {
					t.Fatalf("key field %s does not exist", key)
				}
				if i <= last {
					t.Errorf("key field %s is not in the fields' order, which key bytes rely on", key)
				}
				last = i
				f := k.Fields[i]
				if f.Nullable {
					t.Errorf("key field %s is nullable", key)
				}
				if f.Type == record.Document || f.Type == record.Bytes {
					t.Errorf("key field %s is of type %s, which nobody can look up", key, f.Type)
				}
				if f.Class > record.Personal {
					t.Errorf("key field %s is of class %s: keys appear in dead letters", key, f.Class)
				}
				if !k.IsKey(key) {
					t.Errorf("IsKey(%s) = false", key)
				}
			}
		})
	}
}

// TestParentsComeFirst reads references by their name: a field called like the only key field of
// another kind points to it.
func TestParentsComeFirst(t *testing.T) {
	owner := map[string]string{}
	for _, k := range record.All() {
		if len(k.Key) == 1 {
			owner[k.Key[0]] = k.Name
		}
	}
	for child, k := range record.All() {
		for _, f := range k.Fields {
			parent, ok := owner[f.Name]
			if !ok || parent == k.Name || f.Nullable { // an optional reference may be filled later
				continue
			}
			if record.Order(parent) > child && strings.HasSuffix(f.Name, "_no") {
				t.Errorf("%s.%s points to %s, which comes later", k.Name, f.Name, parent)
			}
		}
	}
}

func TestByNameAndOrder(t *testing.T) {
	for i, k := range record.All() {
		if record.ByName(k.Name) != k || record.Order(k.Name) != i {
			t.Errorf("%s is not found in its place", k.Name)
		}
	}
	if record.ByName("horse") != nil || record.Order("horse") != -1 {
		t.Error("an unknown kind is found")
	}
}

func TestAllIsACopy(t *testing.T) {
	slices.Reverse(record.All())
	if got := record.All()[0].Name; got != "department" {
		t.Errorf("the first kind is %s after a caller reversed its copy", got)
	}
}

func TestNamesOfTypesAndClassesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for typ := record.Bool; typ <= record.Document; typ++ {
		if seen[typ.String()] || typ.String() == "unknown" {
			t.Errorf("type %d is called %q", typ, typ)
		}
		seen[typ.String()] = true
	}
	if got := record.Type(0).String(); got != "unknown" {
		t.Errorf("type 0 is called %q", got)
	}
	classes := []string{"public", "personal", "salary", "bank-account", "national-id", "document"}
	for i, want := range classes {
		if got := record.Class(i + 1).String(); got != want {
			t.Errorf("class %d is called %q, want %q", i+1, got, want)
		}
	}
	if got := record.Class(0).String(); got != "unknown" {
		t.Errorf("class 0 is called %q", got)
	}
}

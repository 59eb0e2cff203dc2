package identity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// L28: at least 8 characters with upper-case, lower-case and digits. And nothing that is guessed first.
func TestCheckClassic(t *testing.T) {
	tests := map[string]struct {
		username, password string
		want               []Flaw
	}{
		"eight characters of all three classes":   {password: "Havtorn7"},
		"seven characters":                        {password: "Havtor7", want: []Flaw{FlawShort}},
		"eight characters, not bytes":             {password: "Ærøskøb", want: []Flaw{FlawShort, FlawNoDigit}},
		"Danish letters count as upper and lower": {password: "Ææøøåå12"},
		"Danish letters alone lack digits":        {password: "Ærøskøbing", want: []Flaw{FlawNoDigit}},
		"emoji are characters and no letters":     {password: "😀😀😀😀😀Aa1"},
		"digits of other scripts are digits":      {password: "Havtorn٣"},
		"no upper-case letter":                    {password: "havtorn77", want: []Flaw{FlawNoUpper}},
		"no lower-case letter":                    {password: "HAVTORN77", want: []Flaw{FlawNoLower}},
		"no digit":                                {password: "Havtornbær", want: []Flaw{FlawNoDigit}},
		"nothing":                                 {want: []Flaw{FlawShort, FlawNoUpper, FlawNoLower, FlawNoDigit}},
		"a common word with a year after it":      {password: "Sommer2026", want: []Flaw{FlawCommon}},
		"the word for password":                   {password: "Adgangskode1!", want: []Flaw{FlawCommon}},
		"the username within":                     {username: "Anna.Holm", password: "xAnna.Holm1", want: []Flaw{FlawUsername}},
		"a short username within is chance":       {username: "ab", password: "Crabapple7"},
		"longer than is hashed":                   {password: strings.Repeat("Aa1", 400), want: []Flaw{FlawLong}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, CheckClassic(tt.username, tt.password)); diff != "" {
				t.Errorf("CheckClassic(%q) differs (-want +got):\n%s", tt.password, diff)
			}
		})
	}
}

func TestFold(t *testing.T) {
	for name, typed := range map[string]string{
		"as it was created": "anna.holm", "with capitals": "Anna.Holm", "with spaces around": " anna.holm ", "full-width": "ａnna.holm",
	} {
		t.Run(name, func(t *testing.T) {
			if got := Fold(typed); got != "anna.holm" {
				t.Errorf("Fold(%q) = %q, want anna.holm", typed, got)
			}
		})
	}
}

package identity

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxPasswordBytes bounds what is hashed at sign-in. Longer input is wrong, never cut.
const MaxPasswordBytes = 1024

// minPasswordChars is the profile classic's length in characters, exactly L28's.
const minPasswordChars = 8

//go:embed blocklist.txt
var blocklist string

// Flaw is one reason why a password may not be chosen. Its text is the key of a sentence on the screens.
type Flaw string

// The flaws.
const (
	FlawShort    Flaw = "short"    // fewer than 8 characters
	FlawLong     Flaw = "long"     // more than MaxPasswordBytes bytes
	FlawNoUpper  Flaw = "no-upper" // no upper-case letter
	FlawNoLower  Flaw = "no-lower" // no lower-case letter
	FlawNoDigit  Flaw = "no-digit" // no digit
	FlawCommon   Flaw = "common"   // on the list of passwords that are tried first
	FlawUsername Flaw = "username" // holds the username
)

// PolicyError says that a password may not be chosen, and everything that is wrong with it.
type PolicyError struct{ Flaws []Flaw }

func (e *PolicyError) Error() string {
	names := make([]string, len(e.Flaws))
	for n, f := range e.Flaws {
		names[n] = string(f)
	}
	return "password is refused (" + strings.Join(names, ", ") + "): use at least 8 characters with upper-case letters, lower-case letters and digits, and no common word"
}

// CheckClassic returns what is wrong with a new password under the profile "classic": L28 word for
// word (at least 8 characters, with upper-case, lower-case and digits, by Unicode's own classes), and
// the list of passwords that attackers try first. None means the password may be used.
func CheckClassic(username, password string) []Flaw {
	password = norm.NFKC.String(password)
	var flaws []Flaw
	add := func(bad bool, f Flaw) {
		if bad {
			flaws = append(flaws, f)
		}
	}
	add(utf8.RuneCountInString(password) < minPasswordChars, FlawShort)
	add(len(password) > MaxPasswordBytes, FlawLong)
	add(!strings.ContainsFunc(password, unicode.IsUpper), FlawNoUpper)
	add(!strings.ContainsFunc(password, unicode.IsLower), FlawNoLower)
	add(!strings.ContainsFunc(password, unicode.IsDigit), FlawNoDigit)
	add(isCommon(password), FlawCommon)
	add(holdsUsername(username, password), FlawUsername)
	return flaws
}

// isCommon compares without case and without the digits and signs that people append.
func isCommon(password string) bool {
	folded := Fold(password)
	stem := strings.TrimRightFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) })
	words := strings.Fields(blocklist)
	return slices.Contains(words, folded) || slices.Contains(words, stem)
}

func holdsUsername(username, password string) bool {
	name := Fold(username)
	return utf8.RuneCountInString(name) >= 4 && strings.Contains(Fold(password), name)
}

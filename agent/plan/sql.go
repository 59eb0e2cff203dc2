package plan

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// untracked are words whose answer changes without a change in a tracked table.
var untracked = []string{
	"select", "exists", "current_date", "current_time", "current_timestamp", "getdate", "getutcdate", "sysdatetime",
	"sysutcdatetime", "random", "randomblob", "rand", "newid",
}

// token is a word of SQL: an identifier, a quoted text, or a single other character.
type token struct {
	text   string
	quoted byte // 0, ', " or [
	word   bool
}

// scanSQL returns the columns that a piece of SQL names, or what is wrong with it as a sentence.
// It looks for what would escape the parentheses around the piece and for what cannot be tracked; whether
// the piece is legal is for the database to say.
func scanSQL(text string, aliases []string) (refs []Ref, problem string) {
	tokens, problem := tokens(text)
	if problem != "" {
		return nil, problem
	}
	depth := 0
	for i, t := range tokens {
		if t.quoted == '\'' && strings.EqualFold(t.text, "now") {
			return nil, "reads the clock; its answer would change without a change in the table"
		}
		if t.quoted != 0 && t.quoted != '"' && t.quoted != '[' {
			continue
		}
		if t.word {
			if slices.Contains(untracked, strings.ToLower(t.text)) && t.quoted == 0 && !precededByPoint(tokens, i) {
				return nil, "uses " + t.text + "; other tables belong under join, and the clock or chance would change answers unnoticed"
			}
			if i+2 < len(tokens) && tokens[i+1].text == "." && tokens[i+2].word && !precededByPoint(tokens, i) {
				if !slices.Contains(aliases, t.text) {
					return nil, t.text + " is not an alias known here; use one of " + list(aliases)
				}
				if ref := (Ref{Alias: t.text, Column: tokens[i+2].text}); !slices.Contains(refs, ref) {
					refs = append(refs, ref)
				}
			}
			continue
		}
		switch t.text {
		case "(":
			depth++
		case ")":
			if depth--; depth < 0 {
				return nil, "closes a parenthesis that it did not open"
			}
		case ";":
			return nil, "holds a semicolon; write one expression"
		case "?", "$", "@", ":":
			return nil, "holds a " + t.text + ", which stands for a parameter; write the value"
		}
	}
	if depth > 0 {
		return nil, "opens a parenthesis that it does not close"
	}
	return refs, ""
}

func precededByPoint(tokens []token, i int) bool {
	return i > 0 && tokens[i-1].text == "." && !tokens[i-1].word
}

func tokens(text string) (list []token, problem string) {
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case strings.HasPrefix(text, "--") || strings.HasPrefix(text, "/*"):
			return nil, "holds a comment; write it as a YAML comment"
		case r == '\'' || r == '"' || r == '[' || r == '`':
			t, rest, ok := quoted(text)
			if !ok {
				return nil, "opens a quote that it does not close"
			}
			list, text = append(list, t), rest
			continue
		case unicode.IsLetter(r) || r == '_':
			end := strings.IndexFunc(text, func(r rune) bool {
				return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$'
			})
			if end < 0 {
				end = len(text)
			}
			list, text = append(list, token{text: text[:end], word: true}), text[end:]
			continue
		case !unicode.IsSpace(r):
			list = append(list, token{text: text[:size]})
		}
		text = text[size:]
	}
	return list, ""
}

// quoted reads a text or a quoted name at the start of s; a doubled quote stands for itself.
func quoted(s string) (t token, rest string, ok bool) {
	end := s[0]
	if end == '[' {
		end = ']'
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != end {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == end {
			b.WriteByte(end)
			i++
			continue
		}
		return token{text: b.String(), quoted: s[0], word: s[0] != '\''}, s[i+1:], true
	}
	return token{}, "", false
}

package ui

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed catalogue/*.json
var catalogues embed.FS

// Language is a language of the screens.
type Language string

// The languages. Danish is what a visitor sees who chose none.
const (
	Danish  Language = "da"
	Swedish Language = "sv"
	English Language = "en"
)

// Languages lists the languages in the order they are offered.
func Languages() []Language { return []Language{Danish, Swedish, English} }

// ParseLanguage returns the language of that code, or Danish.
func ParseLanguage(code string) Language {
	for _, l := range Languages() {
		if string(l) == code {
			return l
		}
	}
	return Danish
}

// Name returns the language's own name.
func (l Language) Name() string {
	switch l {
	case Danish:
		return "Dansk"
	case Swedish:
		return "Svenska"
	case English:
		return "English"
	}
	return string(l)
}

// Catalogue holds the sentences of one language by key. A sentence names its arguments {0}, {1} …
// A key that ends in .one has a twin in .other: see [Catalogue.Plural].
type Catalogue map[string]string

// LoadCatalogue reads the embedded sentences of a language.
func LoadCatalogue(l Language) (Catalogue, error) {
	raw, err := catalogues.ReadFile("catalogue/" + string(l) + ".json")
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	c := Catalogue{}
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("read catalogue %s: %w", l, err)
	}
	return c, nil
}

// Text returns the sentence of a key with its arguments filled in. A key that is missing is shown
// itself: a test sees to it that none is.
func (c Catalogue) Text(key string, args ...any) string {
	s, ok := c[key]
	if !ok {
		return key
	}
	for i, a := range args {
		s = strings.ReplaceAll(s, fmt.Sprintf("{%d}", i), fmt.Sprint(a))
	}
	return s
}

// Plural returns the sentence of key.one or key.other with n as argument 0.
func (c Catalogue) Plural(key string, n int) string {
	if n == 1 {
		return c.Text(key+".one", n)
	}
	return c.Text(key+".other", n)
}

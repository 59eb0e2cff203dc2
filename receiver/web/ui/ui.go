// Package ui is what all pages of the portal share: the layout and its components, the three languages
// and how they write dates and amounts, the static files, and the frame around every page.
//
// Templates are parsed once per language at start, so that no request binds a language to a shared template.
package ui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
)

//go:embed layout/*.html
var layouts embed.FS

// Page is one page: the template file of its own name, and the struct it is given.
type Page struct {
	Name string // file name without .html
	Data any    // zero value of the page's struct, for the type check of a test
}

// Set is the pages of one package.
type Set struct {
	Files fs.FS    // holds <name>.html of every page
	Parts []string // files of components that the pages of this package share
	Pages []Page
}

// Config tunes a UI. The zero value is usable.
type Config struct {
	Brand  string           // name of the portal on every page; empty means LESSOR-Portalen
	Now    func() time.Time // nil means time.Now
	Zone   *time.Location   // of the dates and times on the screens; nil means Europe/Copenhagen
	Limits Limits           // when what is shown counts as old
}

// UI renders pages.
type UI struct {
	brand   string
	now     func() time.Time
	zone    *time.Location
	limits  Limits
	static  *Static
	locales map[Language]*Locale
	pages   map[Language]map[string]*template.Template
}

// New parses every page in every language.
func New(sets []Set, cfg Config) (*UI, error) {
	u := &UI{brand: cfg.Brand, now: cfg.Now, zone: cfg.Zone, limits: cfg.Limits.Or(defaultLimits()),
		locales: map[Language]*Locale{}, pages: map[Language]map[string]*template.Template{}}
	if u.brand == "" {
		u.brand = "LESSOR-Portalen"
	}
	if u.now == nil {
		u.now = time.Now
	}
	var err error
	if u.zone == nil {
		if u.zone, err = time.LoadLocation("Europe/Copenhagen"); err != nil {
			return nil, fmt.Errorf("load time zone: %w", err)
		}
	}
	if u.static, err = newStatic(); err != nil {
		return nil, err
	}
	for _, lang := range Languages() {
		if err := u.parse(lang, sets); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func (u *UI) parse(lang Language, sets []Set) error {
	locale, err := newLocale(lang, u.zone, u.now)
	if err != nil {
		return err
	}
	u.locales[lang] = locale
	base, err := template.New("layout").Funcs(locale.funcs(u.static)).ParseFS(layouts, "layout/*.html")
	if err != nil {
		return fmt.Errorf("parse layout: %w", err)
	}
	u.pages[lang] = map[string]*template.Template{}
	for _, set := range sets {
		for _, p := range set.Pages {
			page, err := base.Clone()
			if err != nil {
				return fmt.Errorf("clone layout: %w", err)
			}
			if page, err = page.ParseFS(set.Files, append(slices.Clone(set.Parts), p.Name+".html")...); err != nil {
				return fmt.Errorf("parse page %s: %w", p.Name, err)
			}
			u.pages[lang][p.Name] = page
		}
	}
	return nil
}

// Template returns a page's template in a language, or nil: for tests.
func (u *UI) Template(lang Language, page string) *template.Template {
	return u.pages[lang][page]
}

// Locale returns how a language writes.
func (u *UI) Locale(lang Language) *Locale { return u.locales[lang] }

// Static returns the static files.
func (u *UI) Static() *Static { return u.static }

// Limits returns when what is shown counts as old.
func (u *UI) Limits() Limits { return u.limits }

// Now is the time the pages go by.
func (u *UI) Now() time.Time { return u.now() }

// Today is the reader's date at midnight UTC, as dates without a time are kept.
func (u *UI) Today() time.Time {
	y, m, d := u.now().In(u.zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// Show renders the page to memory and then sends it: nobody ever sees half a page.
func (u *UI) Show(c *gin.Context, status int, lang Language, page string, data any) error {
	var body bytes.Buffer
	if err := u.Render(&body, lang, page, data); err != nil {
		return err
	}
	c.Data(status, "text/html; charset=utf-8", body.Bytes())
	return nil
}

// Render writes the page.
func (u *UI) Render(w *bytes.Buffer, lang Language, page string, data any) error {
	t := u.pages[lang][page]
	if t == nil {
		return fmt.Errorf("render %s in %s: no such page", page, lang)
	}
	if err := t.ExecuteTemplate(w, "layout", data); err != nil {
		return fmt.Errorf("render %s in %s: %w", page, lang, err)
	}
	return nil
}

package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// StaticPath is where the static files are served.
const StaticPath = "/static/"

// Static serves the embedded files under an address that changes with their content, for ever cacheable.
type Static struct {
	version string
	files   map[string]staticFile
}

type staticFile struct {
	media         string
	plain, zipped []byte
}

func newStatic() (*Static, error) {
	s := &Static{files: map[string]staticFile{}}
	sum := sha256.New()
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d ", name, len(content))
		sum.Write(content)
		f, err := prepare(name, content)
		s.files[strings.TrimPrefix(name, "static/")] = f
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read static files: %w", err)
	}
	s.version = hex.EncodeToString(sum.Sum(nil))[:12]
	return s, nil
}

func prepare(name string, content []byte) (staticFile, error) {
	f := staticFile{media: mediaType(name), plain: content}
	if strings.HasPrefix(f.media, "font/") {
		return f, nil // compressed in itself
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return f, err
	}
	if _, err := w.Write(content); err != nil {
		return f, err
	}
	if err := w.Close(); err != nil {
		return f, err
	}
	f.zipped = b.Bytes()
	return f, nil
}

func mediaType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".woff2": // not in every system's table
		return "font/woff2"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return mime.TypeByExtension(ext)
	}
}

// URL returns the address of a static file.
func (s *Static) URL(name string) string { return StaticPath + s.version + "/" + name }

// ServeHTTP answers StaticPath + version + "/" + name.
func (s *Static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, StaticPath), "/")
	f, ok := s.files[name]
	if !ok || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("X-Content-Type-Options", "nosniff")
	if version == s.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache") // another version of the receiver asked, during a roll-out
	}
	body := f.plain
	if f.zipped != nil {
		h.Add("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = f.zipped
		}
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body) //nolint:errcheck // a visitor who went away needs no answer
	}
}

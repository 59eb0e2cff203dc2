package web

import (
	"net/http"
	"slices"
	"strings"

	"lessor.dk/portalsync/receiver/web/public"
	"lessor.dk/portalsync/receiver/web/ui"
)

// policy lets the browser load only what the portal itself serves (N1), run no inline script or style,
// frame no page and send no form elsewhere.
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// guard stands before everything: headers, host, browser, static files, forged forms.
func (w *Web) guard(next http.Handler) http.Handler {
	forms := http.NewCrossOriginProtection()
	forms.SetDenyHandler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.problem(rw, r, http.StatusForbidden)
	}))
	next = forms.Handler(next)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		secure(rw.Header())
		switch {
		case len(w.hosts) > 0 && !slices.Contains(w.hosts, hostOf(r)):
			w.problem(rw, r, http.StatusMisdirectedRequest)
		case strings.HasPrefix(r.URL.Path, ui.StaticPath):
			w.ui.Static().ServeHTTP(rw, r)
		case isInternetExplorer(r.UserAgent()):
			public.Unsupported(rw)
		default:
			next.ServeHTTP(rw, r)
		}
	})
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store") // a payslip must not stay in a shared browser's cache
}

// isInternetExplorer recognises IE 5 to 11 (L20).
func isInternetExplorer(agent string) bool {
	return strings.Contains(agent, "MSIE ") || strings.Contains(agent, "Trident/")
}

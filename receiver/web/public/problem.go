package public

import (
	_ "embed"
	"net/http"
	"strconv"

	"lessor.dk/portalsync/receiver/web/ui"
)

// Problem is the data of problem.html, the page of an error.
type Problem struct {
	ui.Frame
	Status int
	Key    string // of its sentences
}

// NewProblem returns the error page of an HTTP status.
func NewProblem(u *ui.UI, v *ui.Visit, status int) Problem {
	key := "problem." + problemKey(status)
	return Problem{Frame: u.Frame(v, key+".title", ""), Status: status, Key: key}
}

func problemKey(status int) string {
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMisdirectedRequest, http.StatusServiceUnavailable:
		return strconv.Itoa(status)
	}
	if status < http.StatusInternalServerError {
		return "400"
	}
	return "500"
}

//go:embed unsupported/page.html
var unsupported []byte

// Unsupported answers a browser that cannot show the portal, in all languages and without style or script (L20).
func Unsupported(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(unsupported) //nolint:errcheck // a visitor who went away needs no answer
}

package config

import (
	"fmt"
	"strings"
	"time"
)

// never is the word for a verification that only happens when it is asked for.
const never = "never"

// parseWindow reads HH:MM-HH:MM or never.
func parseWindow(text string) (VerifyWindow, error) {
	if text == never {
		return VerifyWindow{}, nil
	}
	from, to, ok := strings.Cut(text, "-")
	w := VerifyWindow{}
	for _, part := range []struct {
		text string
		into *time.Duration
	}{{from, &w.From}, {to, &w.To}} {
		at, err := time.Parse("15:04", strings.TrimSpace(part.text))
		ok = ok && err == nil
		*part.into = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	if !ok || w.From == w.To {
		return VerifyWindow{}, fmt.Errorf("verify %q is not a time of day: write something like 01:00-05:00, or never", text)
	}
	return w, nil
}

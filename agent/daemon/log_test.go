package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"lessor.dk/portalsync/agent/config"
)

func TestEveryLineGoesToTheSinkWithItsLevel(t *testing.T) {
	var got []string
	log := NewLogger(config.Log{Level: "debug"}, func(level slog.Level, line []byte) error {
		_, rest, _ := strings.Cut(string(line), " msg=") // without the time
		got = append(got, level.String()+" "+rest)
		return nil
	})
	log.Debug("a")
	log.Info("b", "stream", 7)
	log.With("tenant", 1).WithGroup("g").Warn("c", "lag", 2)
	log.Error("d", "err", errors.New("two\nlines"))
	want := []string{"DEBUG a\n", "INFO b stream=7\n", "WARN c tenant=1 g.lag=2\n", "ERROR d err=\"two\\nlines\"\n"}
	if strings.Join(got, "") != strings.Join(want, "") {
		t.Errorf("lines = %q, want %q", got, want)
	}
}

func TestLoggerObeysTheSettings(t *testing.T) {
	tests := map[string]struct {
		log  config.Log
		want string // in what Info prints; empty is nothing
	}{
		"info as text by default": {config.Log{}, "level=INFO msg=hello"},
		"json":                    {config.Log{Level: "info", Format: "json"}, `"msg":"hello"`},
		"nothing below the level": {config.Log{Level: "warn"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			NewLogger(tt.log, Plain(&out)).Info("hello")
			if !strings.Contains(out.String(), tt.want) || tt.want == "" && out.Len() > 0 {
				t.Errorf("printed %q, want %q", out.String(), tt.want)
			}
		})
	}
}

func TestJournalReadsTheLevelInFront(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(config.Log{Level: "debug"}, Journal(&out))
	log.Debug("a")
	log.Info("b")
	log.Warn("c")
	log.Error("d")
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if want := []string{"<7>", "<6>", "<4>", "<3>"}[i]; !strings.HasPrefix(line, want+"time=") {
			t.Errorf("line %d = %q, want %q in front", i, line, want)
		}
	}
}

package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"

	"lessor.dk/portalsync/agent/config"
)

// Sink takes a line of the log with its level, which journald and the Windows event log want to know apart
// from the text. The line is valid during the call only; it ends with a newline.
type Sink func(level slog.Level, line []byte) error

// NewLogger returns the program's log as the settings want it. A line goes to sink when it is complete.
func NewLogger(cfg config.Log, sink Sink) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo // config.Load has checked the word; a log before it has none
	}
	options := &slog.HandlerOptions{Level: level}
	h := &lines{sink: sink, mu: new(sync.Mutex), text: new(bytes.Buffer)}
	if cfg.Format == "json" {
		h.format = slog.NewJSONHandler(h.text, options)
	} else {
		h.format = slog.NewTextHandler(h.text, options)
	}
	return slog.New(h)
}

// Plain is the Sink that writes lines to w as they are.
func Plain(w io.Writer) Sink {
	return func(_ slog.Level, line []byte) error {
		_, err := w.Write(line)
		return err
	}
}

// Journal is the Sink that writes lines to w with the level in front as journald reads it (sd-daemon(3)), so
// that journalctl -p finds warnings.
func Journal(w io.Writer) Sink {
	return func(level slog.Level, line []byte) error {
		_, err := w.Write(append([]byte(journalPrefix(level)), line...))
		return err
	}
}

func journalPrefix(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "<3>"
	case level >= slog.LevelWarn:
		return "<4>"
	case level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// lines is a slog.Handler that makes each record a line and hands it on with its level.
type lines struct {
	sink   Sink
	format slog.Handler  // writes to text
	mu     *sync.Mutex   // of all handlers that share text
	text   *bytes.Buffer // the line being made
}

func (l *lines) Enabled(ctx context.Context, level slog.Level) bool {
	return l.format.Enabled(ctx, level)
}

func (l *lines) Handle(ctx context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
	if err := l.format.Handle(ctx, r); err != nil {
		return err
	}
	return l.sink(r.Level, l.text.Bytes())
}

func (l *lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *l
	c.format = l.format.WithAttrs(attrs)
	return &c
}

func (l *lines) WithGroup(name string) slog.Handler {
	c := *l
	c.format = l.format.WithGroup(name)
	return &c
}

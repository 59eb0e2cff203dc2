package daemon

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/DeRuina/timberjack"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/eventlog"

	"lessor.dk/portalsync/agent/config"
)

// The log's files: the present one is replaced at 10 MB, and what is older than the last five goes.
const (
	logMegabytes = 10
	logFiles     = 5
)

// eventID is of every message in the event log: the text is the message, and its level says how bad it is.
const eventID = 1

// serviceLog is the path of the service's log.
func serviceLog() string { return filepath.Join(logDirectory(), "agent.log") }

func logDirectory() string {
	data, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		data = os.Getenv("ProgramData")
	}
	return filepath.Join(data, "LESSOR", "PortalSync Agent", "logs")
}

// prepareLog makes the log's directory while an administrator is there to do it.
func prepareLog() error {
	if err := os.MkdirAll(logDirectory(), 0o755); err != nil {
		return fmt.Errorf("make the log's directory: %w", err)
	}
	return nil
}

// events is the Windows event log.
type events interface {
	Info(id uint32, text string) error
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
	Close() error
}

// windowsLog is the log of a Windows service: everything in a file, warnings and errors also in the event log,
// where an administrator looks first.
type windowsLog struct {
	file   io.WriteCloser
	events events // nil when the event log cannot be opened: the file alone has to do
}

func openServiceLog() (*windowsLog, error) {
	if err := prepareLog(); err != nil {
		return nil, err
	}
	l := &windowsLog{file: rotated(serviceLog(), logMegabytes)}
	source, err := eventlog.Open(ServiceName)
	if err == nil {
		l.events = source
		err = l.events.Info(eventID, "The agent starts. Its log is "+serviceLog())
	}
	err = errors.Join(err, keepCrash())
	if err != nil {
		NewLogger(config.Log{}, l.sink).Warn("part of the log cannot be written", "err", err)
	}
	return l, nil
}

// rotated is a file that is put aside under a name with the time when it would become larger than so many
// megabytes; the oldest of more than logFiles goes.
func rotated(path string, megabytes int) *timberjack.Logger {
	return &timberjack.Logger{Filename: path, MaxSize: megabytes, MaxBackups: logFiles}
}

// keepCrash lets Go write into a file of its own why the program died, which nobody would see otherwise.
func keepCrash() error {
	f, err := os.OpenFile(filepath.Join(logDirectory(), "crash.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the file for crashes: %w", err)
	}
	defer f.Close() // SetCrashOutput keeps a duplicate
	return debug.SetCrashOutput(f, debug.CrashOptions{})
}

// sink is a [Sink].
func (l *windowsLog) sink(level slog.Level, line []byte) error {
	_, err := l.file.Write(line)
	if l.events == nil || level < slog.LevelWarn {
		return err
	}
	if level >= slog.LevelError {
		return errors.Join(err, l.events.Error(eventID, string(line)))
	}
	return errors.Join(err, l.events.Warning(eventID, string(line)))
}

// end writes down why the agent ended, if it was an error, and closes the log.
func (l *windowsLog) end(err error) error {
	if err != nil {
		NewLogger(config.Log{}, l.sink).Error("agent ended", "err", err)
	}
	if l.events != nil {
		_ = l.events.Close() // nothing was held back in it
	}
	_ = l.file.Close()
	return err
}

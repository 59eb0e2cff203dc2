package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Where things are under Wine: in its prefix, in a chroot.
const (
	prefix          = "/root/prefix"
	windowsSettings = `C:\ProgramData\LESSOR\PortalSync Agent\agent.yaml`
	windowsPrograms = `C:\Program Files\LESSOR\PortalSync Agent\`
	windowsAgent    = windowsPrograms + "agent.exe"
	windowsMain     = `C:\Løn 100%\main.db`
	windowsLog      = `C:\ProgramData\LESSOR\PortalSync Agent\logs\agent.log`
)

// testedOnWindows are the packages with code of their own for Windows.
var testedOnWindows = []string{"config", "daemon", "doctor", "keystore"}

// onSockets are the tests among them that need a Unix socket, which Windows has and Wine has not.
const onSockets = "^Test(AVerification|TheAgentIsAskedToLook)"

// wine is a Windows of sorts: Wine 10 in a Debian that has it.
type wine struct {
	machine

	root string
	user *exec.Cmd // a user who stays, or Wine ends the services
}

// file is where this machine sees a file on drive C.
func (w *wine) file(path string) string {
	return filepath.Join(w.root, prefix, "drive_c", strings.ReplaceAll(strings.TrimPrefix(path, `C:\`), `\`, "/"))
}

func (w *wine) boot(ctx context.Context) error {
	if err := command(ctx, "mount", "-t", "proc", "proc", filepath.Join(w.root, "proc")); err != nil {
		return err
	}
	inside := []string{
		"chroot", w.root, "env", "-i", "HOME=/root", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "WINEPREFIX=" + prefix, "WINEARCH=win64",
		"WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree=;mshtml=",
	}
	w.prefix = inside
	if _, err := w.run(ctx, "", "wineboot", "--init"); err != nil {
		return err
	}
	w.prefix = append(inside, "wine")
	stay := append(w.prefix[1:len(w.prefix):len(w.prefix)], "cmd", "/c", "pause")
	w.user = exec.Command(w.prefix[0], stay...)   //nolint:noctx // it ends by halt
	if _, err := w.user.StdinPipe(); err != nil { // open, and silent: pause waits
		return fmt.Errorf("sign in to Wine: %w", err)
	}
	if err := w.user.Start(); err != nil {
		return fmt.Errorf("sign in to Wine: %w", err)
	}
	return nil
}

func (w *wine) halt(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer stop()
	w.prefix = w.prefix[:len(w.prefix)-1]
	_, _ = w.run(ctx, "", "wineserver", "--kill") // everything in the prefix ends
	_ = w.user.Wait()
	_ = command(ctx, "umount", "--lazy", filepath.Join(w.root, "proc"))
}

// logged waits until the service's log file holds the words.
func (w *wine) logged(ctx context.Context, words ...string) error {
	var text []byte
	err := await(ctx, "the log file", func() (_ bool, err error) {
		text, err = os.ReadFile(w.file(windowsLog))
		return says(string(text), words...) == nil, err
	})
	if err != nil {
		return fmt.Errorf("%w: it lacks one of %q", err, words)
	}
	return nil
}

func (s *scene) windows(ctx context.Context) error {
	w := &wine{root: filepath.Join(s.dir, "windows"), machine: machine{agent: windowsAgent}}
	err := s.step("a Debian with Wine boots", func() error {
		if err := unpack(ctx, w.root, "trixie", "essential", "wine,wine64"); err != nil {
			return err
		}
		if err := w.boot(ctx); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(w.file(windowsAgent)), 0o755); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
		if err := command(ctx, "cp", s.agentExe, w.file(windowsAgent)); err != nil {
			return err
		}
		return s.furnish(ctx, filepath.Dir(w.file(windowsSettings)), filepath.Dir(w.file(windowsMain)), windowsMain)
	})
	if w.user != nil {
		defer w.halt(ctx)
	}
	if err != nil {
		return err
	}
	return w.explain(s.play(ctx, []act{
		{"windows: orders that cannot be followed say what to do", w.refusals},
		{"windows: before enrolment it waits, and says so", w.unenrolled},
		{"windows: enrolled, it begins by itself, and pushes; its keys are sealed", func(ctx context.Context) error { return s.beginsOnWindows(ctx, w) }},
		{"windows: with a wrong plan start ends with an error", w.cannotBegin},
		{"windows: installed over itself, it runs on", w.installedTwice},
		{"windows: stop is clean and quick", w.stops},
		{"windows: after uninstall nothing is left", w.uninstalled},
		{"windows: the tests of " + strings.Join(testedOnWindows, ", "), func(ctx context.Context) error { return s.tests(ctx, w) }},
	}))
}

// explain adds the agent's log to an error.
func (w *wine) explain(err error) error {
	if err == nil {
		return nil
	}
	text, _ := os.ReadFile(w.file(windowsLog)) // the error stands without it
	return fmt.Errorf("%w\n%s", err, text)
}

func (w *wine) refusals(ctx context.Context) error {
	return errors.Join(
		w.refuses(ctx, []string{"not installed", "agent service install"}, "status"),
		w.refuses(ctx, []string{"not installed", "agent service install"}, "start"),
		w.refuses(ctx, []string{"not installed", "agent service install"}, "uninstall"),
		w.refuses(ctx, []string{`C:\nowhere.yaml does not exist`, "--config"}, "install", "--config", `C:\nowhere.yaml`),
		w.refuses(ctx, []string{"this command is for the system", "agent run"}, "run", "--config", windowsSettings),
	)
}

func (w *wine) unenrolled(ctx context.Context) error {
	if err := w.service(ctx, "install", "--config", windowsSettings); err != nil {
		return err
	}
	out, err := w.run(ctx, "", w.agent, "service", "start")
	return errors.Join(
		err,
		says(out, "runs and waits", "not enrolled", "agent enrol"),
		w.logged(ctx, "waiting to be enrolled"),
		w.state(ctx, "waiting"),
	)
}

// cannotBegin puts a wrong plan in the way of a start, and takes it away again.
func (w *wine) cannotBegin(ctx context.Context) error {
	file := filepath.Join(filepath.Dir(w.file(windowsSettings)), "plan.yaml")
	if err := os.WriteFile(file, []byte("version: 0\n"), 0o600); err != nil {
		return fmt.Errorf("break the plan: %w", err)
	}
	if err := errors.Join(
		w.service(ctx, "stop"),
		w.refuses(ctx, []string{"ended at once (exit code 1)", windowsLog}, "start"),
		w.logged(ctx, "agent ended", "plan.yaml"),
		w.state(ctx, "failed"),
	); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(plan), 0o600); err != nil {
		return fmt.Errorf("mend the plan: %w", err)
	}
	return w.service(ctx, "start") // Wine starts nothing again by itself
}

func (s *scene) beginsOnWindows(ctx context.Context, w *wine) error {
	if err := s.enrol(ctx, w.machine, windowsSettings, "windows", "Fjordens Bageri ApS"); err != nil {
		return err
	}
	keys, err := os.ReadFile(filepath.Join(filepath.Dir(w.file(windowsSettings)), "state", "identity.json"))
	if err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	if err := says(string(keys), `"dpapi-machine"`); err != nil {
		return err
	}
	if err := w.state(ctx, "running"); err != nil {
		return err
	}
	if st, err := w.status(ctx); err != nil || st.State != "running" || !st.Automatic || st.Settings != windowsSettings {
		return errors.Join(err, fmt.Errorf("after start the service is %+v", st))
	}
	return errors.Join(s.arrived(ctx), w.logged(ctx, "agent started"))
}

func (w *wine) installedTwice(ctx context.Context) error {
	before, err := w.status(ctx)
	if err != nil {
		return err
	}
	if err := w.service(ctx, "install", "--config", windowsSettings); err != nil {
		return err
	}
	return w.is(ctx, "the new service", func(st status) bool { return st.State == "running" && st.Process != before.Process })
}

func (w *wine) stops(ctx context.Context) error {
	start := time.Now()
	if err := w.service(ctx, "stop"); err != nil {
		return err
	}
	if took := time.Since(start); took > 5*time.Second {
		return fmt.Errorf("the agent took %s to stop", took)
	}
	st, err := w.status(ctx)
	if err != nil || st.State != "stopped" || st.Exit != 0 || st.Process != 0 {
		return errors.Join(err, fmt.Errorf("after stop the service is %+v", st))
	}
	return errors.Join(w.service(ctx, "stop"), w.logged(ctx, "agent stopped"))
}

func (w *wine) uninstalled(ctx context.Context) error {
	err := errors.Join(
		w.service(ctx, "start"),
		w.service(ctx, "uninstall"),
		w.state(ctx, "not-installed"),
		w.refuses(ctx, []string{"not installed"}, "uninstall"),
	)
	_, gone := os.Stat(w.file(windowsSettings))
	return errors.Join(err, gone)
}

// tests builds the tests of what differs under Windows and runs them there.
func (s *scene) tests(ctx context.Context, w *wine) error {
	var failed error
	for _, pkg := range testedOnWindows {
		file := pkg + ".test.exe"
		if err := goTool(ctx, "test", "-c", "-o", filepath.Join(filepath.Dir(w.file(windowsAgent)), file), "lessor.dk/portalsync/agent/"+pkg); err != nil {
			return err
		}
		out, err := w.run(ctx, "", windowsPrograms+file, "-test.skip="+onSockets)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w\n%s", pkg, err, out))
		}
	}
	return failed
}

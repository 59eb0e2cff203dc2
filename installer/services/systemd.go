package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Where things are in the container. The main system's path has what units have to escape.
const (
	linuxSettings = "/etc/portalsync/agent.yaml"
	linuxMain     = "/srv/løn 100% $HOME"
	dropIn        = "/etc/systemd/system/portalsync-agent.service.d/test.conf"
)

// bootScript boots a container in a mount namespace of its own, on cgroups of the second version, whatever this
// machine itself has.
const bootScript = `set -e
mount --make-rprivate /
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
exec systemd-nspawn --quiet --boot --register=no --keep-unit --link-journal=no --console=pipe --machine=portalsync --directory="$0"`

// container is a booted Debian with its own systemd.
type container struct {
	machine

	root   string
	cmd    *exec.Cmd
	leader int // process number of the container's first process
}

func (c *container) boot(ctx context.Context) error {
	c.cmd = exec.Command("unshare", "--mount", "sh", "-c", bootScript, c.root) //nolint:noctx // it ends by halt, in an order that no context knows
	c.cmd.Stdout, c.cmd.Stderr = io.Discard, io.Discard
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start systemd-nspawn: %w", err)
	}
	pid := strconv.Itoa(c.cmd.Process.Pid)
	return await(ctx, "systemd to boot", func() (bool, error) {
		children, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
		if err != nil || len(children) == 0 {
			return false, err
		}
		if c.leader, err = strconv.Atoi(strings.Fields(string(children))[0]); err != nil {
			return false, err
		}
		c.prefix = []string{"nsenter", "--target=" + strconv.Itoa(c.leader), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd"}
		out, err := c.run(ctx, "", "systemctl", "is-system-running")
		return strings.Contains(out, "running") || strings.Contains(out, "degraded"), err
	})
}

// halt ends the container.
func (c *container) halt() {
	if first, err := os.FindProcess(c.leader); err == nil && c.leader != 0 {
		_ = first.Kill() // takes the rest of its namespace with it
	} else {
		_ = c.cmd.Process.Kill()
	}
	_ = c.cmd.Wait()
}

// logged waits until the journal of the service holds the words.
func (c *container) logged(ctx context.Context, words ...string) error {
	var text string
	err := await(ctx, "the journal", func() (_ bool, err error) {
		text, err = c.run(ctx, "", "journalctl", "--unit=portalsync-agent", "--output=cat", "--no-pager")
		return says(text, words...) == nil, err
	})
	if err != nil {
		return fmt.Errorf("%w: it lacks one of %q", err, words)
	}
	return nil
}

func (s *scene) systemd(ctx context.Context) error {
	c := &container{root: filepath.Join(s.dir, "linux"), machine: machine{agent: "/usr/local/bin/agent"}}
	err := s.step("a Debian with systemd boots", func() error {
		if err := unpack(ctx, c.root, "bookworm", "minbase", "systemd,systemd-sysv,dbus"); err != nil {
			return err
		}
		if err := command(ctx, "cp", s.programs.Agent, filepath.Join(c.root, c.agent)); err != nil {
			return err
		}
		if err := s.furnish(ctx, filepath.Join(c.root, filepath.Dir(linuxSettings)), filepath.Join(c.root, linuxMain), linuxMain+"/main.db"); err != nil {
			return err
		}
		return c.boot(ctx)
	})
	if c.cmd != nil {
		defer c.halt()
	}
	if err != nil {
		return err
	}
	return c.explain(ctx, s.play(ctx, []act{
		{"systemd: orders that cannot be followed say what to do", c.refusals},
		{"systemd: before enrolment it waits, and says so once", c.unenrolled},
		{"systemd: enrolled, it begins by itself, and pushes", func(ctx context.Context) error { return s.begins(ctx, c) }},
		{"systemd: with a wrong plan start ends with an error", c.cannotBegin},
		{"systemd: killed (SIGKILL), it is started again", c.killed},
		{"systemd: silent (SIGSTOP), the watchdog starts it again", c.silent},
		{"systemd: without receiver it runs and says so", func(ctx context.Context) error { return s.alone(ctx, c) }},
		{"systemd: installed over itself, it runs on", c.installedTwice},
		{"systemd: stop is clean and quick", c.stops},
		{"systemd: the unit is hardened", c.hardened},
		{"systemd: under an account of its own, enrolled by root, it runs", func(ctx context.Context) error { return s.confined(ctx, c) }},
		{"systemd: after uninstall nothing is left", c.uninstalled},
	}))
}

// explain adds the end of the journal to an error.
func (c *container) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	text, _ := c.run(ctx, "", "journalctl", "--no-pager", "--lines=20") // the error stands without it
	return fmt.Errorf("%w\n%s", err, text)
}

func (c *container) refusals(ctx context.Context) error {
	nobody := c.machine
	nobody.prefix = append(c.prefix[:len(c.prefix):len(c.prefix)], "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
	return errors.Join(
		c.refuses(ctx, []string{"not installed", "agent service install"}, "status"),
		c.refuses(ctx, []string{"not installed", "agent service install"}, "start"),
		c.refuses(ctx, []string{"not installed", "agent service install"}, "uninstall"),
		c.refuses(ctx, []string{"/nowhere.yaml does not exist", "--config"}, "install", "--config", "/nowhere.yaml"),
		nobody.refuses(ctx, []string{"permission denied"}, "install", "--config", linuxSettings),
		func() error {
			_, err := c.run(ctx, "", "cp", "-r", "/etc/portalsync", "/tmp/")
			return errors.Join(err, c.refuses(ctx, []string{"temporary files", "move it"}, "install", "--config", "/tmp/portalsync/agent.yaml"))
		}(),
		c.service(ctx, "install", "--config", linuxSettings),
		nobody.refuses(ctx, []string{"as root"}, "start"),
		nobody.refuses(ctx, []string{"as root"}, "uninstall"),
	)
}

func (c *container) unenrolled(ctx context.Context) error {
	out, err := c.run(ctx, "", c.agent, "service", "start")
	if err := errors.Join(err, says(out, "runs and waits", "not enrolled", "agent enrol"), c.logged(ctx, "waiting to be enrolled")); err != nil {
		return err
	}
	if err := c.outlives(ctx, 10*time.Second); err != nil { // twice the unit's RestartSec
		return err
	}
	text, err := c.run(ctx, "", "journalctl", "--unit=portalsync-agent", "--output=cat", "--no-pager")
	if n := strings.Count(text, "not enrolled"); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("the journal says %d times that it is not enrolled", n))
	}
	return errors.Join(
		c.state(ctx, "waiting"),
		c.refuses(ctx, []string{"waits", "not enrolled", "agent enrol", "by itself"}, "status"),
		c.service(ctx, "start"),
	)
}

// cannotBegin puts a wrong plan in the way of a start, and takes it away again.
func (c *container) cannotBegin(ctx context.Context) error {
	file := filepath.Join(c.root, filepath.Dir(linuxSettings), "plan.yaml")
	if err := os.WriteFile(file, []byte("version: 0\n"), 0o600); err != nil {
		return fmt.Errorf("break the plan: %w", err)
	}
	if err := errors.Join(
		c.service(ctx, "stop"),
		c.refuses(ctx, []string{"ended at once (exit code 1)", "journalctl -u portalsync-agent"}, "start"),
		c.logged(ctx, "plan.yaml"),
		c.refuses(ctx, []string{"exit code 1", "journalctl -u portalsync-agent"}, "status"),
	); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(plan), 0o600); err != nil {
		return fmt.Errorf("mend the plan: %w", err)
	}
	return c.state(ctx, "running") // by itself
}

func (s *scene) begins(ctx context.Context, c *container) error {
	if err := s.enrol(ctx, c.machine, linuxSettings, "linux", "Nordvask A/S"); err != nil {
		return err
	}
	if err := c.state(ctx, "running"); err != nil {
		return err
	}
	if st, err := c.status(ctx); err != nil || st.State != "running" || !st.Automatic || st.Settings != linuxSettings {
		return errors.Join(err, fmt.Errorf("after start the service is %+v", st))
	}
	return errors.Join(
		s.arrived(ctx),
		c.is(ctx, "the agent to follow", func(st status) bool { return st.Agent.Capture.State == "following" }),
	)
}

// replaced waits until the service runs as another process than before.
func (c *container) replaced(ctx context.Context, before status) error {
	return c.is(ctx, "another process", func(st status) bool {
		return st.State == "running" && st.Process != before.Process && st.Restarts > before.Restarts && st.Agent.Capture.State == "following"
	})
}

// signal sends the agent a signal.
func (c *container) signal(ctx context.Context, name string) (status, error) {
	st, err := c.status(ctx)
	if err != nil {
		return st, err
	}
	_, err = c.run(ctx, "", "sh", "-c", "kill -"+name+" "+strconv.Itoa(st.Process)) // the shell's own: the container has no other
	return st, err
}

func (c *container) killed(ctx context.Context) error {
	before, err := c.signal(ctx, "KILL")
	if err != nil {
		return err
	}
	return c.replaced(ctx, before)
}

// silent waits for a watchdog of two seconds instead of the unit's sixty.
func (c *container) silent(ctx context.Context) error {
	file := filepath.Join(c.root, dropIn)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("shorten the watchdog: %w", err)
	}
	if err := os.WriteFile(file, []byte("[Service]\nWatchdogSec=2\n"), 0o644); err != nil {
		return fmt.Errorf("shorten the watchdog: %w", err)
	}
	for _, order := range [][]string{{"daemon-reload"}, {"restart", "portalsync-agent"}} {
		if _, err := c.run(ctx, "", append([]string{"systemctl"}, order...)...); err != nil {
			return err
		}
	}
	if err := c.outlives(ctx, 5*time.Second); err != nil {
		return err
	}
	before, err := c.signal(ctx, "STOP")
	if err != nil {
		return err
	}
	if err := c.replaced(ctx, before); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Dir(file)); err != nil {
		return fmt.Errorf("put the watchdog back: %w", err)
	}
	_, err = c.run(ctx, "", "systemctl", "daemon-reload")
	return err
}

// outlives is an error when the service is started again although it says that it lives.
func (c *container) outlives(ctx context.Context, d time.Duration) error {
	before, err := c.status(ctx)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
	}
	after, err := c.status(ctx)
	if err == nil && after.Process != before.Process {
		return fmt.Errorf("the watchdog ended an agent that lives: %+v", after)
	}
	return err
}

func (s *scene) alone(ctx context.Context, c *container) error {
	if err := s.receiving.Stop(); err != nil {
		return err
	}
	if err := c.is(ctx, "trouble", func(st status) bool {
		return st.State == "running" && st.Agent.Trouble.Code == "refused" && st.Agent.Trouble.Until == 0
	}); err != nil {
		return err
	}
	if err := s.receive(ctx); err != nil {
		return err
	}
	return c.is(ctx, "the end of trouble", func(st status) bool { return st.Agent.Trouble.Until != 0 })
}

func (c *container) installedTwice(ctx context.Context) error {
	before, err := c.status(ctx)
	if err != nil {
		return err
	}
	if err := c.service(ctx, "install", "--config", linuxSettings); err != nil {
		return err
	}
	return c.is(ctx, "the new service", func(st status) bool { return st.State == "running" && st.Process != before.Process })
}

func (c *container) stops(ctx context.Context) error {
	start := time.Now()
	if err := c.service(ctx, "stop"); err != nil {
		return err
	}
	if took := time.Since(start); took > 5*time.Second {
		return fmt.Errorf("the agent took %s to stop", took)
	}
	st, err := c.status(ctx)
	if err != nil || st.State != "stopped" || st.Exit != 0 || st.Process != 0 {
		return errors.Join(err, fmt.Errorf("after stop the service is %+v", st))
	}
	return errors.Join(c.service(ctx, "stop"), c.logged(ctx, "agent stopped"))
}

// hardened wants systemd's own judgement to be at most 4 of 10, where 10 is a service that may do anything. For
// root, which the unit runs as unless --account says another, there is no better.
func (c *container) hardened(ctx context.Context) error { return c.exposed(ctx, 40) }

// exposed is an error when systemd's judgement is worse than so many tenths.
func (c *container) exposed(ctx context.Context, tenths int) error {
	out, err := c.run(ctx, "", "systemd-analyze", "security", "--no-pager", "--threshold="+strconv.Itoa(tenths), "portalsync-agent.service")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func (c *container) uninstalled(ctx context.Context) error {
	return errors.Join(
		c.service(ctx, "start"),
		c.service(ctx, "uninstall"),
		c.state(ctx, "not-installed"),
		c.refuses(ctx, []string{"not installed"}, "uninstall"),
		func() error {
			out, err := c.run(ctx, "", "sh", "-c", "grep -lx agent /proc/[0-9]*/comm; find /etc/systemd -name 'portalsync*'; test -f /etc/portalsync/state/identity.json || echo no identity")
			if out != "" {
				return fmt.Errorf("left, or gone with it: %s", out)
			}
			return err
		}(),
	)
}

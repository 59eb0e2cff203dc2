package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// need is a program the tests start for real.
type need struct {
	name string   // as a person calls it
	why  string   // what uses it
	apt  []string // Debian and Ubuntu packages
	find []string // program names, or patterns of absolute paths: one suffices
}

var needs = []need{
	{name: "a C compiler", why: "the race detector", apt: []string{"gcc", "libc6-dev"}, find: []string{"gcc", "clang", "cc"}},
	{name: "Redis 7 or later", why: "the queue's tests", apt: []string{"redis-server"}, find: []string{"redis-server"}},
	{
		name: "PostgreSQL 14 or later", why: "the store's tests", apt: []string{"postgresql"},
		find: []string{"/usr/lib/postgresql/*/bin/postgres", "/usr/pgsql-*/bin/postgres", "/opt/homebrew/opt/postgresql@*/bin/postgres", "postgres"},
	},
	{
		name: "Chromium", why: "the pages' tests", apt: []string{"chromium"},
		find: []string{"chromium", "chromium-browser", "google-chrome", "chrome", "/Applications/*Chrom*.app/Contents/MacOS/*"},
	},
}

// serviceNeeds are for the services' tests, which not every run includes.
var serviceNeeds = []need{
	{name: "mmdebstrap", why: "the services' tests", apt: []string{"mmdebstrap", "debian-archive-keyring"}, find: []string{"mmdebstrap"}},
	{name: "systemd-nspawn", why: "the services' tests", apt: []string{"systemd-container"}, find: []string{"systemd-nspawn"}},
}

func (n need) present() bool {
	for _, f := range n.find {
		if filepath.IsAbs(f) {
			if found, err := filepath.Glob(f); err == nil && len(found) > 0 {
				return true
			}
			continue
		}
		if _, err := exec.LookPath(f); err == nil {
			return true
		}
	}
	return false
}

// prepare makes sure that every needed program is there, installing it where apt-get can.
func (s *Suite) prepare(ctx context.Context) error {
	var wanted []need
	if !s.cfg.NoTests {
		wanted = needs
	}
	if s.cfg.Services {
		wanted = slices.Concat(wanted, serviceNeeds)
	}
	var absent []need
	for _, n := range wanted {
		if !n.present() && !(s.cfg.NoRace && n.name == "a C compiler") {
			absent = append(absent, n)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || s.cfg.NoInstall {
		return missing(absent)
	}
	start := time.Now()
	err := aptInstall(ctx, absent)
	s.line("packages installed", verdict(err), time.Since(start))
	return err
}

// missing is the error that names what a person has to install, and what for.
func missing(absent []need) error {
	var what, apt []string
	for _, n := range absent {
		what = append(what, fmt.Sprintf("%s (for %s)", n.name, n.why))
		apt = append(apt, n.apt...)
	}
	return fmt.Errorf("this %s machine lacks %s: install it and run again (on Debian and Ubuntu: apt-get install %s)",
		runtime.GOOS, strings.Join(what, ", "), strings.Join(apt, " "))
}

// aptInstall installs without recommended packages. It downloads into a directory of its own, because two
// apt runs that share one delete each other's files, and waits for a running apt instead of giving up.
func aptInstall(ctx context.Context, absent []need) error {
	archives, err := os.MkdirTemp("", "portalsync-apt-")
	if err != nil {
		return fmt.Errorf("make a directory for downloads: %w", err)
	}
	defer os.RemoveAll(archives)
	if err := os.Mkdir(filepath.Join(archives, "partial"), 0o755); err != nil {
		return fmt.Errorf("make a directory for downloads: %w", err)
	}
	options := []string{"-q", "-y", "-o", "Dir::Cache::archives=" + archives, "-o", "DPkg::Lock::Timeout=300"}
	install := slices.Concat(options, []string{"install", "--no-install-recommends"})
	for _, n := range absent {
		install = append(install, n.apt...)
	}
	for _, args := range [][]string{slices.Concat(options, []string{"update"}), install} {
		if err := apt(ctx, args); err != nil {
			return errors.Join(missing(absent), err)
		}
	}
	return nil
}

func apt(ctx context.Context, args []string) error {
	command := append([]string{"apt-get"}, args...)
	if os.Geteuid() != 0 {
		command = append([]string{"sudo", "-n"}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return nil
}

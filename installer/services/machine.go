package services

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// machine is where an agent is a service: a command in front of every other.
type machine struct {
	prefix []string // runs what follows inside
	agent  string   // the agent's path inside
}

// run runs a command inside and returns what it printed. Its error holds what it wrote to standard error.
func (m machine) run(ctx context.Context, input string, args ...string) (string, error) {
	command := append(m.prefix[:len(m.prefix):len(m.prefix)], args...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// service runs agent service …
func (m machine) service(ctx context.Context, args ...string) error {
	_, err := m.run(ctx, "", append([]string{m.agent, "service"}, args...)...)
	return err
}

// refuses runs agent service … and wants it to end with an error that holds the words.
func (m machine) refuses(ctx context.Context, words []string, args ...string) error {
	err := m.service(ctx, args...)
	if err == nil {
		return fmt.Errorf("agent service %s did not refuse", strings.Join(args, " "))
	}
	return says(err.Error(), words...)
}

// status is what agent service status --json says, as far as the steps look at it.
type status struct {
	State     string `json:"state"`
	Process   int    `json:"process"`
	Automatic bool   `json:"starts_with_system"`
	Restarts  int    `json:"restarts"`
	Exit      int    `json:"exit_code"`
	Settings  string `json:"settings"`
	Log       string `json:"log"`
	Agent     struct {
		Capture struct {
			State string `json:"state"`
		} `json:"capture"`
		Trouble struct {
			Code  string `json:"code"`
			Until int64  `json:"until"`
		} `json:"receiver_err"`
	} `json:"agent"`
}

func (m machine) status(ctx context.Context) (st status, err error) {
	out, runErr := m.run(ctx, "", m.agent, "service", "status", "--json") // ends with an error unless the service runs
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		return st, errors.Join(fmt.Errorf("read the service's status: %w", err), runErr)
	}
	return st, nil
}

// is waits until the service is as wanted.
func (m machine) is(ctx context.Context, what string, wanted func(status) bool) error {
	var last status
	err := await(ctx, what, func() (ok bool, err error) {
		last, err = m.status(ctx)
		return err == nil && wanted(last), err
	})
	if err != nil {
		return fmt.Errorf("%w; the service is %+v", err, last)
	}
	return nil
}

// state waits until the service is in a state.
func (m machine) state(ctx context.Context, word string) error {
	return m.is(ctx, "the service to be "+word, func(st status) bool { return st.State == word })
}

// unpack makes a Debian of a release with some packages in dir. What was downloaded is kept for the next time.
func unpack(ctx context.Context, dir, release, variant, packages string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find a directory to keep downloads in: %w", err)
	}
	cache = filepath.Join(cache, "portalsync")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return fmt.Errorf("make a directory to keep downloads in: %w", err)
	}
	kept := filepath.Join(cache, release+"-"+variant+".tar")
	if _, err := os.Stat(kept); err != nil {
		half := filepath.Join(cache, "half-"+release+"-"+variant+".tar")
		if err := command(ctx, "mmdebstrap", "--quiet", "--variant="+variant, "--include="+packages, release, half); err != nil {
			return err
		}
		if err := os.Rename(half, kept); err != nil {
			return fmt.Errorf("keep what was downloaded: %w", err)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	return command(ctx, "tar", "--extract", "--file", kept, "--directory", dir)
}

// command runs a program of this machine to its end.
func command(ctx context.Context, program string, args ...string) error {
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}

// goTool runs the go command for Windows.
func goTool(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

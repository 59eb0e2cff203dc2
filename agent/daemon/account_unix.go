//go:build unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"lessor.dk/portalsync/agent/config"
)

// admit makes the account owner of the state directory and of the keys in it, and sees that it reaches whatever
// else the service needs.
func admit(ctx context.Context, account, program string, cfg *config.Config) error {
	who, err := identify(ctx, account)
	if err != nil {
		return err
	}
	if err := give(cfg.State, int(who.Uid)); err != nil {
		return err
	}
	for _, need := range []struct{ what, right, path string }{
		{"run the program", "-x", program},
		{"read the settings file", "-r", cfg.File},
		{"read the plan", "-r", cfg.Plan},
		{"read extra_ca", "-r", cfg.ExtraCA},
		{"read main_system.password_file", "-r", cfg.MainSystem.PasswordFile},
		{"read main_system.entra.secret_file", "-r", cfg.MainSystem.Entra.SecretFile},
		{"read main_system.entra.certificate_file", "-r", cfg.MainSystem.Entra.CertificateFile},
		{"read the main system", "-r", cfg.MainSystem.SQLite},
		{"write to the state directory", "-w", cfg.State},
	} {
		if need.path == "" {
			continue
		}
		test := exec.CommandContext(ctx, "test", need.right, need.path)
		test.SysProcAttr = &syscall.SysProcAttr{Credential: who}
		err := test.Run()
		var no *exec.ExitError
		if errors.As(err, &no) && no.ExitCode() == 1 {
			return fmt.Errorf("the account %s may not %s %s: give it the right to the file and to the directories above it, for instance with chgrp %s and chmod g+rX, and install again", account, need.what, need.path, account)
		}
		if err != nil {
			return fmt.Errorf("see whether the account %s may %s %s: %w", account, need.what, need.path, err)
		}
	}
	return nil
}

// identify asks the system for an account, wherever it keeps accounts: a program that is not linked with the C
// library sees only those of /etc/passwd.
func identify(ctx context.Context, account string) (*syscall.Credential, error) {
	var numbers [][]uint32
	for _, what := range []string{"-u", "-g", "-G"} {
		out, err := exec.CommandContext(ctx, "id", what, "--", account).Output()
		if err != nil {
			return nil, fmt.Errorf("the account %s is not known on this computer: make it first, for instance with useradd --system --user-group %s: %w", account, account, err)
		}
		var n []uint32
		for word := range strings.FieldsSeq(string(out)) {
			number, err := strconv.ParseUint(word, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("read the numbers of account %s: %w", account, err)
			}
			n = append(n, uint32(number))
		}
		numbers = append(numbers, n)
	}
	if len(numbers[0]) != 1 || len(numbers[1]) != 1 {
		return nil, fmt.Errorf("read the numbers of account %s: the system tells %v", account, numbers)
	}
	return &syscall.Credential{Uid: numbers[0][0], Gid: numbers[1][0], Groups: numbers[2]}, nil
}

// give makes an account owner of the state directory and of what is in it. Whatever links lie there, nothing
// outside changes hands.
func give(state string, uid int) error {
	root, err := os.OpenRoot(state)
	if err != nil {
		return fmt.Errorf("look into the state directory: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("look into the state directory: %w", err)
		}
		return root.Lchown(path, uid, -1)
	})
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"lessor.dk/portalsync/installer/demo/company"
)

// pointerFile tells another command of the same person where the running demo's main system is.
func pointerFile() string {
	return filepath.Join(os.TempDir(), "portalsync-demo-"+strconv.Itoa(os.Getuid())+".path")
}

// point writes the pointer to the main system and returns its path.
func point(mainSystem string) (string, error) {
	file := pointerFile()
	if err := os.WriteFile(file, []byte(mainSystem), 0o600); err != nil {
		return "", fmt.Errorf("note where the main system is: %w", err)
	}
	return file, nil
}

// PayRun runs the next month's pay in the main system of a demo: the one in the data directory, or, without
// one, the one that runs. It returns a sentence about what it did.
func PayRun(ctx context.Context, data string) (string, error) {
	file := filepath.Join(data, "main-system.db")
	if data == "" {
		b, err := os.ReadFile(pointerFile())
		if errors.Is(err, fs.ErrNotExist) {
			return "", errors.New("no demo is running: start one with go run ./installer demo, or name its directory with --data")
		}
		if err != nil {
			return "", fmt.Errorf("find the running demo: %w", err)
		}
		file = string(b)
	}
	if _, err := os.Stat(file); err != nil { //nolint:gosec // the file was named by the person who runs us
		return "", fmt.Errorf("the demo's main system cannot be read: %w", err)
	}
	main, err := company.Open(file)
	if err != nil {
		return "", err
	}
	defer main.Close()
	title, payslips, err := main.PayRun(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %d payslips with documents. Watch them arrive in the portal.", title, payslips), nil
}

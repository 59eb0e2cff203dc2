package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// pointerFile tells another command of the same person where the running demo's main system is.
func pointerFile() string {
	return filepath.Join(os.TempDir(), "portalsync-demo-"+strconv.Itoa(os.Getuid())+".path")
}

// point writes the pointer to the main system and returns its path.
func point(main mainSystem) (string, error) {
	file := pointerFile()
	if err := os.WriteFile(file, []byte(main), 0o600); err != nil {
		return "", fmt.Errorf("note where the main system is: %w", err)
	}
	return file, nil
}

// PayRun runs the next month's pay in the main system of a demo: the SQL Server database or the data directory of the
// configuration, or, without them, the one that runs. It returns a sentence about what it did.
func PayRun(ctx context.Context, cfg Config) (string, error) {
	where := cfg.mainSystem(cfg.Data)
	if cfg.Data == "" && cfg.SQLServer == "" {
		b, err := os.ReadFile(pointerFile())
		if errors.Is(err, fs.ErrNotExist) {
			return "", errors.New("no demo is running: start one with go run ./installer demo, or name its directory with --data")
		}
		if err != nil {
			return "", fmt.Errorf("find the running demo: %w", err)
		}
		where = mainSystem(b)
	}
	main, err := where.open(ctx)
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

package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func (d *Doctor) disk(yield func(Finding)) {
	const check = "disk"
	dir := existing(d.cfg.State)
	if err := writable(dir); err != nil {
		yield(wrong(check, CodeState, "The directory %s cannot be written (%v): give the agent's account the right to, or set state to another directory.", dir, err))
		return
	}
	free, err := freeBytes(dir)
	switch {
	case err != nil:
		yield(wrong(check, CodeDisk, "The free space of %s cannot be told (%v): check the disk.", dir, err))
	case free < minFree:
		yield(wrong(check, CodeDisk, "The disk of %s has only %d MB free: free at least %d MB; no payroll data is lost, the portal goes on from where it is.", dir, free>>20, minFree>>20))
	default:
		yield(ok(check, "%s can be written and has %d MB free.", dir, free>>20))
	}
}

// existing returns the directory, or the nearest above it that exists: before installation nothing does.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// writable makes a file in a directory and takes it away.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".portalsync-check-*")
	if err != nil {
		return fmt.Errorf("make a file: %w", err)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("remove a file: %w", err)
	}
	return nil
}

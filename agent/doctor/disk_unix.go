//go:build unix

package doctor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// freeBytes tells how much an ordinary account may still write to the disk of a directory.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}

package doctor

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// freeBytes tells how much the account may still write to the disk of a directory.
func freeBytes(dir string) (uint64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return free, nil
}

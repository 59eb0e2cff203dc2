//go:build unix

package stage

import (
	"os"
	"os/exec"
	"syscall"
)

// detach gives the program a process group of its own, out of the terminal's reach.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// peakOf returns the largest resident size in bytes; Linux counts it in KiB.
func peakOf(s *os.ProcessState) int64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10
}

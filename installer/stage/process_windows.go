package stage

import (
	"os"
	"os/exec"
	"syscall"
)

// detach gives the program a process group of its own, out of the terminal's reach.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate ends the program: a console program on Windows cannot be asked from outside its console.
func terminate(p *os.Process) error { return p.Kill() }

// peakOf returns 0: Windows does not tell it with the exit state.
func peakOf(*os.ProcessState) int64 { return 0 }

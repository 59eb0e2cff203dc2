package bench

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of /proc/PID/stat's times; Linux fixes it at 100 Hz for user space.
const clockTick = 10 * time.Millisecond

// usage is what a process and its descendants have used so far.
type usage struct {
	CPU  time.Duration
	Peak int64 // bytes of the largest single process (VmHWM)
}

// processUsage reads the usage of a process tree from /proc. A process that ends while we look counts
// through its parent, which has waited for it.
func processUsage(pid int) (usage, error) {
	own, err := statOf(pid)
	if err != nil {
		return usage{}, err
	}
	total := usage{CPU: own, Peak: peakOf(pid)}
	for _, child := range childrenOf(pid) {
		u, err := processUsage(child)
		if err != nil {
			continue
		}
		total.CPU += u.CPU
		total.Peak = max(total.Peak, u.Peak)
	}
	return total, nil
}

// statOf returns the CPU time of a process and of its children that have ended.
func statOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("read usage of process %d: %w", pid, err)
	}
	_, rest, ok := strings.Cut(string(b), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	const utime, cstime = 11, 14 // fields 14 to 17 of the file, counted after the name
	if !ok || len(fields) <= cstime {
		return 0, fmt.Errorf("read usage of process %d: short stat", pid)
	}
	var ticks int64
	for _, f := range fields[utime : cstime+1] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read usage of process %d: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// peakOf returns the largest resident size a process has had, in bytes; 0 when it has ended.
func peakOf(pid int) int64 {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if kib, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// childrenOf finds the living children by their parent's number.
func childrenOf(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var out []int
	for _, file := range stats {
		b, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if n, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// titleOf returns what a process calls itself; empty when it has ended.
func titleOf(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	return string(b)
}

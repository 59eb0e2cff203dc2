package e2e_test

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fullDisk takes from the running receiver what a full disk takes: no file of its database may grow. (A limit of the
// process needs no rights and no disk of its own; that SQLite's own "disk full" is the same to the receiver is
// receiver/store TestFull.)
func (s *scene) fullDisk() {
	files, err := filepath.Glob(s.path("data/portal.db*"))
	s.must(err)
	var largest uint64
	for _, file := range files {
		info, err := os.Stat(file)
		s.must(err)
		largest = max(largest, uint64(info.Size()))
	}
	var before unix.Rlimit
	s.must(unix.Prlimit(s.receiving.Pid(), unix.RLIMIT_FSIZE, nil, &before))
	s.must(unix.Prlimit(s.receiving.Pid(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: largest + 32<<10, Max: before.Max}, nil))
	s.hire(20_000)
	s.receiverTells("/status", `"code":"disk-full"`, "free space there; nothing is lost, agents wait and go on by themselves", `"ready":true`)
	s.receiverTells("/metrics", `portalsync_trouble{code="disk-full"} 1`)
	select {
	case <-s.receiving.Done():
		s.t.Fatal("the receiver ended on a full disk")
	case <-s.running.Done():
		s.t.Fatal("the agent ended when the receiver's disk was full")
	default:
	}
	s.must(unix.Prlimit(s.receiving.Pid(), unix.RLIMIT_FSIZE, &before, nil))
	s.equal()
	s.receiverTells("/status", `"troubles":[]`)
}

package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// SmallDisk is a file system of a few MiB for the test alone, which can be full and have room again.
type SmallDisk struct{ dir string }

// NewSmallDisk mounts a SmallDisk in memory until the test ends. Only root may: for anybody else the test is skipped.
func NewSmallDisk(t testing.TB, mib int) *SmallDisk {
	t.Helper()
	dir, err := os.MkdirTemp("", "portalsync-disk-") //nolint:usetesting // the user postgres may not enter the test's own
	if err != nil {
		t.Fatalf("make a directory for the small disk: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) }) // it is empty, or still mounted
	d := &SmallDisk{dir: dir}
	err = unix.Mount("tmpfs", d.dir, "tmpfs", unix.MS_NOEXEC|unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%dm,mode=0755", mib))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Skipf("mounting a small disk is for root: %v", err)
	}
	if err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(d.dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return d
}

// Fill leaves so many bytes free.
func (d *SmallDisk) Fill(t testing.TB, leave int64) {
	t.Helper()
	var now unix.Statfs_t
	if err := unix.Statfs(d.dir, &now); err != nil {
		t.Fatalf("look at the small disk: %v", err)
	}
	free := int64(now.Bavail) * now.Bsize
	if free <= leave {
		t.Fatalf("the small disk has %d bytes left, want more than %d", free, leave)
	}
	if err := os.WriteFile(d.ballast(), make([]byte, free-leave), 0o600); err != nil {
		t.Fatalf("fill the small disk: %v", err)
	}
}

// Free gives back what Fill took.
func (d *SmallDisk) Free(t testing.TB) {
	t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		t.Fatalf("free the small disk: %v", err)
	}
}

func (d *SmallDisk) ballast() string { return filepath.Join(d.dir, "ballast") }

// PostgresOn is Postgres with the database's files, but not the server's journal, on a SmallDisk.
func PostgresOn(t testing.TB, d *SmallDisk) string {
	t.Helper()
	shared.run(t)
	dir := filepath.Join(d.dir, "tables")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatalf("make a directory for PostgreSQL: %v", err)
	}
	if _, err := postgresUser(dir); err != nil {
		t.Fatal(err)
	}
	shared.mu.Lock()
	shared.databases++
	name := "small_" + strconv.Itoa(shared.databases)
	shared.mu.Unlock()
	for _, statement := range []string{
		fmt.Sprintf("CREATE TABLESPACE %s LOCATION '%s'", name, dir),
		fmt.Sprintf("CREATE DATABASE %s TABLESPACE %s", name, name),
	} {
		if err := shared.exec(t.Context(), statement); err != nil {
			t.Fatalf("make a PostgreSQL database on the small disk: %v", err)
		}
	}
	t.Cleanup(func() {
		for _, statement := range []string{"DROP DATABASE " + name + " WITH (FORCE)", "DROP TABLESPACE " + name} {
			if err := shared.exec(context.Background(), statement); err != nil {
				t.Errorf("drop the database on the small disk: %v", err)
			}
		}
	})
	return shared.url(name)
}

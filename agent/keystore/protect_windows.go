package keystore

import (
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// protection says how secrets are kept in the file: sealed to this machine by DPAPI, for the
// service's account and the person who installs are not the same.
const protection = "dpapi-machine"

func protect(secret []byte) ([]byte, error) {
	var out windows.DataBlob
	err := windows.CryptProtectData(blobOf(secret), nil, nil, 0, nil,
		windows.CRYPTPROTECT_LOCAL_MACHINE|windows.CRYPTPROTECT_UI_FORBIDDEN, &out)
	if err != nil {
		return nil, fmt.Errorf("seal to this machine: %w", err)
	}
	return taken(out)
}

func unprotect(protected []byte) ([]byte, error) {
	if len(protected) == 0 {
		return nil, fmt.Errorf("open what was sealed to this machine: it is empty")
	}
	var out windows.DataBlob
	err := windows.CryptUnprotectData(blobOf(protected), nil, nil, 0, nil, windows.CRYPTPROTECT_UI_FORBIDDEN, &out)
	if err != nil {
		return nil, fmt.Errorf("open what was sealed to this machine (was the file copied from another?): %w", err)
	}
	return taken(out)
}

func blobOf(b []byte) *windows.DataBlob {
	return &windows.DataBlob{Size: uint32(len(b)), Data: unsafe.SliceData(b)}
}

// taken copies what Windows allocated and gives it back.
func taken(out windows.DataBlob) ([]byte, error) {
	b := append([]byte(nil), unsafe.Slice(out.Data, out.Size)...)
	clear(unsafe.Slice(out.Data, out.Size))
	if _, err := windows.LocalFree(windows.Handle(unsafe.Pointer(out.Data))); err != nil {
		return nil, fmt.Errorf("free sealed memory: %w", err)
	}
	return b, nil
}

// private accepts every file: access follows the directory's access list, which the installer
// narrows to the service's account and administrators, and the secrets are sealed besides.
func private(string, fs.FileInfo) error { return nil }

// adopt does nothing: access follows the directory's access list.
func adopt(*os.File) error { return nil }

// syncDirectory does nothing: NTFS journals a rename.
func syncDirectory(string) error { return nil }

//go:build linux || darwin

package sqlite

import "syscall"

// The modes of access(2), which does not open the file: closing a file releases the locks that
// SQLite has.
const (
	mayExecute = 1
	mayWrite   = 2
	mayRead    = 4
)

func writable(path string, dir bool) error {
	mode := uint32(mayRead | mayWrite)
	if dir {
		mode |= mayExecute
	}
	return syscall.Access(path, mode)
}

func freeBytes(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

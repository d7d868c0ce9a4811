//go:build linux || darwin

package sqlite

import "syscall"

// access(2) asks without opening: to close a file beside SQLite would release SQLite's locks.
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

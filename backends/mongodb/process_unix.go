//go:build unix

package mongodb

import (
	"errors"
	"syscall"
)

// runs tells whether there is a process of that number.
func runs(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

package socket

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// trier writes to a descriptor without waiting, and beside net, whose bookkeeping for each write costs as much as all of ours: it
// has the runtime hand the core on to others, since a system call may block. This one cannot, for net's descriptors do not.
type trier struct {
	raw syscall.RawConn

	giving sync.Mutex // held while the descriptor is written to, and while it is given back
	fd     uintptr
	given  bool // back to net, which closes it: the number may be another's

	arrival func(fd uintptr) bool // made once: a closure for each would be an allocation for each
	arrived *[]byte               // one of the arrivals, with what has come
}

const canTry = true

// able tells whether take has found a descriptor.
func (t *trier) able() bool { return t.raw != nil }

// take leaves t unable if the connection has no descriptor any more.
func (t *trier) take(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil || raw.Control(func(fd uintptr) { t.fd = fd }) != nil {
		return
	}
	t.raw = raw
	t.arrival = t.receive
}

// giveBack is the end of writing, before the connection is closed. It waits for a write that is under way, which does not wait.
func (t *trier) giveBack() {
	t.giving.Lock()
	defer t.giving.Unlock()
	t.given = true
}

// await waits until something has arrived; false if nothing will.
func (t *trier) await() bool {
	t.arrived = nil
	return t.raw.Read(t.arrival) == nil && t.arrived != nil
}

// receive is read(2) into a buffer; false if nothing has come yet.
func (t *trier) receive(fd uintptr) bool {
	buffer := arrivals.Get().(*[]byte)
	n, err := syscall.Read(int(fd), (*buffer)[:cap(*buffer)])
	if n > 0 {
		*buffer = (*buffer)[:n]
		t.arrived = buffer
		return true
	}
	arrivals.Put(buffer)
	return !errors.Is(err, syscall.EAGAIN)
}

// write is write(2): how many bytes the kernel takes now, 0 if there is no room.
func (t *trier) write(message []byte) (int, error) {
	t.giving.Lock()
	defer t.giving.Unlock()
	if t.given {
		return 0, net.ErrClosed
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, t.fd, uintptr(unsafe.Pointer(unsafe.SliceData(message))), uintptr(len(message)))
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EAGAIN, syscall.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("write", errno)
}

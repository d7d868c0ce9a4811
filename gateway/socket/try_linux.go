package socket

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// trier writes to a descriptor without waiting: net's descriptors do not block, it is net that waits.
type trier struct {
	raw     syscall.RawConn
	attempt func(fd uintptr) bool // made once: a closure for each write would be an allocation for each

	message []byte // of the attempt that is under way
	n       int
	err     error

	arrival func(fd uintptr) bool // made once too
	arrived *[]byte               // one of the arrivals, with what has come
}

const canTry = true

// able tells whether take has found a descriptor.
func (t *trier) able() bool { return t.raw != nil }

// take leaves t unable if the connection has no descriptor any more.
func (t *trier) take(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	t.raw = raw
	t.attempt = func(fd uintptr) bool {
		t.n, t.err = syscall.Write(int(fd), t.message)
		return true // whatever came of it: net is not to wait until the peer takes more
	}
	t.arrival = t.receive
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
	t.message = message
	err := t.raw.Write(t.attempt)
	t.message = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(t.err, syscall.EAGAIN), errors.Is(t.err, syscall.EINTR):
		return 0, nil
	case t.err != nil:
		return 0, os.NewSyscallError("write", t.err)
	}
	return t.n, nil
}

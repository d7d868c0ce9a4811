package socket

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// trier writes to a descriptor without waiting, beside package net. For each write net has the
// runtime hand the core on to others, since a system call may block, which costs as much as all the
// rest. This one cannot block: net's descriptors are non-blocking.
type trier struct {
	raw syscall.RawConn

	giving sync.Mutex // held while the descriptor is written to or given back
	fd     uintptr
	given  bool // back to net, which closes it: the number may be another's

	arrival func(fd uintptr) bool // made once: a closure for each read would be an allocation for each
	arrived *[]byte               // an arrival buffer with the received bytes
}

const canTry = true

// able reports whether take has found a descriptor.
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

// giveBack ends the writing before the connection is closed. A write that is under way does not
// wait, so neither does this.
func (t *trier) giveBack() {
	t.giving.Lock()
	defer t.giving.Unlock()
	t.given = true
}

// await waits until bytes have arrived. It returns false if none will.
func (t *trier) await() bool {
	t.arrived = nil
	return t.raw.Read(t.arrival) == nil && t.arrived != nil
}

// receive is read(2) into a buffer. It returns false if nothing has come yet.
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

// write is write(2). It returns how many bytes the kernel takes now, 0 if it has no room.
func (t *trier) write(message []byte) (int, error) {
	t.giving.Lock()
	defer t.giving.Unlock()
	if t.given {
		return 0, net.ErrClosed
	}
	n, _, errno := syscall.RawSyscall(
		syscall.SYS_WRITE, t.fd, uintptr(unsafe.Pointer(unsafe.SliceData(message))), uintptr(len(message)),
	)
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EAGAIN, syscall.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("write", errno)
}

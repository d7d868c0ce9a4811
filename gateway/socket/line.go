package socket

import (
	"bytes"
	"net"
	"sync"
	"time"
)

const (
	// sendBuffer bounds what the kernel takes for a peer that does not read; its default is up to 4
	// MiB.
	sendBuffer = 128 << 10
	// chunk is the most that must move within one stall time.
	chunk = 16 << 10
)

// line writes to a connection, one whole message after the other. It gives up a peer that takes no
// byte for the stall time. A deadline for the whole message would cut peers that are slow but
// alive.
type line struct {
	net.Conn
	stall time.Duration
	plain bool // no more than net's and the library's own ways

	writing sync.Mutex // held for a whole message, but not while its rest waits
	rest    []byte     // the part of a tried message that is not written yet; it goes before any other
	broken  error      // why a message may be half written: nothing may follow it
	tries   trier      // unable: every write may wait
	until   time.Time  // the deadline of writes that may wait
}

// take takes a connection over. It never tries to write to a plain one.
func (l *line) take(conn net.Conn, stall time.Duration, plain bool) {
	l.Conn, l.stall, l.plain = conn, stall, plain
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a hint; the stall time holds without it
		if !plain {
			l.tries.take(tcp)
		}
	}
}

// Close makes every read and write fail.
func (l *line) Close() error {
	l.tries.giveBack()
	return l.Conn.Close()
}

// Progress is how far a try has come.
type Progress int

// The progress of a try.
const (
	Busy  Progress = iota // nothing was taken: another write is under way, or a rest goes first
	Begun                 // the kernel took a part; Flush, or the next send, waits for the peer to take the rest
	Whole                 // everything has gone
)

// CanTry reports whether a try may succeed on this connection at all: it is TCP without TLS, on
// Linux.
func (l *line) CanTry() bool { return l.tries.able() }

// try writes one message as far as the peer takes it at once. It waits for nothing.
func (l *line) try(message []byte) (Progress, error) {
	if !l.tries.able() || !l.writing.TryLock() {
		return Busy, nil
	}
	defer l.writing.Unlock()
	return l.tryLocked(message)
}

func (l *line) tryLocked(message []byte) (Progress, error) {
	if len(l.rest) > 0 || l.broken != nil {
		return Busy, l.broken
	}
	n, err := l.tries.write(message)
	if err != nil {
		return Busy, err
	}
	if n == len(message) {
		return Whole, nil
	}
	l.rest = bytes.Clone(message[n:])
	return Begun, nil
}

// Flush waits until the peer has taken what a try has begun.
func (l *line) Flush() error { return l.send() }

// send writes a message in parts.
func (l *line) send(parts ...[]byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.sendLocked(parts...)
}

// sendLocked fails for good once it has failed. The caller holds writing.
func (l *line) sendLocked(parts ...[]byte) error {
	if l.broken == nil {
		l.broken = l.sendAll(parts)
	}
	return l.broken
}

func (l *line) sendAll(parts [][]byte) error {
	if len(l.rest) > 0 {
		rest := l.rest
		l.rest = nil
		if err := l.write(rest); err != nil {
			return err
		}
	}
	for _, part := range parts {
		if err := l.write(part); err != nil {
			return err
		}
	}
	return nil
}

// write tries first and waits only for the rest. A try rarely leaves any, and setting a deadline
// costs as much as half a try.
func (l *line) write(b []byte) error {
	if !l.tries.able() {
		return l.writeWaiting(b)
	}
	n, err := l.tries.write(b)
	if err != nil || n == len(b) {
		return err
	}
	return l.writeWaiting(b[n:])
}

// writeWaiting gives the peer the stall time for each part of the bytes, and up to a quarter more.
func (l *line) writeWaiting(b []byte) error {
	for len(b) > 0 {
		part := b[:min(len(b), chunk)]
		if err := l.extend(); err != nil {
			return err
		}
		n, err := l.Conn.Write(part)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// extend moves the deadline so that a write that begins now has at least the stall time. It keeps a
// deadline that is far enough: setting one for each of many small writes was 3 % of their cost.
func (l *line) extend() error {
	now := time.Now()
	if l.until.Sub(now) >= l.stall {
		return nil
	}
	l.until = now.Add(l.stall + l.stall/4)
	return l.SetWriteDeadline(l.until)
}

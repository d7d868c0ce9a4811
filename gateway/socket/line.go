package socket

import (
	"bytes"
	"net"
	"sync"
	"time"
)

const (
	// sendBuffer bounds what the kernel takes for a peer that does not read; its default is up to 4 MiB.
	sendBuffer = 128 << 10
	// chunk is the most that must move within one stall time.
	chunk = 16 << 10
)

// line writes to a connection: each message is the peer's whole before another begins. A peer that takes no byte for the
// stall time is given up; a deadline for the whole message would cut slow but live peers.
type line struct {
	net.Conn
	stall time.Duration
	plain bool // no more than net's and the library's own ways

	writing sync.Mutex // held for a whole message, but for its rest
	rest    []byte     // of the message that a try has begun: it goes before any other
	broken  error      // why half a message may have gone: nothing fits behind it
	tries   trier      // unable: every write may wait
	until   time.Time  // the deadline of those that may
}

// take takes a connection over. A plain one is never tried.
func (l *line) take(conn net.Conn, stall time.Duration, plain bool) {
	l.Conn, l.stall, l.plain = conn, stall, plain
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a hint; the stall time holds without it
		if !plain {
			l.tries.take(tcp)
		}
	}
}

// Close makes whoever reads or writes fail.
func (l *line) Close() error {
	l.tries.giveBack()
	return l.Conn.Close()
}

// Progress is what a try has come to.
type Progress int

// What a try may come to.
const (
	Busy  Progress = iota // nothing was taken: somebody else writes, or must first
	Begun                 // the message is as good as sent, but who sends next, or flushes, waits for the peer to take it
	Whole                 // everything has gone
)

// CanTry tells whether a try may succeed on this connection at all: it is a TCP connection without TLS, on Linux.
func (l *line) CanTry() bool { return l.tries.able() }

// try writes one message as far as the peer takes it at once; it waits for nothing.
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

// sendLocked fails for good once it has failed.
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

// write waits only for what a try leaves: it rarely leaves anything, and a deadline costs as much as half a try.
func (l *line) write(b []byte) error {
	if !l.tries.able() {
		return l.patiently(b)
	}
	n, err := l.tries.write(b)
	if err != nil || n == len(b) {
		return err
	}
	return l.patiently(b[n:])
}

// patiently gives the peer the stall time for each part of the bytes, and up to a quarter more.
func (l *line) patiently(b []byte) error {
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

// extend has no write that begins now given up before the stall time. A deadline that is far enough is left: setting one for each of many
// small writes was 3 % of what they cost.
func (l *line) extend() error {
	now := time.Now()
	if l.until.Sub(now) >= l.stall {
		return nil
	}
	l.until = now.Add(l.stall + l.stall/4)
	return l.SetWriteDeadline(l.until)
}

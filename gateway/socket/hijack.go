package socket

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"time"
)

const (
	// sendBuffer bounds what the kernel takes for a peer that does not read; its default is up to 4 MiB.
	sendBuffer = 128 << 10
	// chunk is the most that must move within one stall time.
	chunk = 16 << 10
	// readBuffer is that of the library's reader. Its writer writes control frames alone, which are at most 127 bytes, and
	// each of which must be one Write.
	readBuffer  = 4 << 10
	writeBuffer = 256
)

// hijacker hands the library our connection instead of net/http's.
type hijacker struct {
	http.ResponseWriter
	stall time.Duration
	wire  *wire // once it has been handed over
}

// Hijack implements http.Hijacker. Reader and writer must be new ones, since net/http's go to the original connection;
// what came with the handshake is read from ours first.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a hint; the stall time holds without it
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	h.wire = &wire{Conn: conn, stall: h.stall, early: bytes.Clone(early)}
	return h.wire, bufio.NewReadWriter(bufio.NewReaderSize(h.wire, readBuffer), bufio.NewWriterSize(h.wire, writeBuffer)), nil
}

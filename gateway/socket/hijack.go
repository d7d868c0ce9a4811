package socket

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"time"
)

const (
	// readBuffer is that of the library's reader, the least there is: what has come waits in a buffer of the arrivals.
	readBuffer = 16
	// plainReadBuffer is that of one who reads the connection itself: requests are short. Longer ones go by it.
	plainReadBuffer = 512
	// writeBuffer is that of the library's writer, which writes control frames alone: they are at most 127 bytes, and each
	// must be one Write.
	writeBuffer = 128
	// plainWriteBuffer is that of a writer that writes messages too.
	plainWriteBuffer = 4 << 10
)

// hijacker hands the library our connection instead of net/http's.
type hijacker struct {
	http.ResponseWriter
	stall time.Duration
	plain bool
	wire  *wire // ours, to be filled in

	reader *bufio.Reader // the library's, once it has been handed over
}

// Hijack implements http.Hijacker. Reader and writer must be new ones, since net/http's go to the original connection;
// what came with the handshake is read from ours first.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	h.wire.unread = bytes.Clone(early)
	h.wire.take(conn, h.stall, h.plain)
	reads, writes := readBuffer, writeBuffer
	if !h.wire.CanTry() {
		reads = plainReadBuffer
	}
	if h.plain {
		writes = plainWriteBuffer
	}
	h.reader = bufio.NewReaderSize(h.wire, reads)
	return h.wire, bufio.NewReadWriter(h.reader, bufio.NewWriterSize(h.wire, writes)), nil
}

package socket

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"time"
)

const (
	// readBuffer is that of the library's reader: requests are short, connections many. Longer ones go by it.
	readBuffer = 512
	// writeBuffer is that of the library's writer, which writes control frames alone: they are at most 127 bytes, and each
	// must be one Write.
	writeBuffer = 256
	// plainWriteBuffer is that of a writer that writes messages too.
	plainWriteBuffer = 4 << 10
)

// hijacker hands the library our connection instead of net/http's.
type hijacker struct {
	http.ResponseWriter
	stall time.Duration
	plain bool
	wire  *wire // once it has been handed over
}

// Hijack implements http.Hijacker. Reader and writer must be new ones, since net/http's go to the original connection;
// what came with the handshake is read from ours first.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	h.wire = &wire{early: bytes.Clone(early)}
	h.wire.take(conn, h.stall, h.plain)
	size := writeBuffer
	if h.plain {
		size = plainWriteBuffer
	}
	return h.wire, bufio.NewReadWriter(bufio.NewReaderSize(h.wire, readBuffer), bufio.NewWriterSize(h.wire, size)), nil
}

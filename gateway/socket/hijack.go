package socket

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"time"
)

const (
	// readBuffer is the size of the library's reader, the least there is: received bytes wait in an
	// arrival buffer.
	readBuffer = 16
	// plainReadBuffer is the size of a reader over the connection itself. Requests are short; longer
	// ones go past it.
	plainReadBuffer = 512
	// writeBuffer is the size of the library's writer, which writes control frames alone. They are at
	// most 127 bytes, and each must be one Write.
	writeBuffer = 128
	// plainWriteBuffer is the size of a writer that writes messages too.
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

// WriteHeader adds to the handshake's answer what was agreed to.
func (h *hijacker) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols && h.wire.frames.deflate {
		h.Header().Set(extensions, deflateAnswer)
	}
	h.ResponseWriter.WriteHeader(status)
}

// Hijack implements http.Hijacker. Reader and writer must be new ones, since those of net/http go
// to the original connection. Bytes that came with the handshake are read first.
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

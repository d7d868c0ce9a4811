package socket

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// sendBuffer bounds what the kernel takes for a peer that does not read; its default is up to 4 MiB.
	sendBuffer = 128 << 10
	// chunk is the most that must move within one stall time.
	chunk = 16 << 10
	// bufferSize is that of the library's reader and writer.
	bufferSize = 4 << 10
)

// hijacker hands the library our connection instead of net/http's.
type hijacker struct {
	http.ResponseWriter
	stall time.Duration
}

// Hijack implements http.Hijacker. The buffered writer must be a new one, since net/http's goes to the original
// connection. Bytes that came with the handshake must lie in the reader's buffer: the library takes them from
// there and then resets the reader to the connection.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a hint; the stall time holds without it
	}
	ours := &stallConn{Conn: conn, stall: h.stall}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	reader := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), ours), bufferSize)
	_, _ = reader.Peek(len(early))
	return ours, bufio.NewReadWriter(reader, bufio.NewWriterSize(ours, bufferSize)), nil
}

// stallConn fails a write once the peer has taken nothing for the stall time. A deadline for the whole write would
// cut slow but live peers.
type stallConn struct {
	net.Conn
	stall time.Duration
}

func (c *stallConn) Write(b []byte) (written int, err error) {
	for {
		part := b[written:min(len(b), written+chunk)]
		if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(part)
		written += n
		if err != nil || written == len(b) {
			return written, err
		}
	}
}

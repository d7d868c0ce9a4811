package socket

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Response is the body of an answer under HTTP/1.1 that has no length: it ends with its connection,
// which nothing else uses (RFC 9112 §6.3). It is written beside net/http and needs none of its
// buffers.
type Response struct {
	line line
}

// Respond answers with status 200 and w's header fields. It returns nil where the answer has to go
// through net/http: under HTTP/2, with TLS, and on other systems than Linux. The caller must call
// Cut in the end.
func Respond(w http.ResponseWriter, r *http.Request, stall time.Duration) *Response {
	if r.ProtoMajor != 1 || r.TLS != nil || !canTry {
		return nil
	}
	conn, _, err := http.NewResponseController(w).
		Hijack()
		// bytes behind the request are dropped: there is no next answer
	if err != nil {
		return nil
	}
	s := &Response{}
	s.line.take(conn, stall, false)
	head := bytes.NewBufferString("HTTP/1.1 200 OK\r\n")
	header := w.Header().Clone()
	header.Set("Connection", "close")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = header.Write(head) // to memory
	head.WriteString("\r\n")
	if err := s.line.send(head.Bytes()); err != nil {
		s.Cut() // the reader notices
	}
	return s
}

// Write sends p, and waits until the kernel has taken it. It fails once the peer has taken no byte
// for the stall time.
func (s *Response) Write(p []byte) (int, error) {
	if err := s.line.send(p); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return len(p), nil
}

// TrySend sends p as far as the kernel takes it at once. A part that is left goes before the next
// Write.
func (s *Response) TrySend(p []byte) (Progress, error) { return s.line.try(p) }

// Flush waits until the kernel has taken all that TrySend has begun.
func (s *Response) Flush() error { return s.line.Flush() }

// Wait returns when the peer has closed the connection, or Finish or Cut ends it. Bytes from the
// peer are dropped.
func (s *Response) Wait() {
	for s.line.tries.await() {
		arrivals.Put(s.line.tries.arrived)
	}
}

// lastTime is how long a peer may take to close a connection whose body has ended.
const lastTime = time.Second

// Finish ends the body. The peer has lastTime to take what is under way and to close: a connection
// that is closed at once may be reset, and the peer would lose the end.
func (s *Response) Finish() {
	if half, ok := s.line.Conn.(*net.TCPConn); !ok || half.CloseWrite() != nil {
		s.Cut()
		return
	}
	_ = s.line.SetReadDeadline(time.Now().Add(lastTime))
}

// Cut drops the connection.
func (s *Response) Cut() { _ = s.line.Close() }

package socket

import (
	"context"
	"io"
	"math"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// Read returns the next text message whole.
func (c *Conn) Read(ctx context.Context) ([]byte, error) {
	message, packed, err := c.Next(ctx)
	if err != nil {
		return nil, err
	}
	return readAll(message, packed)
}

// readAll reads a message, which may be compressed.
func readAll(message io.Reader, packed bool) ([]byte, error) {
	read, err := io.ReadAll(message)
	if !packed || err != nil {
		return read, err
	}
	inflater := Inflate(read, math.MaxInt32)
	defer func() { _ = inflater.Close() }()
	return io.ReadAll(inflater)
}

// Echo sends the next message back, binary ones too: the gateway refuses those, but RFC 6455's test
// cases use them.
func (c *Conn) Echo(ctx context.Context) error {
	kind, message, err := c.ws.Reader(ctx)
	if err != nil {
		return err
	}
	packed := c.TakesCompressed() && c.wire.frames.marks.take()
	read, err := readAll(message, packed)
	switch {
	case err != nil:
		return err
	case kind == websocket.MessageText && !utf8.Valid(read):
		return ErrNotUTF8
	case !packed:
		return c.ws.Write(ctx, kind, read)
	}
	frame := Compress(Frame(append(make([]byte, HeaderSpace), read...)))
	if kind == websocket.MessageBinary {
		frame[0] ^= opText | opBinary
	}
	return c.Send(frame)
}

// Passed is how many bytes of a peer's frames are passed on to the library when they arrive in
// these parts.
func Passed(parts ...[]byte) (n int) {
	var f incoming
	for _, part := range parts {
		passed := f.scan(part)
		n += passed
		if passed < len(part) {
			return n
		}
	}
	return n
}

// Held is how many bytes of a message that a try has begun wait for the peer.
func (c *Conn) Held() int {
	c.wire.writing.Lock()
	defer c.wire.writing.Unlock()
	return len(c.wire.rest)
}

// Writing tells whether somebody writes, or waits for the peer in the middle of it.
func (c *Conn) Writing() bool {
	if !c.wire.writing.TryLock() {
		return true
	}
	c.wire.writing.Unlock()
	return false
}

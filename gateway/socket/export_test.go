package socket

import (
	"context"
	"io"
)

// Read returns the next text message whole.
func (c *Conn) Read(ctx context.Context) ([]byte, error) {
	message, err := c.Next(ctx)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(message)
}

// Echo sends the next message back, binary ones too: the gateway refuses those, but RFC 6455's test
// cases use them.
func (c *Conn) Echo(ctx context.Context) error {
	kind, message, err := c.ws.Read(ctx)
	if err != nil {
		return err
	}
	return c.ws.Write(ctx, kind, message)
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

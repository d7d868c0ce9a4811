package socket

import (
	"context"
	"encoding/binary"
	"net"

	"github.com/coder/websocket"
)

// HeaderSpace is the room that [Frame] needs in front of a message.
const HeaderSpace = 10

// copied is up to how many bytes a message is copied behind its header, rather than written after
// it.
const copied = 32 << 10

// The first byte of a frame that is a whole text message, and the opcode of a close frame (RFC 6455
// §5.2).
const (
	wholeText = 0x81
	opcodes   = 0x0f
	closing   = 0x8
)

// Frame makes a frame of a text message that begins HeaderSpace bytes into the buffer, in place. It
// may be sent to many peers.
func Frame(buffer []byte) []byte {
	switch n := len(buffer) - HeaderSpace; {
	case n < 126:
		buffer[8], buffer[9] = wholeText, byte(n)
		return buffer[8:]
	case n < 1<<16:
		buffer[6], buffer[7] = wholeText, 126
		binary.BigEndian.PutUint16(buffer[8:], uint16(n))
		return buffer[6:]
	default:
		buffer[0], buffer[1] = wholeText, 127
		binary.BigEndian.PutUint64(buffer[2:], uint64(n))
		return buffer
	}
}

// payload is the message inside a frame that was made by Frame.
func payload(frame []byte) []byte {
	switch frame[1] {
	case 126:
		return frame[4:]
	case 127:
		return frame[10:]
	}
	return frame[2:]
}

// Send sends a frame that Frame has made, and waits until the kernel has taken it. It fails once
// the peer has taken no byte for the stall time, and after a close frame.
func (c *Conn) Send(frame []byte) error {
	if c.plain {
		return c.ws.Write(
			context.Background(), websocket.MessageText, payload(frame),
		) // a deadline costs 11 allocations
	}
	return c.wire.sendFrame(frame)
}

// TrySend sends a frame as far as the kernel takes it at once. Unless CanTry says otherwise it is
// always Busy.
func (c *Conn) TrySend(frame []byte) (Progress, error) { return c.wire.tryFrame(frame) }

// CanTry reports whether TrySend can send anything: on TCP without TLS, on Linux, unless the
// connection is plain.
func (c *Conn) CanTry() bool { return c.wire.CanTry() }

// Flush waits until the kernel has taken all that TrySend has begun.
func (c *Conn) Flush() error { return c.wire.Flush() }

// Write sends one text message, as Send does.
func (c *Conn) Write(message []byte) error {
	if c.plain {
		return c.ws.Write(context.Background(), websocket.MessageText, message)
	}
	if len(message) <= copied {
		return c.Send(Frame(append(make([]byte, HeaderSpace, HeaderSpace+len(message)), message...)))
	}
	var header [HeaderSpace]byte
	header[0], header[1] = wholeText, 127 // for 64 KiB and more (RFC 6455 §5.2)
	if len(message) < 1<<16 {
		header[1] = 126
		binary.BigEndian.PutUint16(header[2:], uint16(len(message)))
		return c.wire.sendFrame(header[:4], message)
	}
	binary.BigEndian.PutUint64(header[2:], uint64(len(message)))
	return c.wire.sendFrame(header[:], message)
}

// sendFrame writes a frame in parts, all of which are the peer's before anything else is: the
// reader's goroutine writes control frames beside it, each by one Write.
func (c *wire) sendFrame(parts ...[]byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closing {
		return net.ErrClosed
	}
	return c.sendLocked(parts...)
}

func (c *wire) tryFrame(frame []byte) (Progress, error) {
	if !c.tries.able() || !c.writing.TryLock() {
		return Busy, nil
	}
	defer c.writing.Unlock()
	if c.closing {
		return Busy, net.ErrClosed
	}
	return c.tryLocked(frame)
}

// pong answers a ping, however long the message under way takes. The library's own pong ends the
// connection of a peer that has not taken it within 5 s.
func (c *wire) pong(payload []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closing {
		return
	}
	if c.sendLocked(append([]byte{0x80 | opPong, byte(len(payload))}, payload...)) != nil {
		_ = c.Close() // the reader, which has asked for this, finds out
	}
}

// Write takes the library's frames.
func (c *wire) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.closing = c.closing || !c.plain && len(b) > 0 && b[0]&opcodes == closing // plain: the library sees to it
	if err := c.sendLocked(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

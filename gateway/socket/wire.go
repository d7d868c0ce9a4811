package socket

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// closeTime is how long a peer whose text was refused may take to answer the close frame.
const closeTime = 5 * time.Second

// wire is the connection as the library sees it. Reading fails with ErrNotUTF8 before the first
// byte that makes text invalid, wherever in a frame that is. The library writes close frames to it,
// and everything if it is plain. Frames made by [Frame], pings and pongs go past the library.
type wire struct {
	line
	reading sync.Mutex // held while bytes are waited for or taken
	unread  []byte     // received bytes that nobody has read yet
	buffer  *[]byte    // the arrival buffer that unread is in, if any

	closing bool // a close frame has been sent: no message may follow (RFC 6455 §5.5.1); under writing

	frames  incoming
	refused bool // the reader has got ErrNotUTF8

	// asked is when the read that is under way began, as sinceStart has it; 0 while there is none.
	asked atomic.Int64
}

// start is about when the process started.
var start = time.Now()

// sinceStart is the time in nanoseconds by a clock that nobody sets: a step of the wall clock would
// make every peer seem silent for as long. It is never 0.
func sinceStart() int64 { return int64(time.Since(start)) + 1 }

// arrivals are buffers of bytes that have been received and not read.
var arrivals = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// silent is for how long a reader has waited for the peer's next byte. The silence of a peer that
// nobody reads from does not count.
func (c *wire) silent() time.Duration {
	asked := c.asked.Load()
	if asked == 0 {
		return 0
	}
	return time.Duration(sinceStart() - asked)
}

// Read passes on bytes of one frame at most, where await relies on it.
func (c *wire) Read(b []byte) (int, error) {
	if c.frames.invalid {
		return 0, c.refuse(b)
	}
	if c.tries.able() {
		b = b[:c.frames.limit(len(b))]
	}
	n, err := c.receive(b)
	valid := c.frames.scan(b[:n])
	if valid == n {
		return n, err
	}
	c.frames.skip(b[valid+1 : n])
	if valid == 0 {
		return 0, c.refuse(b)
	}
	return valid, nil
}

// await waits until bytes have come, or none will, which Read then reports. Its stack stays half as
// big as below the library. The library holds no bytes back meanwhile, since Read gives it no more
// than it asks for.
func (c *wire) await() {
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(c.unread) > 0 || !c.tries.able() {
		return
	}
	c.asked.Store(sinceStart())
	if c.tries.await() {
		c.buffer = c.tries.arrived
		c.unread = *c.buffer
	}
	c.asked.Store(0)
}

func (c *wire) receive(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(c.unread) == 0 {
		c.asked.Store(sinceStart())
		defer c.asked.Store(0)
		return c.Conn.Read(b)
	}
	n := copy(b, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 && c.buffer != nil {
		arrivals.Put(c.buffer)
		c.buffer = nil
	}
	return n, nil
}

// refuse returns ErrNotUTF8 once. The library then sends its close frame and reads on for the
// peer's. Later bytes are read and dropped: a TCP connection that is closed with bytes unread is
// reset, and the peer might lose the close frame.
func (c *wire) refuse(scratch []byte) error {
	if !c.refused {
		c.refused = true
		return ErrNotUTF8
	}
	if err := c.SetReadDeadline(time.Now().Add(closeTime)); err != nil {
		return err
	}
	for !c.frames.closed && !c.frames.blind {
		n, err := c.receive(scratch)
		if err != nil {
			return err
		}
		c.frames.skip(scratch[:n])
	}
	return io.EOF
}

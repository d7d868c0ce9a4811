package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// Close codes that the gateway uses (RFC 6455 §7.4.1).
const (
	GoingAway     = int(websocket.StatusGoingAway)
	ProtocolError = int(websocket.StatusProtocolError)
	NoTextMessage = int(websocket.StatusUnsupportedData)
	InvalidText   = int(websocket.StatusInvalidFramePayloadData)
	TooBig        = int(websocket.StatusMessageTooBig)
	InternalError = int(websocket.StatusInternalError)
	TooSlow       = int(websocket.StatusPolicyViolation)
)

// ErrNotText: the peer sent a binary message.
var ErrNotText = errors.New("the message is not text")

// ErrNotUTF8: the peer sent text that is not UTF-8, in a message or as the reason of its close
// frame.
var ErrNotUTF8 = errors.New("the text is not UTF-8")

// ErrNotDeflate: the peer sent a compressed message that cannot be read.
var ErrNotDeflate = errors.New("the message is not compressed as RFC 7692 says")

// ErrTooBig: the peer's message is over the limit. The close frame has been sent; Close waits for the
// peer's.
var ErrTooBig = websocket.ErrMessageTooBig

// Options of Accept.
type Options struct {
	Subprotocol string
	// ReadLimit bounds one message from the peer, in bytes; a longer one ends the connection with
	// 1009.
	ReadLimit int64
	// Stall is how long a write may wait for the peer to take a byte.
	Stall time.Duration
	// Compression agrees to compressed messages, where the peer offers them.
	Compression bool
	// Plain has messages written through the library, nothing tried and nothing compressed.
	Plain bool
}

// Conn is one accepted WebSocket. One goroutine may read and one may write at a time; Close and
// CloseNow may be called by any.
type Conn struct {
	ws    *websocket.Conn
	wire  *wire
	plain bool
}

// Accept upgrades the request, or answers it with an error status. The caller has checked Host and
// Origin. The caller must call CloseNow in the end: the library leaves the descriptor open after a
// failed read.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Conn, error) {
	conn := &wire{}
	h := &hijacker{ResponseWriter: w, stall: o.Stall, plain: o.Plain, wire: conn}
	conn.frames.deflate = o.Compression && !o.Plain && takesDeflate(r)
	options := &websocket.AcceptOptions{
		Subprotocols:       []string{o.Subprotocol},
		InsecureSkipVerify: true, // the gateway's exact allowlist has decided already
		CompressionMode:    websocket.CompressionDisabled,
	}
	if !o.Plain {
		options.OnPingReceived = func(
			_ context.Context, payload []byte,
		) bool { // it keeps conn, and must not keep w
			conn.pong(payload)
			return false // the library is not to
		}
	}
	ws, err := websocket.Accept(h, r, options)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	h.reader.Reset(conn) // it holds no bytes, and the library has put a reader of its own before it
	ws.SetReadLimit(o.ReadLimit)
	return &Conn{ws: ws, wire: conn, plain: o.Plain}, nil
}

// Await returns when Read has something to read, or would fail; at once where that cannot be known.
// A goroutine that waits for hours does so here on half the stack.
func (c *Conn) Await() { c.wire.await() }

// TakesCompressed reports whether the peer and the gateway may send each other compressed messages.
func (c *Conn) TakesCompressed() bool { return c.wire.frames.deflate }

// Next returns the next text message, which the caller reads to its end before it asks again. A
// compressed one is for [Inflate], and its text not known to be UTF-8. Any error ends the connection,
// one of the reader too.
func (c *Conn) Next(ctx context.Context) (message io.Reader, packed bool, err error) {
	kind, message, err := c.ws.Reader(ctx)
	if err != nil {
		return nil, false, err
	}
	packed = c.TakesCompressed() && c.wire.frames.marks.take()
	if kind != websocket.MessageText {
		return nil, packed, ErrNotText
	}
	return message, packed, nil
}

// GiveUp makes a read that is under way fail with os.ErrDeadlineExceeded. Any goroutine may call it.
func (c *Conn) GiveUp() {
	_ = c.wire.SetReadDeadline(time.Unix(1, 0))
}

// pingFrame is an empty ping (RFC 6455 §5.5.2). It is written whole and so beside the library,
// whose own Ping ends the connection of a peer that is slow to take it.
var pingFrame = []byte{0x80 | 0x9, 0}

// Ping asks the peer to show that it lives; see Silent. Only the goroutine that writes may call it.
func (c *Conn) Ping() error {
	_, err := c.wire.Write(pingFrame)
	return err
}

// TryPing is Ping that waits for nothing.
func (c *Conn) TryPing() (Progress, error) { return c.wire.tryFrame(pingFrame) }

// Silent is for how long Read has waited for the peer's next byte, a pong's included; 0 while
// nobody reads.
func (c *Conn) Silent() time.Duration { return c.wire.silent() }

// Close sends a close frame and waits a few seconds for the peer's. The deadline is ours: the library
// waits for the rest of a frame that the peer has begun without one.
func (c *Conn) Close(code int, reason string) error {
	_ = c.wire.SetReadDeadline(time.Now().Add(closeTime))
	return c.ws.Close(websocket.StatusCode(code), reason)
}

// CloseNow drops the connection.
func (c *Conn) CloseNow() { _ = c.ws.CloseNow() }

// Cut drops the connection while a Close is under way too: the library's CloseNow waits for that.
func (c *Conn) Cut() {
	_ = c.wire.Close()
	c.CloseNow()
}

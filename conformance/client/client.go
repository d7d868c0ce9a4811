// Package client is the smallest client of the protocol in Go: one WebSocket, one goroutine, every
// message in the order it came. The checkers, the crash test and the benchmarks stand on it.
package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/coder/websocket"

	"github.com/secondgate/secondgate/protocol"
)

// maxFrame bounds a frame from the gateway, in bytes.
const maxFrame = 64 << 20

// Client is one connection. It is for one goroutine.
type Client struct {
	// Welcome is the first message.
	Welcome protocol.Received
	// Seen, if set, is given every message that Call reads on its way to the answer.
	Seen func(protocol.Received)

	conn    *websocket.Conn
	waiting []protocol.Received
	count   int
}

// URL is the socket of a scope at a gateway's base URL; parameters are query parameters in pairs.
func URL(base string, s protocol.Scope, parameters ...string) string {
	query := url.Values{"version": {s.Version()}}
	for i := 0; i+1 < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	return fmt.Sprintf(
		"ws%s/api/workspaces/%s/apps/%s/data/socket?%s", strings.TrimPrefix(base, "http"), s.Workspace, s.App,
		query.Encode(),
	)
}

// Dial connects and reads the welcome. It offers the subprotocol of the protocol, and others behind it.
func Dial(ctx context.Context, address string, subprotocols ...string) (*Client, error) {
	return dial(ctx, address, &websocket.DialOptions{
		Subprotocols: append([]string{protocol.Subprotocol}, subprotocols...),
	})
}

// DialWith is Dial with headers, which browsers cannot set.
func DialWith(ctx context.Context, address string, header http.Header) (*Client, error) {
	return dial(ctx, address, &websocket.DialOptions{
		Subprotocols: []string{protocol.Subprotocol}, HTTPHeader: header,
	})
}

// dial offers compression, as browsers do. Whether messages are compressed is up to the gateway.
func dial(ctx context.Context, address string, options *websocket.DialOptions) (*Client, error) {
	options.CompressionMode = websocket.CompressionNoContextTakeover
	conn, _, err := websocket.Dial(ctx, address, options)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxFrame)
	c := &Client{conn: conn}
	if c.Welcome, err = c.Next(ctx); err != nil {
		return nil, err
	}
	if c.Welcome.Type != protocol.TypeWelcome {
		c.Cut()
		return nil, fmt.Errorf("the first message is %s instead of a welcome", c.Welcome.Type)
	}
	return c, nil
}

// Next is the next message. Any error, that of ctx too, ends the connection.
func (c *Client) Next(ctx context.Context) (protocol.Received, error) {
	for len(c.waiting) == 0 {
		_, frame, err := c.conn.Read(ctx)
		if err != nil {
			return protocol.Received{}, err
		}
		if c.waiting, err = protocol.DecodeFrame(frame); err != nil {
			return protocol.Received{}, err
		}
	}
	m := c.waiting[0]
	c.waiting = c.waiting[1:]
	return m, nil
}

// Send sends a request, with a requestId of its own if it has none, and returns that id.
func (c *Client) Send(ctx context.Context, r protocol.Request) (string, error) {
	if r.RequestID == "" {
		c.count++
		r.RequestID = strconv.Itoa(c.count)
	}
	return r.RequestID, c.SendText(ctx, r.Append(nil))
}

// SendText sends a frame as it is.
func (c *Client) SendText(ctx context.Context, frame []byte) error {
	return c.conn.Write(ctx, websocket.MessageText, frame)
}

// Call sends a request and reads up to its answer.
func (c *Client) Call(ctx context.Context, r protocol.Request) (protocol.Received, error) {
	id, err := c.Send(ctx, r)
	if err != nil {
		return protocol.Received{}, err
	}
	for {
		m, err := c.Next(ctx)
		if err != nil {
			return m, err
		}
		if c.Seen != nil {
			c.Seen(m)
		}
		if m.RequestID == id && m.Type == r.Type.Response() {
			return m, nil
		}
	}
}

// NextFrame is the next frame as it is, for load generators, whose own cost must not be what they
// measure.
func (c *Client) NextFrame(ctx context.Context) ([]byte, error) {
	_, frame, err := c.conn.Read(ctx)
	return frame, err
}

// Close says goodbye.
func (c *Client) Close() { _ = c.conn.Close(websocket.StatusNormalClosure, "") }

// Cut drops the connection without a word, as a network does.
func (c *Client) Cut() { _ = c.conn.CloseNow() }

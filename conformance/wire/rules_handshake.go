package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

var handshakeRules = []Rule{
	{
		ID: "ws/welcome",
		Says: "the first message is a welcome with connectionId, heartbeat of at most 60 s, limits " +
			"and features",
		Check: func(r *trial) {
			names := map[string]bool{}
			for _, changes := range []string{"all", "none"} {
				w := r.dial("changes", changes).Welcome // dialling fails where another message comes first
				r.must(
					w.ConnectionID != "" && !names[w.ConnectionID], "connectionId: got %q want a name of its own",
					w.ConnectionID,
				)
				names[w.ConnectionID] = true
				r.must(w.HeartbeatMS > 0 && w.HeartbeatMS <= 60_000, "heartbeatMs: got %d want 1 to 60000", w.HeartbeatMS)
				r.must(
					w.Limits.DocumentBytes > 0 && w.Limits.FrameBytes >= w.Limits.DocumentBytes && w.Limits.Operations > 0 &&
						w.Limits.Requests > 0,
					"limits: got %+v",
					w.Limits,
				)
				r.must(w.Features != nil, "features: got none want an array")
				r.want("resumed without a cursor", w.Resumed, false)
			}
		},
	},
	{
		ID:   "ws/subprotocol",
		Says: "second.data.v1 or no subprotocol is accepted, only others are refused with 400",
		Check: func(r *trial) {
			for offer, want := range map[string]int{
				"": 101, protocol.Subprotocol: 101, "other.v1, " + protocol.Subprotocol: 101, "other.v1": 400,
			} {
				answer := r.upgrade(client.URL(r.target.URL, r.scope), "Sec-WebSocket-Protocol: "+offer)
				r.want("status for "+show(offer), answer.Status, want)
				if offer != "" && want == 101 {
					r.want("chosen subprotocol", answer.Header.Get("Sec-WebSocket-Protocol"), protocol.Subprotocol)
				}
			}
		},
	},
	{
		ID:   "ws/handshake-refused",
		Says: "a malformed URL is refused over HTTP with the status of its code and a JSON error",
		Check: func(r *trial) {
			at := func(app string, parameters ...string) string {
				s := r.scope
				s.App = app
				return client.URL(r.target.URL, s, parameters...)
			}
			for address, code := range map[string]protocol.Code{
				at("x__draft"): protocol.CodeInvalidID,
				at("%2e%2e"):   protocol.CodeInvalidID, at("a%2Fb"): protocol.CodeInvalidID,
				at(r.scope.App, "changes", "some"):                   protocol.CodeInvalidMessage,
				at(r.scope.App, "changes", "none", "cursor", "AQID"): protocol.CodeInvalidMessage,
			} {
				r.refusal(r.upgrade(address), code)
			}
			elsewhere := r.scope
			elsewhere.Workspace = "a%2Fb"
			r.refusal(r.upgrade(client.URL(r.target.URL, elsewhere)), protocol.CodeInvalidID)
		},
	},
	{
		ID:   "ws/origin",
		Says: "a page of an origin that was not allowed is refused with 403",
		Check: func(r *trial) {
			for _, origin := range []string{"http://evil.example", "null", r.target.URL + ".evil.example"} {
				r.refusal(r.upgrade(client.URL(r.target.URL, r.scope), "Origin: "+origin), protocol.CodeForbidden)
			}
		},
	},
	{
		ID:   "ws/version",
		Says: "any version but draft means published",
		Check: func(r *trial) {
			c := r.named("notes")
			r.dial("version", "published").insert(c, "a", `{}`)
			for _, version := range []string{"", "published", "DRAFT", "x"} {
				r.want("documents with version="+version, len(r.dial("version", version).list(c)), 1)
			}
			r.want("documents with version=draft", len(r.dial("version", "draft").list(c)), 0)
		},
	},
	{
		ID:   "ws/protocol-ping",
		Says: "the gateway answers a WebSocket ping with a pong",
		Check: func(r *trial) {
			conn, end := r.reading()
			defer end()
			ctx, cancel := context.WithTimeout(r.ctx, r.target.wait())
			defer cancel()
			for range 3 {
				r.must(conn.Ping(ctx) == nil, "no pong came within %v", r.target.wait())
			}
		},
	},
	{
		ID: "ws/frames-closed",
		Says: "binary, text that is no UTF-8, and a frame over the limit end the connection with " +
			"1003, 1007, 1009",
		Check: func(r *trial) {
			limit := r.dial().Welcome.Limits.FrameBytes
			for _, c := range []struct {
				kind websocket.MessageType
				text string
				want websocket.StatusCode
			}{
				{websocket.MessageBinary, "{}", websocket.StatusUnsupportedData},
				{websocket.MessageText, "\xff", websocket.StatusInvalidFramePayloadData},
				{websocket.MessageText, strings.Repeat("x", limit+1), websocket.StatusMessageTooBig},
			} {
				r.want("close code", r.closedAfter(c.kind, c.text), c.want)
			}
		},
	},
}

// upgrade asks for a WebSocket by hand and drops it at once.
func (r *trial) upgrade(address string, headers ...string) client.Reply {
	ctx, cancel := context.WithTimeout(r.ctx, r.target.wait())
	defer cancel()
	headers = append(
		headers, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
	)
	headers = slices.DeleteFunc(headers, func(h string) bool { return strings.HasSuffix(h, ": ") })
	request, err := http.NewRequestWithContext(
		ctx, http.MethodGet, "http"+strings.TrimPrefix(address, "ws"), nil,
	)
	r.must(err == nil, "%v", err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	r.must(err == nil, "the handshake was not answered: %v", err)
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return client.Reply{Status: answer.StatusCode, Header: answer.Header}
	}
	body := make([]byte, 4096)
	n, _ := answer.Body.Read(body) // the refusal is short
	return client.Reply{
		Status: answer.StatusCode, Header: answer.Header, Body: strings.TrimSpace(string(body[:n])),
	}
}

// refusal wants a refusal over HTTP: the status of the code, and {"error","message"} as JSON.
func (r *trial) refusal(a client.Reply, code protocol.Code) {
	var body struct{ Error, Message string }
	r.want("status", a.Status, code.Info().HTTP)
	r.must(json.Unmarshal([]byte(a.Body), &body) == nil, "body: got %q want JSON", a.Body)
	r.want("error", protocol.Code(body.Error), code)
	r.must(body.Message != "", "message: got none want a sentence")
	r.want("Content-Type", a.Header.Get("Content-Type"), "application/json")
}

// open is a bare connection.
func (r *trial) open() *websocket.Conn {
	ctx, cancel := context.WithTimeout(r.ctx, r.target.wait())
	defer cancel()
	conn, _, err := websocket.Dial(ctx, client.URL(r.target.URL, r.scope), nil)
	r.must(err == nil, "connecting: %v", err)
	r.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// reading is a bare connection that is read from, which is how pongs are heard; end drops it.
func (r *trial) reading() (conn *websocket.Conn, end func()) {
	conn = r.open()
	done := make(chan struct{})
	go func() { // ends with the connection
		defer close(done)
		for {
			if _, _, err := conn.Read(r.ctx); err != nil {
				return
			}
		}
	}()
	return conn, func() {
		_ = conn.CloseNow()
		<-done
	}
}

// closedAfter is the code that a message is answered with.
func (r *trial) closedAfter(kind websocket.MessageType, text string) websocket.StatusCode {
	conn := r.open()
	ctx, cancel := context.WithTimeout(r.ctx, r.target.wait())
	defer cancel()
	_ = conn.Write(ctx, kind, []byte(text)) // the gateway may close before it has taken all
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// heartbeatTime is how long a heartbeat may take to come, on a busy machine.
func heartbeatTime(d time.Duration) time.Duration { return d + d/2 + 10*time.Second }

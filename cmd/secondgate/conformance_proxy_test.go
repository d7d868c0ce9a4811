package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// faultyProxy changes what passes between a client and a real gateway. What has no function here
// passes as it is.
type faultyProxy struct {
	// request changes an HTTP request, handshakes included; true: it has been answered.
	request func(w http.ResponseWriter, r *http.Request) (answered bool)
	// frame changes a frame of the client's.
	frame func(frame []byte) []byte
	// message makes, for each socket, what changes the gateway's messages: each becomes those that
	// are returned.
	message func(address string) func(m sent) []sent
	// response changes an answer over HTTP.
	response func(*http.Response)
	// block makes, for each event stream, what changes its blocks.
	block func() func(block string) []string
}

// sent is a message of the gateway: as it is sent, and as it is read.
type sent struct {
	raw []byte
	protocol.Received
}

// between starts the proxy before a gateway and returns its URL.
func (b faultyProxy) between(t *testing.T, gateway string) string {
	t.Helper()
	target, err := url.Parse(gateway)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		FlushInterval:  -1,
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error { b.alter(r); return nil },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) {}, // whoever has gone does not miss it
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case b.request != nil && b.request(w, r):
		case r.Header.Get("Upgrade") != "":
			b.socket(w, r, target)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (b faultyProxy) alter(r *http.Response) {
	if b.response != nil {
		b.response(r)
	}
	if b.block == nil || r.Header.Get("Content-Type") != "text/event-stream" {
		return
	}
	in, out := r.Body, b.block()
	reader, writer := io.Pipe()
	go func() { // ends with the gateway's stream, or when the client has gone
		blocks := bufio.NewReader(in)
		var block strings.Builder
		for {
			line, err := blocks.ReadString('\n')
			if err != nil {
				_ = writer.CloseWithError(err)
				return
			}
			if block.WriteString(line); line != "\n" {
				continue
			}
			for _, text := range out(block.String()) {
				_, _ = io.WriteString(writer, text)
			}
			block.Reset()
		}
	}()
	r.Body = struct {
		io.Reader
		io.Closer
	}{reader, in}
}

// socket relays a WebSocket until either side ends it.
func (b faultyProxy) socket(w http.ResponseWriter, r *http.Request, target *url.URL) {
	address := *target
	address.Scheme, address.Path, address.RawQuery = "ws", r.URL.Path, r.URL.RawQuery
	gateway, _, err := websocket.Dial(
		r.Context(), address.String(), &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}},
	)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol.Subprotocol}})
	if err != nil {
		_ = gateway.CloseNow()
		return
	}
	gateway.SetReadLimit(64 << 20)
	client.SetReadLimit(64 << 20)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	done := make(chan struct{})
	go func() { // ends with the gateway's connection
		defer close(done)
		defer func() { _ = client.CloseNow() }()
		b.relay(ctx, client, gateway, r.URL.String())
	}()
	for {
		_, frame, err := client.Read(ctx)
		if err != nil {
			break
		}
		if b.frame != nil {
			frame = b.frame(frame)
		}
		if gateway.Write(ctx, websocket.MessageText, frame) != nil {
			break
		}
	}
	_ = gateway.CloseNow()
	<-done
	cancel()
}

// relay passes the gateway's messages on, each in a frame of its own.
func (b faultyProxy) relay(ctx context.Context, client, gateway *websocket.Conn, address string) {
	alter := func(m sent) []sent { return []sent{m} }
	if b.message != nil {
		alter = b.message(address)
	}
	for {
		_, frame, err := gateway.Read(ctx)
		if err != nil {
			return
		}
		for _, m := range messages(frame) {
			for _, out := range alter(m) {
				if client.Write(ctx, websocket.MessageText, out.raw) != nil {
					return
				}
			}
		}
	}
}

func messages(frame []byte) (all []sent) {
	raws := []json.RawMessage{frame}
	if bytes.HasPrefix(frame, []byte("[")) {
		_ = json.Unmarshal(frame, &raws) // the gateway is real: what it sends is JSON
	}
	for _, raw := range raws {
		m := sent{raw: raw}
		_ = json.Unmarshal(raw, &m.Received)
		all = append(all, m)
	}
	return all
}

// without is a message less a field.
func (m sent) without(field string) sent {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(m.raw, &all)
	delete(all, field)
	m.raw, _ = json.Marshal(all)
	return m
}

func bookmark(cursor string) sent { return sent{raw: protocol.AppendBookmark(nil, cursor)} }

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

// bent is a man in the middle, who spoils what passes between a client and a real gateway. What is nil passes as it is.
type bent struct {
	// request spoils an HTTP request, handshakes included; true: it has been answered.
	request func(w http.ResponseWriter, r *http.Request) (answered bool)
	// asked spoils a frame of the client's.
	asked func(frame []byte) []byte
	// spoiled makes, for each socket, what spoils the gateway's messages: each becomes those that are returned.
	spoiled func(address string) func(m told) []told
	// response spoils an answer over HTTP.
	response func(*http.Response)
	// block makes, for each event stream, what spoils its blocks.
	block func() func(block string) []string
}

// told is a message of the gateway: as it is sent, and as it is read.
type told struct {
	raw []byte
	protocol.Received
}

// between starts the man in the middle before a gateway and returns his URL.
func (b bent) between(t *testing.T, gateway string) string {
	t.Helper()
	target, err := url.Parse(gateway)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		FlushInterval:  -1,
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error { b.spoil(r); return nil },
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

func (b bent) spoil(r *http.Response) {
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
func (b bent) socket(w http.ResponseWriter, r *http.Request, target *url.URL) {
	address := *target
	address.Scheme, address.Path, address.RawQuery = "ws", r.URL.Path, r.URL.RawQuery
	gateway, _, err := websocket.Dial(r.Context(), address.String(), &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}})
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
		if b.asked != nil {
			frame = b.asked(frame)
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
func (b bent) relay(ctx context.Context, client, gateway *websocket.Conn, address string) {
	spoil := func(m told) []told { return []told{m} }
	if b.spoiled != nil {
		spoil = b.spoiled(address)
	}
	for {
		_, frame, err := gateway.Read(ctx)
		if err != nil {
			return
		}
		for _, m := range messages(frame) {
			for _, out := range spoil(m) {
				if client.Write(ctx, websocket.MessageText, out.raw) != nil {
					return
				}
			}
		}
	}
}

func messages(frame []byte) (all []told) {
	raws := []json.RawMessage{frame}
	if bytes.HasPrefix(frame, []byte("[")) {
		_ = json.Unmarshal(frame, &raws) // the gateway is real: what it sends is JSON
	}
	for _, raw := range raws {
		m := told{raw: raw}
		_ = json.Unmarshal(raw, &m.Received)
		all = append(all, m)
	}
	return all
}

// without is a message less a field.
func (m told) without(field string) told {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(m.raw, &all)
	delete(all, field)
	m.raw, _ = json.Marshal(all)
	return m
}

func bookmark(cursor string) told { return told{raw: protocol.AppendBookmark(nil, cursor)} }

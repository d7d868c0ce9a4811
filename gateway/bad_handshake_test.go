package gateway_test

import (
	"io"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// badHandshakes are upgrades that must be refused before there is a socket.
func badHandshakes() (rows []badInput) {
	const socket = dataPath + "/socket"
	for _, r := range []struct {
		name, method, path string
		headers            []string
		status             int
		code, says         string
	}{
		{
			"app ends like a draft", "GET", "/api/workspaces/w/apps/a__draft/data/socket", nil, 400, "invalid_id",
			"__draft",
		},
		{"app of dots", "GET", "/api/workspaces/w/apps/%2e%2e/data/socket", nil, 400, "invalid_id", ""},
		{"workspace with a slash", "GET", "/api/workspaces/a%2Fb/apps/a/data/socket", nil, 400, "invalid_id", ""},
		{"workspace with U+0000", "GET", "/api/workspaces/%00/apps/a/data/socket", nil, 400, "invalid_id", ""},
		{"changes of another kind", "GET", socket + "?changes=some", nil, 400, "invalid_message", "all or none"},
		{"cursor with none", "GET", socket + "?changes=none&cursor=AA", nil, 400, "invalid_message", "subscribe"},
		{
			"another subprotocol", "GET", socket, []string{"Sec-WebSocket-Protocol: graphql-ws"}, 400,
			"invalid_message", protocol.Subprotocol,
		},
		{
			"a strange page", "GET", socket, []string{"Origin: http://evil.example"}, 403, "forbidden",
			"allowed origins",
		},
		{"a page of no origin", "GET", socket, []string{"Origin: null"}, 403, "forbidden", "allowed origins"},
		{"a strange host", "GET", socket, []string{"Host: evil.example"}, 403, "forbidden", "allowed hosts"},
		{"POST", "POST", socket, nil, 405, "invalid_message", "POST"},
		{"no upgrade", "GET", socket, []string{"Upgrade: ", "Connection: "}, 426, "", ""},
		{"another version", "GET", socket, []string{"Sec-WebSocket-Version: 8"}, 400, "", ""},
		{"no key", "GET", socket, []string{"Sec-WebSocket-Key: "}, 400, "", ""},
		{"a key that is too short", "GET", socket, []string{"Sec-WebSocket-Key: AAAA"}, 400, "", ""},
	} {
		rows = append(
			rows,
			badInput{
				door:   "handshake",
				name:   r.name,
				status: r.status,
				code:   r.code,
				says:   r.says,
				send: func(b *badDoor) verdict {
					return b.upgrade(r.method, r.path, r.headers)
				},
			},
		)
	}
	return rows
}

// upgrade asks for a socket; a header that is given replaces the right one, an empty one leaves it
// out.
func (b *badDoor) upgrade(method, path string, headers []string) verdict {
	b.Helper()
	q, err := http.NewRequestWithContext(b.Context(), method, b.url+path, nil)
	require.NoError(b, err)
	for _, h := range append([]string{
		"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, headers...) {
		name, value, _ := strings.Cut(h, ": ")
		switch {
		case name == "Host":
			q.Host = value
		case value == "":
			q.Header.Del(name)
		default:
			q.Header.Set(name, value)
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(q)
	require.NoError(b, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(b, err)
	b.alive(b.dial())
	return refusalOf(b.T, answer.StatusCode, body)
}

// badStreams: what is wrong for good has a status, a cursor that cannot be used is a reset.
func badStreams() (rows []badInput) {
	const stream = dataPath + "/stream"
	for _, c := range []restCase{
		{
			"app ends like a draft", "GET", "^/api/workspaces/w/apps/a__draft/data/stream", "", nil, 400, "invalid_id",
		},
		{"workspace of dots", "GET", "^/api/workspaces/../apps/a/data/stream", "", nil, 400, "invalid_id"},
		{
			"workspace of encoded dots", "GET", "^/api/workspaces/%2e%2e/apps/a/data/stream", "", nil, 400,
			"invalid_id",
		},
		{"with a body", "GET", "/stream", "{}", nil, 400, "invalid_message"},
		{"POST", "POST", "/stream", "{}", nil, 405, "invalid_message"},
		{"DELETE means a document of that name", "DELETE", "/stream?collection=c", "", nil, 404, "not_found"},
		{"a strange page", "GET", "/stream", "", []string{"Origin: http://evil.example"}, 403, "forbidden"},
		{"below it", "GET", "/stream/x", "", nil, 404, "not_found"},
	} {
		rows = append(
			rows,
			badInput{
				door: "stream", name: c.name, status: c.status, code: c.want,
				send: func(b *badDoor) verdict { return b.rest(c) },
			},
		)
	}
	for name, cursor := range cursorsBad() {
		for _, way := range []string{"header", "query"} {
			rows = append(
				rows,
				badInput{
					door:   "stream",
					name:   name + ", by " + way,
					status: 200,
					code:   "cursor_expired",
					send: func(b *badDoor) verdict {
						query, headers := "", []string{"Last-Event-ID: " + cursor(b)}
						if way == "query" {
							query, headers = "?cursor="+cursor(b), nil
						}
						w := openStream(b.T, b.Context(), b.url+stream+query, headers...)
						defer w.cut()
						for block := range w.in {
							if block.Event == "reset" {
								return verdict{w.status, block.Reason, "a reset"}
							}
						}
						return verdict{status: w.status}
					},
				},
			)
		}
	}
	return append(
		rows,
		badInput{
			door:   "stream",
			name:   "query malformed",
			status: 200,
			code:   "cursor_expired",
			send: func(b *badDoor) verdict {
				w := openStream(b.T, b.Context(), b.url+stream+"?cursor=%zz")
				defer w.cut()
				for block := range w.in {
					if block.Event == "reset" {
						return verdict{w.status, block.Reason, "a reset"}
					}
				}
				return verdict{status: w.status}
			},
		},
	)
}

package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a sender may take to be given up, far beyond the 10 s that a gateway waits.
const patience = 2 * time.Minute

// TestSlowSenders: the gateway gives up a client that sends headers or a body a byte at a time,
// says so where HTTP still allows it, and serves others meanwhile. The rest of the bad input is in
// gateway/bad_input_test.go.
func TestSlowSenders(t *testing.T) { inModes(t, slowSenders) }

func slowSenders(t *testing.T, flags ...string) {
	o := operate(t, nil, flags...)
	const path = demoPath + "?collection=c"
	for _, row := range []struct {
		name, begin string
		status      string // part of the first line of the answer; "" for none
	}{
		{"header", "GET " + path + " HTTP/1.1\r\nHost: @\r\nA: ", ""},
		{
			"body", "POST " + demoPath + " HTTP/1.1\r\nHost: @\r\nContent-Length: 100000\r\n\r\n",
			"504 Gateway Timeout",
		},
		{
			"chunked body", "POST " + demoPath + " HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
			"504 Gateway Timeout",
		},
		{"handshake", "GET " + demoPath + "/socket HTTP/1.1\r\nHost: @\r\nUpgrade: websocket\r\nA: ", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			address := strings.TrimPrefix(o.url, "http://")
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			begun := time.Now()
			_, err = io.WriteString(conn, strings.ReplaceAll(row.begin, "@", address))
			require.NoError(t, err)
			dripped := make(chan struct{})
			go func() { // ends with the connection
				defer close(dripped)
				for time.Since(begun) < patience {
					if _, err := io.WriteString(conn, "x"); err != nil {
						return
					}
					time.Sleep(200 * time.Millisecond) // what this test is about
				}
			}()
			require.NoError(t, conn.SetReadDeadline(begun.Add(patience)))
			answer, err := io.ReadAll(bufio.NewReader(conn))
			if row.status == "" {
				require.Empty(t, answer)
			} else {
				require.Contains(t, string(answer), row.status)
				require.Contains(t, string(answer), `"error":"timeout"`)
			}
			var late net.Error
			if err != nil {
				require.False(t, errors.As(err, &late) && late.Timeout(), "the connection was not ended")
			}
			_ = conn.Close()
			<-dripped
			served, err := http.Get(o.url + path)
			require.NoError(t, err)
			body, err := io.ReadAll(served.Body)
			require.NoError(t, err)
			_ = served.Body.Close()
			require.Equal(t, `{"docs":[]}`, strings.TrimSpace(string(body)), "nothing was stored")
		})
	}
}

// TestLongHeaders: more than 16 KiB of headers are refused.
func TestLongHeaders(t *testing.T) {
	o := operate(t, nil)
	request, err := http.NewRequestWithContext(t.Context(), "GET", o.url+demoPath+"?collection=c", nil)
	require.NoError(t, err)
	request.Header.Set("Cookie", strings.Repeat("x", 32<<10))
	answer, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	_ = answer.Body.Close()
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
}

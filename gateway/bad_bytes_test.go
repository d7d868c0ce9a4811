package gateway_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// badBytes are requests that no HTTP library would send.
func badBytes() (rows []badInput) {
	const head = "GET " + dataPath + "?collection=c HTTP/1.1\r\n"
	for _, r := range []struct {
		name, text string
		status     int
	}{
		{"no HTTP", "hello\r\n\r\n", 400},
		{"a TLS hello", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", 400},
		{"no host", head + "\r\n", 400},
		{"an empty host", head + "Host: \r\n\r\n", 403},
		{"two hosts", head + "Host: @\r\nHost: @\r\n\r\n", 400},
		{"HTTP/3.0", strings.Replace(head, "1.1", "3.0", 1) + "Host: @\r\n\r\n", 505},
		{"a space in the path", "GET /a b HTTP/1.1\r\nHost: @\r\n\r\n", 400},
		{"a header without a colon", head + "Host: @\r\nnonsense\r\n\r\n", 400},
		{"a header with a control character", head + "Host: @\r\nA: \x00\r\n\r\n", 400},
		{"an absolute URL of elsewhere", "GET http://evil.example/ HTTP/1.1\r\nHost: @\r\n\r\n", 403},
		{"length and chunks", "POST " + dataPath + " HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", 400},
		{"two lengths", "POST " + dataPath + " HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
		{"a negative length", "POST " + dataPath + " HTTP/1.1\r\nHost: @\r\nContent-Length: -1\r\n\r\n", 400},
		{"chunks that are none", "POST " + dataPath + " HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{"an encoding of nobody's", "POST " + dataPath + " HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		{"headers without end", head + "Host: @\r\n" + strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 1200), 431},
	} {
		rows = append(
			rows,
			badInput{
				door: "bytes", name: r.name, status: r.status,
				send: func(b *badDoor) verdict { return b.bytes(r.text) },
			},
		)
	}
	return rows
}

// bytes sends text as it is, and requires that others are served all the same.
func (b *badDoor) bytes(text string) verdict {
	b.Helper()
	address := strings.TrimPrefix(b.url, "http://")
	conn := b.connect()
	go func() { _, _ = io.WriteString(conn, strings.ReplaceAll(text, "@", address)) }() // ends with the connection
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(b, err)
	defer func() { _ = answer.Body.Close() }()
	b.serves(false)
	return verdict{status: answer.StatusCode}
}

func (b *badDoor) connect() net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	require.NoError(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	require.NoError(b, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

// badSocketBytes are frames that break RFC 6455: each ends its connection, with a close code, and
// no other.
func badSocketBytes() (rows []badInput) {
	masked := func(first byte, payload string) []byte { // short ones; the mask is zero
		return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	}
	long := func(n uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, n), 0, 0, 0, 0)
	}
	for _, r := range []struct {
		name  string
		frame []byte
		code  int // 0: the connection ends without a close frame
	}{
		{"not masked", []byte{0x81, 0x02, '{', '}'}, 0},
		{"a reserved bit", masked(0xc1, "{}"), 1002},
		{"an opcode of nobody's", masked(0x83, "{}"), 1002},
		{"a control opcode of nobody's", masked(0x8b, ""), 1002},
		{"a fragmented ping", masked(0x09, "x"), 1002},
		{"a continuation of nothing", masked(0x80, "{}"), 1002},
		{"a ping too long", append([]byte{0x89, 0xfe, 0, 126, 0, 0, 0, 0}, make([]byte, 126)...), 1002},
		{"a length beyond all", long(1 << 63), 0},
		{"a length beyond the limit", append(long(1<<40), make([]byte, 16<<10)...), 1009},
		{"binary", masked(0x82, "{}"), 1003},
		{"no UTF-8", masked(0x81, "\xff"), 1007},
		{"a close code of nobody's", masked(0x88, "\x03\xed"), 1002},
		{"a close of one byte", masked(0x88, "x"), 1002},
	} {
		rows = append(
			rows,
			badInput{
				door: "socket bytes", name: r.name, status: r.code,
				send: func(b *badDoor) verdict { return b.socketBytes(r.frame) },
			},
		)
	}
	return rows
}

// socketBytes sends bytes over an open socket and tells the close code that comes back.
func (b *badDoor) socketBytes(frame []byte) verdict {
	b.Helper()
	bystander := b.dial()
	conn := b.connect()
	address := strings.TrimPrefix(b.url, "http://")
	_, err := io.WriteString(
		conn,
		"GET "+dataPath+"/socket HTTP/1.1\r\nHost: "+address+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	)
	require.NoError(b, err)
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	require.NoError(b, err)
	require.Equal(b, http.StatusSwitchingProtocols, answer.StatusCode)
	_, err = conn.Write(frame)
	require.NoError(b, err)
	for code := 0; ; {
		opcode, payload, err := readServerFrame(in)
		if err == nil && opcode == 8 {
			code = int(binary.BigEndian.Uint16(payload)) // ours are never empty
			_ = conn.Close()
		}
		if err != nil || opcode == 8 {
			b.alive(bystander)
			return verdict{status: code}
		}
	}
}

// readServerFrame reads a frame of at most 64 KiB, which is not masked.
func readServerFrame(in *bufio.Reader) (opcode byte, payload []byte, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(in, head); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(head))
		head[0] = 0x81
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(in, payload)
	return head[0] & 0x0f, payload, err
}
